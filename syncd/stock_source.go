package syncd

import (
	"context"
	"fmt"
	"sort"
	"sync"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// Tuning of a stock source. The look-ahead in entries is stock's
// (rsync.h:MIN_FILECNT_LOOKAHEAD, MAX_FILECNT_LOOKAHEAD): with less, a
// generator that is quick has to wait; more is memory. Requests are read ahead
// as far as their sums are no burden.
const (
	minAhead       = 1000
	maxAhead       = 10000
	stockQueue     = 16       // batches
	stockBatch     = 64       // requests at most
	stockQueueSums = 64 << 20 // bytes, at least one request
	maxStockBlocks = 1 << 22  // of a signature: of larger ones none is used
)

// stockSource shows a source to a stock receiving side. Two goroutines work
// for it:
//
//  1. reader: requests and ends of phases go from the stream to queue, all that
//     have come at once: waking the answerer for each one cost a third of the
//     time of small files. So the answerer knows when it has nothing to do: then
//     it sends another list, or flushes and waits.
//  2. answerer (the caller of run): sends lists and answers requests, in
//     order. It alone uses src and writes data.
//
// Lists are kept, packed, until the receiving side is done with them. With
// incremental recursion that is some ten thousand entries, whatever the tree.
type stockSource struct {
	*stockPeer
	src      *source
	sums     rsync.Checksum // of files
	enc      *rsync.ListEncoder
	tokens   rsync.TokenWriter
	hash     *hasher
	ioErr    int // so far
	told     int // of it, with the lists
	phase    int
	total    int64                  // bytes of the files listed, as stock counts them
	longDirs map[string]*rsync.File // directories whose attributes may be asked for, until their list is sent
	show     *stockItems            // lines for the person here, nil if there are none

	queue chan []*stockRequest
	batch []*stockRequest // the answerer's, taken from queue
	begun bool            // something was taken from it
	quit  chan struct{}   // closed when nothing is taken from queue any more

	mu      sync.Mutex
	cond    sync.Cond
	lists   []sentList // not done with yet
	sent    int        // lists in all
	eof     bool       // no more lists
	ahead   int        // entries of lists but the first
	pending int        // bytes of sums in queue
	again   map[int]bool
	closed  bool
}

// sentList is a list under way.
type sentList struct {
	*rsync.List
	dir *rsync.File // whose list it is, for its attributes
}

// stockRequest is what the receiving side asks for; done is the end of a list
// or of a phase.
type stockRequest struct {
	rec    rsync.Record
	file   *rsync.File
	wanted []int // attributes
	sums   *rsync.Sums
	size   int // bytes of sums
	done   bool
}

// run plays the source to the end of the session.
func (x *stockSource) run(ctx context.Context) (err error) {
	s := x.session
	x.sums, x.cond.L = s.Checksum, &x.mu
	x.hash = &hasher{h: x.sums.NewFile(s.Seed), buf: make([]byte, hashBlock), stats: x.src.stats}
	if s.Args.Append > 0 {
		x.again = make(map[int]bool)
	}
	level := 0
	if s.Args.CompressLevel != nil {
		level = *s.Args.CompressLevel
	}
	if x.tokens, err = rsync.NewTokenWriter(x.w, s.Compression, level); err != nil {
		return err
	}
	defer x.tokens.Close()
	defer x.src.Close()
	stop := x.keepAlives()
	defer stop()
	x.enc = rsync.NewListEncoder(x.w, s.ListOptions())
	empty, err := x.firstList()
	if err != nil {
		return err
	}
	if empty {
		// Nothing follows, and the client may not read to the end.
		if err := x.w.Flush(); err != nil || !x.server {
			return err
		}
		x.linger()
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	x.queue, x.quit = make(chan []*stockRequest, stockQueue), make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(x.queue)
		if err := x.readAll(); err != nil {
			cancel(err)
		}
	})
	err = x.answerAll(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // what came first says more
		}
		// The reader may wait for room, or for the peer.
		x.stopReader()
		return err
	}
	reader.Wait()
	return x.end()
}

// handle takes a message of a receiving side that is the server.
func (x *stockSource) handle(m rsync.Message) error {
	switch m.Code {
	case rsync.MsgErrorXfer:
		x.src.stats.Failed.Add(1)
	case rsync.MsgDeleted:
		x.src.stats.Deleted.Add(1)
		x.show.deleted(m.Text, m.Dir)
	}
	return x.stockPeer.handle(m)
}

