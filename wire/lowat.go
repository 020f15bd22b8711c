package wire

import (
	"errors"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// In the middle of a large body on TCP there is no use in waking for each
// segment: SO_RCVLOWAT lets the kernel wait until there is a good fill of the
// pipe. Where both ends share a host, the sender pays for each wake-up.
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

	// guessPatience is how long a wait lasts for bytes that the peer is believed to
	// send, but may not: it ends a file that has become shorter and waits for an
	// answer. After maxGuesses in vain nothing is believed any more.
	guessPatience = 20 * time.Millisecond
	maxGuesses    = 16
)

// lowat keeps SO_RCVLOWAT of a TCP socket.
type lowat struct {
	on   bool // the stream is TCP, and nothing has spoken against it yet
	now  int  // what the socket has; 0 is the kernel's default, 1
	next int

	guess bool // what is waited for may never come
	vain  int  // how many guesses were not true in time
	armed bool // the stream's deadline is that of a guess

	set   func(fd uintptr) // bound once
	calls *atomic.Int64    // Stats.Calls
}

// expect is called before a wait for the next of n body bytes, or with 0
// before a wait for a message. It is one system call at either end of a large
// body. With guess, n is how many bytes are believed to come, of whatever kind.
func (r *kernelReader) expect(n int64, guess bool) {
	want := 0
	if r.lowat.on && n >= lowatBody && !(guess && r.lowat.vain >= maxGuesses) {
		want = lowatBytes
	}
	r.lowat.guess = guess
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

// wait makes the call as soon as the stream is ready.
func (r *kernelReader) wait() error {
	err := r.rc.Read(r.try)
	if r.lowat.armed {
		r.lowat.armed = false
		if derr := r.disarm(); derr != nil {
			return derr
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			r.lowat.vain++
			r.expect(0, false)
			if err = r.arm(); err == nil {
				err = r.rc.Read(r.try)
			}
		}
	}
	if err != nil && r.overdue(err) {
		return nil
	}
	return err
}

// waits is called when the stream is not ready. The wait for a guess gets a deadline
// of its own.
func (r *kernelReader) waits() {
	l := &r.lowat
	if l.now > 0 && l.guess && !l.armed && r.setDeadline != nil {
		l.armed = r.setDeadline(time.Now().Add(guessPatience)) == nil
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
	r.expect(0, false)
	var ok bool
	return r.rc.Control(func(fd uintptr) { ok = r.attempt(fd) }) == nil && ok
}
