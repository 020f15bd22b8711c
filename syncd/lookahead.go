package syncd

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire/native"
)

// Where most of the work is to look at directories, one goroutine for each stream
// would leave the other cores idle. A source looks ahead of its answers: helpers
// take the LISTs that wait, in order, and what they find is sent when its turn
// comes. The answerer overtakes them where they are behind.

const (
	// maxLookers bounds the helpers of a stream: the sink has to compare what they
	// find, on as many cores.
	maxLookers = 3
	// maxLooks bounds what was found and not sent yet: so many pages.
	maxLooks = 16
	// flushLists is after how many listings what is said of them is sent, however
	// much more there is to say, and to ask: the other end works meanwhile.
	flushLists = 16
)

// look is a LIST that a helper may take, and what it has found.
type look struct {
	list  *native.List
	taken atomic.Bool   // by a helper or by the answerer, whoever is first
	found chan struct{} // closed by the helper when the rest is set

	listed
	page  *native.PageWriter
	names *tree.Names // of a directory whose listing goes on
}

// listed is what a LIST comes to: a page or an error.
type listed struct {
	more  bool
	flags uint8
	same  bool // the digest is the sink's
	err   error
}

// lookahead is the helpers of one answerer.
type lookahead struct {
	todo  chan *look
	pages chan *native.PageWriter // those that are free
	wg    sync.WaitGroup
}

// newLookahead starts the helpers, which end when todo is closed or ctx is done.
// nil stands for none.
func (s *source) newLookahead(ctx context.Context) *lookahead {
	n := min(runtime.GOMAXPROCS(0)-1, maxLookers)
	if n == 0 {
		return nil
	}
	h := &lookahead{todo: make(chan *look, native.MaxLists), pages: make(chan *native.PageWriter, maxLooks)}
	for range maxLooks {
		h.pages <- new(native.PageWriter)
	}
	for range n {
		twin := s.twin()
		h.wg.Go(func() {
			defer twin.Close()
			twin.lookAll(ctx, h)
		})
	}
	return h
}

// twin returns a source that shows the same, for another goroutine.
func (s *source) twin() *source {
	t := *s
	t.dirs, t.hash, t.group, t.digest, t.same, t.packer, t.done = nil, nil, group{}, nil, nil, nil, nil
	return &t
}

// offer gives the helpers a LIST, if it begins a directory: where a listing goes on
// is known to the answerer. It returns what goes into the queue of requests.
func (h *lookahead) offer(l *native.List) any {
	if h == nil || l.After != "" {
		return l
	}
	k := &look{list: l, found: make(chan struct{})}
	select {
	case h.todo <- k:
		return k
	default: // so many wait that the answerer takes this one itself
		return l
	}
}

// end says that there will be no more LISTs.
func (h *lookahead) end() {
	if h != nil {
		close(h.todo)
	}
}

// wait returns when the helpers have ended.
func (h *lookahead) wait() {
	if h != nil {
		h.wg.Wait()
	}
}

// lookAll is a helper.
func (s *source) lookAll(ctx context.Context, h *lookahead) {
	for {
		var page *native.PageWriter
		select {
		case page = <-h.pages:
		case <-ctx.Done():
			return
		}
		k, ok := <-h.todo
		for ok && !k.take() {
			k, ok = <-h.todo
		}
		if !ok {
			return
		}
		s.find(k, page) // what was taken is found: the answerer may wait for it
	}
}

// take reports whether the caller is the first to take k.
func (k *look) take() bool { return k.taken.CompareAndSwap(false, true) }

// find looks at the directory of k, which the caller has taken.
func (s *source) find(k *look, page *native.PageWriter) {
	k.page = page
	k.listed = s.lookAt(k.list, page)
	if k.more {
		if d, err := s.open(k.list.Path); err == nil {
			k.names, d.names = d.names, nil
		}
	}
	close(k.found)
}

// answerLook answers a LIST that was offered to the helpers.
func (s *source) answerLook(a *native.Answerer, h *lookahead, k *look, own *native.PageWriter) error {
	if k.take() {
		return s.answerList(a, k.list, own)
	}
	s.helpUntil(h, k)
	if k.names != nil {
		if d, err := s.open(k.list.Path); err == nil {
			d.names = k.names
		}
	}
	err := sendListed(a, k.list.ID, k.page, k.listed)
	h.pages <- k.page
	return err
}

// helpUntil returns when a helper has found k. The answerer does as the helpers do
// meanwhile: if it waited, it would be behind the next one again.
func (s *source) helpUntil(h *lookahead, k *look) {
	for {
		select {
		case <-k.found:
			return
		default:
		}
		select {
		case page := <-h.pages:
			if !s.helpOnce(h, page) {
				h.pages <- page
				<-k.found
				return
			}
		default:
			<-k.found
			return
		}
	}
}

// helpOnce finds one directory, if there is one that nobody has taken.
func (s *source) helpOnce(h *lookahead, page *native.PageWriter) bool {
	for {
		select {
		case k, ok := <-h.todo:
			if !ok {
				return false
			}
			if k.take() {
				s.find(k, page)
				return true
			}
		default:
			return false
		}
	}
}

// answerList looks at a directory and answers.
func (s *source) answerList(a *native.Answerer, l *native.List, w *native.PageWriter) error {
	return sendListed(a, l.ID, w, s.lookAt(l, w))
}

// lookAt makes a page of a directory.
func (s *source) lookAt(l *native.List, w *native.PageWriter) (r listed) {
	if s.same = nil; l.Digest != nil {
		if s.digest == nil {
			s.digest = native.NewDirDigest(s.alg.New())
		}
		s.same = s.digest
		s.same.Reset(l.Want)
	}
	r.more, r.flags, r.err = s.page(l, w)
	r.same = r.err == nil && s.same != nil && !r.more && r.flags == 0 && s.same.Sum() == *l.Digest
	return r
}

// sendListed answers a LIST.
func sendListed(a *native.Answerer, id uint32, w *native.PageWriter, r listed) error {
	switch {
	case r.err != nil:
		return a.Failed(id, 0, failure(r.err))
	case r.same:
		return a.Same(id)
	}
	return a.Page(id, w, r.more, r.flags)
}