// stopReader lets the reader end when it next comes to its queue; one that
// waits for the peer ends with the connection.
func (x *stockSource) stopReader() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	x.cond.Broadcast()
	close(x.quit)
}

// answerAll is the answerer (sender.c:send_files).
func (x *stockSource) answerAll(ctx context.Context) error {
	for {
		if err := x.look(minAhead); err != nil {
			return err
		}
		q, err := x.next(ctx)
		switch {
		case err != nil:
			return err
		case q == nil:
			continue
		case q.done:
			if last, err := x.done(); last || err != nil {
				return err
			}
			continue
		}
		if err := x.answer(ctx, q); err != nil {
			return err
		}
		if q.size > 0 {
			x.mu.Lock()
			x.pending -= q.size
			x.cond.Signal()
			x.mu.Unlock()
		}
	}
}

// next returns the next request. While there is none it sends another list,
// and returns nil, or flushes and waits.
func (x *stockSource) next(ctx context.Context) (*stockRequest, error) {
	if len(x.batch) == 0 {
		var ok bool
		select {
		case x.batch, ok = <-x.queue:
		default:
			if more, err := x.another(maxAhead); more || err != nil {
				return nil, err
			}
			if err := x.w.Flush(); err != nil {
				return nil, err
			}
			x.batch, ok = <-x.queue
		}
		x.begun = true
		switch {
		case !ok && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !ok:
			return nil, fmt.Errorf("%w: the session ended early", rsync.ErrProtocol)
		}
	}
	q := x.batch[0]
	x.batch = x.batch[1:]
	return q, nil
}

// look sends lists until the receiving side has at least so many entries ahead.
func (x *stockSource) look(ahead int) error {
	for {
		if more, err := x.another(ahead); !more || err != nil {
			return err
		}
	}
}

// another sends one more list, if there is one and fewer entries than limit
// are ahead.
func (x *stockSource) another(limit int) (more bool, err error) {
	x.mu.Lock()
	enough := x.eof || x.ahead >= limit
	x.mu.Unlock()
	if enough {
		return false, nil
	}
	if err := x.nextList(); err != nil || x.begun {
		return true, err
	}
	return true, x.w.Flush() // the receiving side has nothing else to do yet
}

// done ends a list, or a phase once there are no lists left. last says that it
// was the last one.
func (x *stockSource) done() (last bool, err error) {
	x.mu.Lock()
	left := false
	if x.session.IncRecurse() && len(x.lists) > 0 {
		x.lists = x.lists[1:]
		if left = len(x.lists) > 0; left {
			x.ahead -= x.lists[0].Len()
		}
	}
	x.mu.Unlock()
	if !left {
		if x.phase++; x.phase == rsync.Phases(x.session.Protocol) {
			return true, nil
		}
	}
	return false, x.w.NDX(rsync.NDXDone)
}

// readAll is the reader.
func (x *stockSource) readAll() error {
	var batch []*stockRequest
	// The peer may wait for answers to these before it sends more. If nobody takes
	// them any more, the next one to be handed on finds out.
	x.r.BeforeWait(func() { x.hand(&batch) })
	defer x.r.BeforeWait(nil)
	for dones := 0; ; {
		if len(batch) == stockBatch && !x.hand(&batch) {
			return nil
		}
		q, err := x.read()
		if err != nil {
			return err
		}
		if q == nil {
			continue
		}
		if q.done {
			dones++
		}
		x.mu.Lock()
		if x.crowded(q) {
			x.mu.Unlock()
			if !x.hand(&batch) {
				return nil
			}
			x.mu.Lock()
		}
		for x.crowded(q) && !x.closed {
			x.cond.Wait()
		}
		x.pending += q.size
		last := x.eof && dones == x.sent+rsync.Phases(x.session.Protocol)-1
		x.mu.Unlock()
		if batch = append(batch, q); last {
			x.hand(&batch)
			return nil
		}
	}
}

// crowded reports whether q's sums are too many beside those in queue. x.mu is
// held.
func (x *stockSource) crowded(q *stockRequest) bool {
	return x.pending > 0 && x.pending+q.size > stockQueueSums
}

