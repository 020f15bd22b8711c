package wire

import (
	"net"
	"syscall"
	"testing"
)

// rawOf returns the descriptor under a connection or a listener.
func rawOf(t *testing.T, c any) syscall.RawConn {
	t.Helper()
	return must[syscall.RawConn](t)(c.(syscall.Conn).SyscallConn())
}

// otherControl makes a control that is not the one of loopback the listener's
// own, if this kernel has one.
func otherControl(t *testing.T, l net.Listener) string {
	t.Helper()
	for _, name := range []string{"bbr", "cubic"} {
		if setCongestion(rawOf(t, l), name) == nil {
			return name
		}
	}
	return unpaced // this kernel has no other one
}

func TestLoopbackIsNotPaced(t *testing.T) {
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	otherControl(t, l)
	repace := UnpacedListener(l)
	d := net.Dialer{Control: Unpaced}
	a := must[net.Conn](t)(d.Dial("tcp", l.Addr().String()))
	defer a.Close()
	b := must[net.Conn](t)(l.Accept())
	defer b.Close()
	repace(b)
	for name, c := range map[string]net.Conn{"dialed": a, "accepted": b} {
		if got := congestion(rawOf(t, c)); got != unpaced {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestConnectionFromElsewhereIsPacedAsTheHostWants(t *testing.T) {
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	want := otherControl(t, l)
	UnpacedListener(l)
	a := must[net.Conn](t)(net.Dial("tcp", l.Addr().String()))
	defer a.Close()
	b := must[net.Conn](t)(l.Accept())
	defer b.Close()
	if got := congestion(rawOf(t, b)); got != unpaced {
		t.Fatalf("accepted: %s", got)
	}
	repace(b.(*net.TCPConn), want)
	if got := congestion(rawOf(t, b)); got != want {
		t.Errorf("given back: %s, want %s", got, want)
	}
}

func TestIsLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:873": true, "127.9.8.7:1": true, "[::1]:873": true, "[::ffff:127.0.0.1]:1": true,
		"192.0.2.1:873": false, "[fe80::1%lo]:1": false, "0.0.0.0:1": false, "localhost:1": false, "": false,
	} {
		if got := isLoopback(address); got != want {
			t.Errorf("%q: %v", address, got)
		}
	}
}
