package syncd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// Waits before reconnecting: the first one, doubled each time up to the last, and
// the first again after a connection that brought something. Each is drawn from
// half of it up to all of it, so that a hundred mirrors do not come back at once.
const (
	firstWait = time.Second
	lastWait  = time.Minute
)

// retry runs attempts until one ends otherwise than by its connection, or there
// have been t.Retry after the first. Bytes and files add up over all; what else
// is counted is of the last.
func (t *Transfer) retry(ctx context.Context, attempt func(context.Context) (*Result, error)) (*Result, error) {
	wait := firstWait
	for n := 1; ; n++ {
		moved := t.Stats.Literal.Load()
		r, err := attempt(ctx)
		if n > t.Retry || !isBroken(err) || ctx.Err() != nil {
			return r, err
		}
		if t.Stats.Literal.Load() > moved {
			wait = firstWait
		}
		pause := wait/2 + rand.N(wait/2)
		t.Note(native.Note{Error: true, Text: fmt.Sprintf("%v; connecting again in %v (%d of %d)", err, pause.Round(100*time.Millisecond), n, t.Retry)})
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return r, context.Cause(ctx)
		}
		wait = min(2*wait, lastWait)
		t.Stats.again()
	}
}

// isBroken reports whether err is of a connection, so that another one may do
// better. What the other side said, and what went wrong with a file, is not.
func isBroken(err error) bool {
	var fatal *native.FatalError
	var refused *native.RefusedError
	var notNative *native.NotNativeError
	var file *wire.FileError
	switch {
	case err == nil, errors.As(err, &fatal), errors.As(err, &refused), errors.As(err, &notNative), errors.As(err, &file),
		errors.Is(err, native.ErrProtocol):
		return false
	}
	switch ExitCode(err) {
	case ExitSocket, ExitTimeout, ExitConnTimeout:
		return true
	}
	for _, cause := range connectionErrors {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// connectionErrors are what a connection ends by.
var connectionErrors = []error{
	io.ErrUnexpectedEOF, io.EOF, net.ErrClosed,
	syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ENOTCONN, syscall.ETIMEDOUT,
	syscall.ENETDOWN, syscall.ENETUNREACH, syscall.ENETRESET, syscall.EHOSTDOWN, syscall.EHOSTUNREACH,
}
