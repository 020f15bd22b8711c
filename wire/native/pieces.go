package native

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// ErrCut says that a sink has given up its signature: its own file can't be read.
var ErrCut = errors.New("the signature was cut short")

// Pieces is the signature of a DELTA on its way in. The goroutine that reads requests
// adds to it and never waits; another one takes what has come, in order.
type Pieces struct {
	held  *atomic.Int64 // bytes that wait in all of a connection's
	came  chan struct{} // has room for one
	total int           // bytes, the reader's

	mu      sync.Mutex
	buf     []byte // what has come
	ended   error  // io.EOF behind the last piece, ErrCut
	dropped bool   // nobody takes any
}

func newPieces(held *atomic.Int64) *Pieces { return &Pieces{held: held, came: make(chan struct{}, 1)} }

// put adds a piece; ended says that it is the last one, or why it is.
func (p *Pieces) put(piece []byte, ended error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total += len(piece); p.total > MaxSignature {
		return badf("a signature of more than %d bytes", MaxSignature)
	}
	p.ended = ended
	if len(piece) > 0 && !p.dropped {
		if p.held.Add(int64(len(piece))) > 2*MaxSignature {
			return badf("more bytes of signatures than may be unanswered")
		}
		p.buf = append(p.buf, piece...)
	}
	select {
	case p.came <- struct{}{}:
	default:
	}
	return nil
}

// Next waits for a piece, and returns all that has come. It returns io.EOF behind the last
// one, ErrCut if there will not be all, or why ctx has ended.
func (p *Pieces) Next(ctx context.Context) ([]byte, error) {
	for {
		p.mu.Lock()
		switch {
		case len(p.buf) > 0:
			piece := p.buf
			p.buf = nil
			p.held.Add(-int64(len(piece)))
			p.mu.Unlock()
			return piece, nil
		case p.ended != nil:
			defer p.mu.Unlock()
			return nil, p.ended
		}
		p.mu.Unlock()
		select {
		case <-p.came:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Waits reports whether Next would wait.
func (p *Pieces) Waits() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.buf) == 0 && p.ended == nil
}

// Drop gives back what waits, and what will come: nobody takes it.
func (p *Pieces) Drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held.Add(-int64(len(p.buf)))
	p.buf, p.dropped = nil, true
}