// hand gives a batch to the answerer, and reports whether that goes on.
func (x *stockSource) hand(batch *[]*stockRequest) bool {
	if len(*batch) == 0 {
		return true
	}
	select {
	case x.queue <- *batch:
		*batch = make([]*stockRequest, 0, stockBatch)
		return true
	case <-x.quit:
		return false
	}
}

// read reads one request, or the end of a list or phase. nil is neither.
func (x *stockSource) read() (*stockRequest, error) {
	ndx, err := x.r.NDX()
	switch {
	case err != nil:
		return nil, err
	case ndx == rsync.NDXDone:
		return &stockRequest{done: true}, nil
	case ndx == rsync.NDXDelStats:
		_, err := x.r.DeleteStats()
		return nil, err
	case ndx < 0:
		return nil, fmt.Errorf("%w: index %d from a receiving side", rsync.ErrProtocol, ndx)
	}
	return x.request(ndx)
}

// find returns the entry that an index stands for, and whether it is one of a
// list, not the directory of one.
func (x *stockSource) find(ndx int) (f *rsync.File, listed bool, count int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	i := sort.Search(len(x.lists), func(i int) bool { return x.lists[i].Start-1 > ndx }) - 1
	if i < 0 {
		return nil, false, 0
	}
	l := x.lists[i]
	if ndx == l.Start-1 {
		return l.dir, false, l.Len()
	}
	return l.File(ndx), true, l.Len()
}

// request reads what follows an index; nil is a keep-alive
// (rsync.c:read_ndx_and_attrs).
func (x *stockSource) request(ndx int) (*stockRequest, error) {
	rec, err := x.r.Record(ndx)
	if err != nil {
		return nil, err
	}
	f, listed, count := x.find(ndx)
	if x.session.Protocol < 30 && rec.KeepAlive(count) {
		return nil, nil
	}
	transfer := rec.IFlags&rsync.Transfer != 0
	if f == nil || transfer && (!listed || !f.IsRegular()) {
		return nil, fmt.Errorf("%w: a request for index %d with flags %#x", rsync.ErrProtocol, ndx, rec.IFlags)
	}
	q := &stockRequest{rec: rec, file: f}
	if x.session.HasXattrs(rec.IFlags) {
		if q.wanted, err = x.r.XattrRequest(f); err != nil {
			return nil, err
		}
	}
	if !transfer || x.session.Args.DryRun {
		return q, nil
	}
	head, err := x.r.SumHead(x.sums.Size())
	if err != nil {
		return nil, err
	}
	q.sums = &rsync.Sums{Head: head}
	q.size = head.Count * (4 + head.StrongLen)
	switch {
	case x.again != nil && !x.again[ndx]:
		x.again[ndx] = true // --append: no sums, the first time
		q.size = 0
	case head.Count > maxStockBlocks:
		err = x.r.Discard(int64(q.size))
		q.size = 0
	default:
		q.sums, err = rsync.ReadSums(x.r, head, maxStockBlocks)
	}
	return q, err
}

// end ends the session (sender.c:send_files, main.c:do_server_sender,
// client_run).
func (x *stockSource) end() error {
	if x.ioErr != x.told {
		if err := x.w.Message(rsync.Message{Code: rsync.MsgIOError, Value: int32(x.ioErr)}); err != nil {
			return err
		}
	}
	if err := x.w.NDX(rsync.NDXDone); err != nil {
		return err
	}
	st := x.src.stats
	if x.server {
		s := rsync.Stats{Read: st.Received.Load(), Written: st.Sent.Load(), TotalSize: x.total}
		if err := rsync.WriteStats(x.w, s); err != nil {
			return err
		}
	}
	if err := x.w.Flush(); err != nil {
		return err
	}
	deleted, err := rsync.ReadGoodbye(x.r, x.w, x.server)
	if deleted != nil {
		st.Deleted.Store(int64(deleted.Files + deleted.Dirs + deleted.Symlinks + deleted.Devices + deleted.Specials))
	}
	return err
}

// blockSums returns the parameters of the sums of a session with stock.
func blockSums(s *rsync.Session, block, strong int) (delta.Params, bool) {
	alg, ok := s.Checksum.Algorithm()
	return delta.Params{Block: block, Strong: alg, StrongLen: strong,
		Seed: s.Seed, SeedFirst: s.Checksum.SeedFirst(s.Compat)}, ok
}
