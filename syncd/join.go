package syncd

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// A client that wants several streams is told a token in the answer to its first
// hello, and gives it in those of the others. The token is random, good for that
// session alone and for no more streams than were granted, and is forgotten when
// the session ends.

// gathering is what a session of a server has for the streams that join it.
type gathering struct {
	token   []byte
	limit   int // streams beside the first
	timeout time.Duration
	ready   chan struct{} // closed when take may be called
	over    context.Context
	end     context.CancelFunc
	take    func(n *session) error // serves one stream to its end

	mu    sync.Mutex
	count int // streams that have joined; none takes the place of one that broke
	wg    sync.WaitGroup
}

// gather offers the streams that the client wants, as far as the configuration
// allows. end takes the offer back and waits for the streams.
func (n *session) gather(answer *native.ServerHello, take func(*session) error) (g *gathering, end func()) {
	streams := min(n.hello.Streams, n.cfg.MaxStreams)
	if !slices.Contains(n.hello.Features, native.FeatureStreams) {
		streams = 1
	}
	g = &gathering{limit: streams - 1, timeout: n.timeout(), ready: make(chan struct{}), take: take}
	if streams <= 1 {
		return g, func() {}
	}
	g.token = make([]byte, native.TokenLen)
	rand.Read(g.token) // never fails
	g.over, g.end = context.WithCancel(n.ctx)
	answer.Features = append(answer.Features, native.FeatureStreams)
	answer.Streams, answer.Token = streams, g.token
	s := n.server
	s.mu.Lock()
	s.gatherings[g] = struct{}{}
	s.mu.Unlock()
	return g, func() {
		s.mu.Lock()
		delete(s.gatherings, g)
		s.mu.Unlock()
		g.end()
		g.wg.Wait()
	}
}

// gathering finds the session that a token is of. How long that takes depends on
// the number of sessions and not on the token.
func (s *Server) gathering(token []byte) (found *gathering) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for g := range s.gatherings {
		if subtle.ConstantTimeCompare(g.token, token) == 1 {
			found = g
		}
	}
	return found
}

// enter counts a stream in, unless there were as many as were granted.
func (g *gathering) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over.Err() != nil || g.count >= g.limit {
		return false
	}
	g.count++
	g.wg.Add(1)
	return true
}

func (g *gathering) leave() { g.wg.Done() }

// join makes the client's connection a stream of the session that its token is
// of, until that or the stream ends.
func (n *session) join() error {
	g := n.server.gathering(n.hello.Token)
	if g == nil || !g.enter() {
		return n.refuseLate(native.CodeDenied, "no session takes this stream: it is over, or had as many as it may")
	}
	defer g.leave()
	select {
	case <-g.ready:
	case <-g.over.Done():
		return n.refuseLate(native.CodeDenied, "the session is over")
	case <-n.ctx.Done():
		return context.Cause(n.ctx)
	}
	n.conn.SetTimeout(g.timeout)
	stop := context.AfterFunc(g.over, func() { n.conn.Close() })
	defer stop()
	if err := native.SendServerHello(n.conn, &native.ServerHello{Software: Software()}); err != nil {
		return err
	}
	err := g.take(n)
	if g.over.Err() != nil {
		return nil
	}
	return err
}

// more opens the streams that the server grants beside the first, each of which
// it gives to use until that returns. A stream that can't be had is one less.
// done takes the offer back and waits.
func (t *Transfer) more(ctx context.Context, to Location, answer *native.ServerHello, use func(context.Context, *wire.Conn) error) (done func()) {
	if granted := max(answer.Streams, 1); granted < t.Streams {
		t.Note(native.Note{Text: fmt.Sprintf("the server grants %d of %d streams", granted, t.Streams), Error: true})
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i := 1; i < min(answer.Streams, t.Streams); i++ {
		wg.Go(func() {
			conn, _, err := t.dial(ctx, to, &native.ClientHello{Software: Software(), Role: native.RoleJoin, Token: answer.Token})
			if err != nil {
				if ctx.Err() == nil {
					t.Note(native.Note{Text: fmt.Sprintf("stream %d of %d can't be had (%v); the others go on", i+1, t.Streams, err), Error: true})
				}
				return
			}
			defer conn.Close()
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			defer stop()
			if err := use(ctx, conn); err != nil && ctx.Err() == nil && !errors.Is(err, errOver) {
				t.Note(native.Note{Text: fmt.Sprintf("stream %d of %d broke: %v", i+1, t.Streams, err), Error: true})
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}
