package wire

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// rcvlowat returns SO_RCVLOWAT of the socket under c.
func rcvlowat(t *testing.T, c net.Conn) (n int) {
	t.Helper()
	rc := must[interface {
		Control(func(uintptr)) error
	}](t)(c.(*net.TCPConn).SyscallConn())
	err := rc.Control(func(fd uintptr) {
		n, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestLowWaterMarkIsGoneBeforeABodyEnds(t *testing.T) {
	for _, n := range []int64{lowatBody - 1, lowatBody, lowatBody + 1, 8 << 20} {
		x, y := dialPair(t, "tcp", "127.0.0.1:0")
		a, b := connPair(t, x, y, Options{}, Options{})
		src, dst := fileOf(t, nil), fileOf(t, nil)
		src.Truncate(n)
		sent := make(chan error, 1)
		go func() {
			// The body comes in drips, and nothing behind it.
			for off := int64(0); off < n; off += 100_000 {
				if err := errors.Join(a.SendFile(src, off, min(100_000, n-off)), a.Flush()); err != nil {
					sent <- err
					return
				}
				time.Sleep(time.Millisecond)
			}
			sent <- nil
		}()
		if err := errors.Join(b.RecvFile(dst, 0, n), <-sent); err != nil {
			t.Fatal(err)
		}
		inStep(t, a, b, "next")
		if got := rcvlowat(t, y); got > 1 {
			t.Errorf("body of %d: low-water mark is %d", n, got)
		}
	}
}

func TestSlowLinkIsNotTakenForASilentOne(t *testing.T) {
	const n = 1 << 20
	o := Options{Timeout: 400 * time.Millisecond}
	x, y := dialPair(t, "tcp", "127.0.0.1:0")
	a, b := connPair(t, x, y, Options{}, o)
	src, dst := fileOf(t, nil), fileOf(t, nil)
	src.Truncate(n)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for off := int64(0); off < 5*50_000; off += 50_000 {
			if err := errors.Join(a.SendFile(src, off, 50_000), a.Flush()); err != nil {
				return
			}
			time.Sleep(o.Timeout / 3)
		}
		errs := errors.Join(a.SendFile(src, 250_000, n-250_000), a.Flush())
		if errs != nil {
			return
		}
		io.WriteString(a, "next")
		a.Flush()
	}()
	if err := b.RecvFile(dst, 0, n); err != nil {
		t.Errorf("a slow body: %v", err)
	}
	if b.in.(*spliceReceiver).in.lowat.on {
		t.Error("the link was not found to be slow")
	}
	<-done
}

func TestSilentPeerWithinALargeBodyTimesOutOnce(t *testing.T) {
	o := Options{Timeout: 400 * time.Millisecond}
	a, b := tcpPair(t, Options{}, o)
	if err := errors.Join(a.SendFile(fileOf(t, make([]byte, 10)), 0, 10), a.Flush()); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := b.RecvFile(fileOf(t, nil), 0, 8<<20); !errors.Is(err, ErrTimeout) {
		t.Errorf("error is %v", err)
	}
	if took := time.Since(start); took > 2*o.Timeout {
		t.Errorf("took %v", took)
	}
}
