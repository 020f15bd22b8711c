package native

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"
)

// TestPieces waits for pieces, gives some up, and sends more than may wait.
func TestPieces(t *testing.T) {
	var held atomic.Int64
	p := newPieces(&held)
	go func() {
		time.Sleep(10 * time.Millisecond)
		_ = p.put([]byte("a"), nil)
	}()
	if got, err := p.Next(t.Context()); string(got) != "a" || err != nil || !p.Waits() {
		t.Errorf("%q, %v", got, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(io.ErrClosedPipe)
	if _, err := p.Next(ctx); err != io.ErrClosedPipe {
		t.Errorf("ended: %v", err)
	}
	check(t, p.put([]byte("bc"), nil))
	p.Drop()
	check(t, p.put([]byte("d"), nil))
	if n := held.Load(); n != 0 {
		t.Errorf("%d bytes are held of what was dropped", n)
	}
	long := make([]byte, MaxSignature)
	q, r := newPieces(&held), newPieces(&held)
	check(t, q.put(long, nil), r.put(long, io.EOF))
	if err := q.put([]byte("e"), nil); !errors.Is(err, ErrProtocol) {
		t.Errorf("too long a signature: %v", err)
	}
	if err := newPieces(&held).put([]byte("f"), nil); !errors.Is(err, ErrProtocol) {
		t.Errorf("too many signatures: %v", err)
	}
}

func check(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
