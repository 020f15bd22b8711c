package wire

import (
	"errors"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// In the middle of a large body on TCP there is no use in waking for each
// segment: SO_RCVLOWAT lets the kernel wait until there is a good fill of the
// pipe.
const (
	// lowatBytes: 1 GiB over loopback into a file cost 0.63 CPU-s at both ends
	// together with it, 0.69-0.75 with 128 KiB, 0.75 without (medians of 18;
	// a bare sendfile-splice loop without it 0.74).
	lowatBytes = 256 << 10
	// lowatBody is how much of a body must be missing. It is no less than
	// lowatBytes, so what is waited for is always bytes that the peer owes
	// before it may expect an answer. Twice as much would turn it off and on
	// again within each piece that is hashed: 1.17 instead of 1.06 of the time of
	// a bare pump.
	lowatBody = lowatBytes
)

// lowat keeps SO_RCVLOWAT of a TCP socket.
type lowat struct {
	on    bool // the stream is TCP, and nothing has spoken against it yet
	now   int  // what the socket has; 0 is the kernel's default, 1
	next  int
	set   func(fd uintptr) // bound once
	calls *atomic.Int64    // Stats.Calls
}

// expect is called before a wait for the next of n body bytes, or with 0
// before a wait for a message. It is one system call at either end of a large
// body.
func (r *kernelReader) expect(n int64) {
	want := 0
	if r.lowat.on && n >= lowatBody {
		want = lowatBytes
	}
	if want == r.lowat.now {
		return
	}
	r.lowat.next = want
	// An error is that of a closed connection, which the read will report.
	_ = r.rc.Control(r.lowat.set)
}

func (l *lowat) apply(fd uintptr) {
	l.now = l.next
	l.calls.Add(1)
	if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, max(l.next, 1)) != nil {
		l.on, l.now = false, 0
	}
}

// overdue is called when a wait has ended by err. On a link that is slower
// than lowatBytes per timeout, bytes have come and not been told of. It takes
// them and reports true, and from then on each byte is told of.
func (r *kernelReader) overdue(err error) bool {
	if r.lowat.now == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	r.lowat.on = false
	r.expect(0)
	var ok bool
	return r.rc.Control(func(fd uintptr) { ok = r.attempt(fd) }) == nil && ok
}
