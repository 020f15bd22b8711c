package wire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// NewLimiter returns a token bucket for Options.Limit that lets
// bytesPerSecond through, in blocks large enough that splice stays worth its
// system call: a tenth of a second's worth, between 4 KiB and 1 MiB.
func NewLimiter(bytesPerSecond int64) *rate.Limiter {
	block := min(max(bytesPerSecond/10, 4<<10), 1<<20)
	return rate.NewLimiter(rate.Limit(bytesPerSecond), int(block))
}

// meter stands before every system call on one direction of a stream: it
// counts the bytes, holds the rate and keeps the deadline ahead.
type meter struct {
	count *atomic.Int64 // Stats.Sent or Stats.Received
	calls *atomic.Int64 // Stats.Calls

	limit  *atomic.Pointer[rate.Limiter] // the Conn's; nil: no limit
	closed context.Context               // done when the Conn closes
	debt   int                           // bytes moved and not yet paid for

	timeout     *atomic.Int64 // the Conn's, as a time.Duration; 0: none
	armed       time.Time     // the deadline that setDeadline was last given
	setDeadline func(time.Time) error
}

// admit is called before a system call that would move n bytes. It waits for
// the tokens of what was moved before, sees to the deadline and returns how
// many bytes may be moved now: at least 1 if n is.
//
// Tokens are paid after the fact because how much a stream will yield is not
// known before; the debt never exceeds one burst.
func (m *meter) admit(n int) (int, error) {
	if limit := m.limit.Load(); limit != nil && limit.Limit() != rate.Inf {
		for m.debt > 0 {
			k := min(m.debt, limit.Burst())
			if k <= 0 {
				return 0, fmt.Errorf("limiter with a burst of %d", limit.Burst())
			}
			if err := limit.WaitN(m.closed, k); err != nil {
				return 0, err
			}
			m.debt -= k
		}
		n = min(n, max(limit.Burst(), 1))
	}
	return n, m.arm()
}

// moved is called after a system call that moved n bytes.
func (m *meter) moved(n int) {
	m.count.Add(int64(n))
	if m.limit.Load() != nil {
		m.debt += n
	}
}

// disarm takes the deadline away, until the next arm.
func (m *meter) disarm() error {
	m.armed = time.Time{}
	return m.setDeadline(time.Time{})
}

// arm keeps the deadline at least timeout ahead. It moves it only when less
// than that is left, then by a quarter more, so that a fast stream sets a
// timer four times per timeout and not per call. A silent peer is hence
// given up between 1 and 1.25 timeouts after its last byte.
func (m *meter) arm() error {
	timeout := time.Duration(m.timeout.Load())
	if timeout <= 0 || m.setDeadline == nil {
		return nil
	}
	now := time.Now()
	most := timeout + timeout/4
	if left := m.armed.Sub(now); left >= timeout && left <= most {
		return nil
	}
	m.armed = now.Add(most)
	err := m.setDeadline(m.armed)
	if errors.Is(err, os.ErrNoDeadline) {
		// A terminal or a regular file as stdio: nobody can wait for it.
		m.setDeadline = nil
		return nil
	}
	return err
}
