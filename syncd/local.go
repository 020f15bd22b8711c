package syncd

import (
	"context"
	"sync"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// local is a source in the same process: the sink's requests are answered
// from its view at once, and bodies go from file to file inside the kernel.
type local struct {
	s      *source
	copier wire.Copier
	stats  *Stats // of the sink: the bytes move there

	mu     sync.Mutex
	cond   sync.Cond
	queue  []any // requests, in order; bounded as the sink bounds them
	closed bool
}

func newLocal(s *source, stats *Stats) *local {
	l := &local{s: s, stats: stats}
	l.cond.L = &l.mu
	return l
}

func (l *local) put(req any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errAborted
	}
	l.queue = append(l.queue, req)
	l.cond.Signal()
	return nil
}

// Ask implements upstream.
func (l *local) Ask(req any) error { return l.put(req) }

// Bye implements upstream.
func (l *local) Bye([]byte) error { return l.put(&native.Bye{}) }

// Flush implements upstream: nothing waits.
func (l *local) Flush() error { return nil }

func (l *local) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.cond.Signal()
}

func (l *local) take() any {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.cond.Wait()
	}
	if l.closed {
		return nil
	}
	req := l.queue[0]
	l.queue = l.queue[1:]
	return req
}

func (l *local) run(k *stream) (peer []byte, err error) {
	defer l.s.Close()
	l.s.hash = newHasher(l.s.alg, l.stats)
	var w native.PageWriter
	for {
		var err error
		switch r := l.take().(type) {
		case *native.List:
			more, flags, e := l.s.page(r, &w)
			if e != nil {
				err = k.onPage(r.ID, nil, false, 0, failure(e))
			} else {
				err = k.onPage(r.ID, append([]byte(nil), w.Bytes()...), more, flags, nil)
			}
		case *native.Read:
			for i := range r.Files {
				if err = l.file(k, r, uint32(i)); err != nil {
					break
				}
			}
			if err == nil {
				err = k.onEnd(r.ID)
			}
		case *native.Sign:
			err = l.sign(k, r)
		default:
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// file answers for one file of a READ.
func (l *local) file(k *stream, r *native.Read, index uint32) error {
	want := &r.Files[index]
	f, err := l.s.openFile(want.Path, want.Version)
	if err != nil {
		return k.onFailed(r.ID, index, failure(err))
	}
	defer f.Close()
	send := &localSender{l: l, k: k, r: r, index: index, f: f, version: want.Version}
	return sendFile(send, f, want, r.SumsOnly)
}

// sign answers for the signature of one file.
func (l *local) sign(k *stream, r *native.Sign) error {
	failed, err := l.s.sign(context.Background(), r, func(piece []byte, _ bool) error { return k.onSums(r.ID, piece) })
	if failed != nil {
		err = k.onFailed(r.ID, 0, failure(failed))
	}
	if err != nil {
		return err
	}
	return k.onEnd(r.ID)
}

// localSender hands the ranges of one file to the sink.
type localSender struct {
	l       *local
	k       *stream
	r       *native.Read
	index   uint32
	f       *tree.File
	version wire.Version
}

func (t *localSender) failed(err error) error { return t.k.onFailed(t.r.ID, t.index, failure(err)) }

func (t *localSender) hole(off, n int64, final bool) error {
	status := native.StatusMore
	if final {
		status = unchanged(t.f, t.version)
	}
	return t.k.onHole(t.r.ID, t.index, off, n, status)
}

func (t *localSender) data(off, n int64, final bool) (done bool, err error) {
	b := &localBody{t: t, off: off, n: n, final: final}
	err = t.k.onData(t.r.ID, t.index, off, n, b)
	return b.done, err
}

// localBody is the body of one range: it is copied inside the kernel. What is
// shared by a reflink needs no digest; all else gets one.
type localBody struct {
	t     *localSender
	off   int64
	n     int64
	final bool
	done  bool
}

// RecvFile implements bodies. An error of either file is the sink's.
func (b *localBody) RecvFile(dst wire.File, off, n int64) error {
	return b.t.l.copier.CopyRange(dst, off, b.t.f, off, n, &b.t.l.stats.Stats)
}

// Discard implements bodies.
func (b *localBody) Discard(int64) error { return nil }

// Trailer implements bodies.
func (b *localBody) Trailer() (native.Trailer, error) {
	h := b.t.l.s.hash
	h.start()
	bad := h.add(b.t.f, b.off, b.n)
	tr := trailer(b.t.f, b.t.version, h.digest(), bad, b.final)
	b.done = tr.Status == native.StatusChanged || tr.Status == native.StatusError
	return tr, nil
}
