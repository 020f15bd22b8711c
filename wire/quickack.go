package wire

import "golang.org/x/sys/unix"

// Acknowledge has TCP acknowledge what has come at once rather than with the
// next bytes that go the other way, for which it waits 40 ms. A peer that has
// Nagle's algorithm on and writes twice before it reads, as in a handshake of
// short strings, sends the second part only then. It lasts until something is
// sent, so it is to be called before each wait of such an exchange. On any
// other stream than TCP it does nothing. It may be called at any time.
func (c *Conn) Acknowledge() {
	r := c.kernel
	if r == nil || !r.tcp {
		return
	}
	// An error is that of a closed connection, which the next read will report;
	// without it things are slower and nothing else.
	_ = r.rc.Control(func(fd uintptr) {
		c.stats.Calls.Add(1)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}
