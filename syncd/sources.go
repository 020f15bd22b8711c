package syncd

import (
	"context"
	"errors"
	"sync"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// sources answers one sink on all streams of a session. The BYE comes on one of
// them, and ends the session on all; a stream that breaks before ends alone, as
// long as there is another. It owns nothing: connections are closed by whoever
// gave them to answer.
type sources struct {
	make func() *source // one for each stream
	note notes
	own  func() *Result

	mu     sync.Mutex
	alive  map[*wire.Conn]struct{}
	over   bool   // no more streams
	result []byte // the sink's, of its BYE
	err    error
	wg     sync.WaitGroup
}

// errOver says that a session has ended before a stream could join it.
var errOver = errors.New("the session is over")

// answer serves a stream to its end. Its error is that of this stream; wait
// tells about the session.
func (g *sources) answer(ctx context.Context, conn *wire.Conn) error {
	g.mu.Lock()
	if g.over {
		g.mu.Unlock()
		return errOver
	}
	if g.alive == nil {
		g.alive = make(map[*wire.Conn]struct{})
	}
	g.alive[conn] = struct{}{}
	g.wg.Add(1)
	g.mu.Unlock()
	defer g.wg.Done()
	s, bye := g.make(), false
	s.done = func() { bye = g.finish() }
	result, err := s.answer(ctx, native.NewAnswerer(conn), g.note, g.own)
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.alive, conn)
	switch {
	case bye:
		g.result, g.err = result, err
	case g.over:
		return nil // this one was closed for another's BYE
	case isBroken(err) && len(g.alive) > 0:
		return err
	default:
		g.over, g.err = true, err
	}
	for other := range g.alive {
		other.Close()
	}
	return err
}

// finish takes the sink's BYE: from now on streams end because they are not
// needed. It reports whether this is the first one.
func (g *sources) finish() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	first := !g.over
	g.over = true
	return first
}

// wait returns when all streams have ended: the sink's result, or why there is
// none.
func (g *sources) wait() ([]byte, error) {
	g.wg.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	return g.result, g.err
}
