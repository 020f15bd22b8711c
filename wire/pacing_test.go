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
	var remote net.Addr
	for _, a := range must[[]net.Addr](t)(net.InterfaceAddrs()) {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
			remote = &net.TCPAddr{IP: n.IP}
		}
	}
	if remote == nil {
		t.Skip("this host has no address but loopback")
	}
	l := must[net.Listener](t)(net.Listen("tcp", "0.0.0.0:0"))
	defer l.Close()
	want := otherControl(t, l)
	repace := UnpacedListener(l)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	d := net.Dialer{Control: Unpaced}
	a := must[net.Conn](t)(d.Dial("tcp", net.JoinHostPort(remote.(*net.TCPAddr).IP.String(), port)))
	defer a.Close()
	b := must[net.Conn](t)(l.Accept())
	defer b.Close()
	repace(b)
	if got := congestion(rawOf(t, b)); got != want {
		t.Errorf("accepted: %s, want %s", got, want)
	}
	if got := congestion(rawOf(t, a)); got == unpaced && want != unpaced && !defaultIs(t, unpaced) {
		t.Errorf("dialed: %s", got)
	}
}

// defaultIs reports whether name is what this host gives to new sockets.
func defaultIs(t *testing.T, name string) bool {
	t.Helper()
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	return congestion(rawOf(t, l)) == name
}
