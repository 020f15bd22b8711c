package syncd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed9553035b/syncd/syncd/cache"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// keepAlive is how often a side of a session says that it is there, so that the
// other's timeout runs out only if it is not. It is less than the least timeout
// that makes sense; 32 bytes a second are no traffic.
const keepAlive = 700 * time.Millisecond

// notes receives what a sink says to the person at the source's end.
type notes func(native.Note)

// answer serves a sink until its BYE and returns the result in it. After an
// error the connection is closed. Requests
// are read by a goroutine of its own, so that a sink never waits for room to
// ask while its source waits for room to answer.
//
//	reader (1 goroutine)      Next -> NOTE: note(), others -> queue
//	helpers (lookahead.go)    look at directories that wait in the queue
//	answerer (the caller)     queue -> page or read, Flush when it is empty
func (s *source) answer(ctx context.Context, a *native.Answerer, note notes, own func() *Result) (result []byte, err error) {
	parent := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	helpers := s.newLookahead(ctx)
	defer func() {
		cancel(nil)
		helpers.wait()
	}()
	var reader sync.WaitGroup
	defer reader.Wait()
	defer func() {
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx) // what came first says more
		}
		if parent.Err() == nil {
			tell(a, err)
		}
		a.Close()
	}()
	// The protocol bounds what may be unanswered, so the reader never blocks.
	queue := make(chan any, native.MaxLists+native.MaxReads+1)
	reader.Go(func() {
		defer helpers.end()
		defer close(queue)
		if err := readRequests(a, queue, helpers, note); err != nil {
			cancel(err)
			if isBroken(err) {
				a.Close() // the answerer may wait for a sink that is gone
			}
		}
	})
	stop := keepAlives(a.Nop)
	defer stop()

	s.hash = newHasher(s.alg, s.stats)
	defer s.Close()
	var w native.PageWriter
	lists := 0 // that were answered since the last Flush
	for {
		var req any
		var ok bool
		if lists == flushLists {
			lists = 0
			if err := a.Flush(); err != nil {
				return nil, err
			}
		}
		select {
		case req, ok = <-queue:
		default:
			if err := a.Flush(); err != nil {
				return nil, err
			}
			req, ok = <-queue
		}
		if !ok {
			return nil, context.Cause(ctx)
		}
		var err error
		switch r := req.(type) {
		case *native.List:
			err = s.answerList(a, r, &w)
			lists++
		case *look:
			err = s.answerLook(a, helpers, r, &w)
			lists++
		case *native.Read:
			err = s.answerRead(a, r)
		case *native.Sign:
			err = s.answerSign(ctx, a, r)
		case *native.Delta:
			err = s.answerDelta(ctx, a, r)
		case *native.Bye:
			if s.done != nil {
				s.done()
			}
			err = a.Bye(own().JSON())
			if err == nil {
				return r.Result, nil
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// tell lets the sink know why its source gives up, unless it is the one that
// said so, or is not there to hear it.
func tell(a *native.Answerer, err error) {
	var said *native.FatalError
	switch code := ExitCode(err); {
	case errors.As(err, &said), code == ExitTimeout, code == ExitStream:
	default:
		a.Fatal(code, err.Error())
	}
}

// readRequests moves requests to the queue until the connection or the session
// ends. It returns nil behind a BYE.
func readRequests(a *native.Answerer, queue chan<- any, helpers *lookahead, note notes) error {
	for {
		req, err := a.Next()
		if err != nil {
			return err
		}
		if n, ok := req.(*native.Note); ok {
			note(*n)
			continue
		}
		queued := req
		if l, ok := req.(*native.List); ok {
			queued = helpers.offer(l)
		}
		select {
		case queue <- queued:
		default:
			return fmt.Errorf("%w: more requests than may be unanswered", native.ErrProtocol)
		}
		if _, ok := req.(*native.Bye); ok {
			return nil
		}
	}
}

// keepAlives calls nop regularly until stop is called. An error of nop is
// seen by whoever uses the connection next.
func keepAlives(nop func() error) (stop func()) { return keepAlivesEvery(keepAlive, nop) }

func keepAlivesEvery(period time.Duration, nop func() error) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(period)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				if nop() != nil {
					return
				}
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}

// answerFile sends the ranges of one file, and closes it.
func (s *source) answerFile(a *native.Answerer, r *native.Read, index uint32, f *tree.File) error {
	defer f.Close()
	want := &r.Files[index]
	send := &fileSender{s: s, a: a, r: r, index: index, f: f, version: want.Version, again: r.Again}
	if want.Version.Size >= rememberFrom || r.Again {
		send.key, send.keep = s.sumKey(want.Path, want.Version)
	}
	return sendFile(send, f, want, r.SumsOnly)
}

// fileSender sends one file of a READ.
type fileSender struct {
	s       *source
	a       *native.Answerer
	r       *native.Read
	index   uint32
	f       *tree.File
	version wire.Version
	pack    packing
	key     cache.Key
	keep    bool // what is hashed of the file is remembered
	again   bool // it has arrived wrong: what is remembered may be, of any length
}

func (t *fileSender) failed(err error) error {
	return t.a.Failed(t.r.ID, t.index, failure(err))
}

func (t *fileSender) hole(off, n int64, final bool) error {
	status := native.StatusMore
	if final {
		status = unchanged(t.f, t.version)
	}
	return t.a.Hole(t.r.ID, t.index, off, n, status)
}

// data sends one range, compressed where that was asked for and pays.
func (t *fileSender) data(off, n int64, final bool) (done bool, err error) {
	if t.s.packer != nil && !t.r.SumsOnly {
		return t.packed(off, n, final)
	}
	return t.raw(off, n, final)
}

// raw sends one DATA frame. What is not remembered of a body is hashed right
// before it is sent, piece by piece. Sums without bodies are always hashed: who
// compares contents does not believe in times, by which digests are remembered.
func (t *fileSender) raw(off, n int64, final bool) (done bool, err error) {
	h := t.s.hash
	h.start()
	var bad error // what made the file unreadable, the stream being in step
	key, keep := t.key, t.keep && (n >= rememberFrom || t.again)
	key.Off, key.N = off, n
	var known []byte
	if keep && !t.again && !t.r.SumsOnly {
		known = t.s.sums.Get(key)
	}
	err = t.a.Data(t.r.ID, t.index, off, n, func(send native.SendFunc) (native.Trailer, error) {
		for done := int64(0); done < n; {
			m := min(n-done, sendPiece)
			if known != nil {
				m = n
			} else if bad == nil {
				bad = h.add(t.f, off+done, m)
			}
			if !t.r.SumsOnly {
				err := send(t.f, off+done, m)
				if fe, ok := errors.AsType[*wire.FileError](err); ok {
					bad = fe
				} else if err != nil {
					return native.Trailer{}, err
				}
				t.s.stats.Literal.Add(m)
			}
			done += m
		}
		if known == nil {
			known = h.digest()
			keep = keep && bad == nil
		} else {
			keep = false
		}
		tr := trailer(t.f, t.version, known, bad, final)
		if keep && unchanged(t.f, t.version) == native.StatusOK {
			t.s.sums.Put(key, bytes.Clone(known))
		}
		done = tr.Status == native.StatusChanged || tr.Status == native.StatusError
		return tr, nil
	})
	return done, err
}
