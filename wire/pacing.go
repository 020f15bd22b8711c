package wire

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unpaced is the congestion control of connections within this host. Where
// the host's own is one that paces, such as BBR, the kernel sets a timer for
// each segment also on loopback, where no line is to be spared, and most of
// them fire on the receiver's core: 17,000-20,000 interrupts per GiB instead of
// 4,000, and 1.15 s instead of 0.82 s for 1 GiB to a stock rsync client. A
// connection that has begun paced stays so, hence the settings before that.
const unpaced = "reno"

// Unpaced is a [net.Dialer]'s Control: connections to loopback are not paced.
func Unpaced(_, address string, rc syscall.RawConn) error {
	if isLoopback(address) {
		// As good as it gets: without it things are slower and nothing else.
		_ = setCongestion(rc, unpaced)
	}
	return nil
}

// UnpacedListener makes what l accepts from loopback not be paced. The
// function that it returns is to be called with each connection accepted: it
// gives back to any other one the congestion control that l had.
func UnpacedListener(l net.Listener) func(net.Conn) {
	nothing := func(net.Conn) {}
	t, ok := l.(*net.TCPListener)
	if !ok {
		return nothing
	}
	rc, err := t.SyscallConn()
	if err != nil {
		return nothing
	}
	own := congestion(rc)
	if own == "" || own == unpaced || setCongestion(rc, unpaced) != nil {
		return nothing
	}
	return func(c net.Conn) {
		if t, ok := c.(*net.TCPConn); ok && !isLoopback(c.RemoteAddr().String()) {
			repace(t, own)
		}
	}
}

// repace gives a connection the congestion control of its listener, which was
// allowed to that. One that a route has chosen stays.
func repace(c *net.TCPConn, own string) {
	if rc, err := c.SyscallConn(); err == nil && congestion(rc) == unpaced {
		_ = setCongestion(rc, own)
	}
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// congestion returns the name of a socket's congestion control, "" if it
// can't be asked for.
func congestion(rc syscall.RawConn) (name string) {
	err := rc.Control(func(fd uintptr) {
		name, _ = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	})
	if err != nil {
		return ""
	}
	return name
}

func setCongestion(rc syscall.RawConn, name string) (err error) {
	failed := rc.Control(func(fd uintptr) {
		err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, name)
	})
	if failed != nil {
		return failed
	}
	return err
}
