package syncd

import (
	"context"
	"fmt"
	"hash"
	"sync"
	"time"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// stockUpstream is a stock sender as a sink's source. It makes native pages of
// the sender's lists, and turns its tokens into ranges of the sink's files.
//
// In native terms the sender lists directories unasked, depth first and in the
// order of names with a slash at the end, ahead of the sink by some ten
// thousand entries; it gives files only whole, with one digest at the end; and
// it forgets a list when it is told that the list is done with. So a sink with
// a stock source
//
//   - enters one directory at a time, in that order: what comes in between are
//     directories that the sink does not want;
//   - names a file by the NDX, which its entry has for a ctime;
//   - counts what may still ask for files of a directory (node.own), and says
//     when there is nothing left (listDone);
//   - takes whatever length a file has by the time it is sent;
//   - fetches a file whose digest is wrong anew, as a whole.
//
// Two goroutines work for it, besides the sink's:
//
//  1. generator: writes requests and ends of lists, in order.
//  2. receiver (the caller of run): reads lists and answers. It never waits
//     for the generator, so that the sender always gets rid of its answers.
type stockUpstream struct {
	*stockPeer
	k      *sink // set before run
	stats  *Stats
	dec    *rsync.ListDecoder
	tokens rsync.TokenReader
	asked  request // what the user asked for: nothing else is taken
	hash   *hasher // of a file without a basis
	files  int     // entries of the first list
	ioErr  int     // the sender's; receiver's
	busy   bool    // an answer is being read; receiver's

	mu        sync.Mutex
	cond      sync.Cond // signals the generator
	out       []func() error
	lists     []*stockList          // not done with, in order of arrival
	next      int                   // of lists, the first that was not asked for
	ahead     int                   // lists and entries that were not asked for
	byPath    map[string]*stockList // without incremental recursion: lists that were not asked for
	current   *stockList            // whose pages the sink takes
	want      *native.List          // asked for, and not here yet
	waiting   int                   // requests for attributes that a page waits for
	pend      []*pendingFile
	noContent map[string]bool // directories that the sender does not list in full
	unsent    map[int]bool    // files that the sender can't send, reported out of order
	arrived   int             // lists in all
	eof       bool
	bye       bool
	failed    int64    // files that the client has been told of
	dirItem   *dirItem // waits for the directory's list
	closed    bool
	probe     *pendingFile // below protocol 30: what was asked for since the last probe
}

// pendingFile is a request that is not answered yet.
type pendingFile struct {
	ndx   int
	id    uint32 // of the READ or DELTA, 0 if it is about attributes
	index uint32
	last  bool        // of the READ
	file  *rsync.File // of attributes
	page  bool        // which a page waits for
	head  rsync.SumHead
	flags rsync.IFlags
	off   int64  // where an appended file goes on
	path  string // below protocol 29
}

// newStockUpstream returns the source of a session that is set up. The first
// list has not been read.
func newStockUpstream(p *stockPeer, asked request, stats *Stats) (*stockUpstream, error) {
	a := &stockUpstream{stockPeer: p, asked: asked, stats: stats, dec: rsync.NewListDecoder(p.r, p.session.ListOptions())}
	a.cond.L = &a.mu
	a.unsent = make(map[int]bool)
	p.r.Handle = a.handle
	var err error
	a.tokens, err = rsync.NewTokenReader(p.r, p.session.Compression)
	return a, err
}

// readFirst reads the first list. With it the sink can be made.
func (a *stockUpstream) readFirst() (*rsync.List, error) {
	l, err := a.dec.First()
	a.r.BeforeWait(nil) // the handshake is over, and much comes from here on
	if err != nil {
		return nil, err
	}
	if err := a.asked.check(l); err != nil {
		return nil, err
	}
	a.eof, a.files = !a.session.IncRecurse(), l.Len()
	return l, a.take(l)
}

// sums implements the seam of sink.params: those of stock's generator.
func (a *stockUpstream) sums(size int64, redo bool) delta.Params {
	h := rsync.NewSumHead(max(size, 1), a.session.Args.BlockSize, a.session.Checksum.Size(), redo)
	p, _ := blockSums(a.session, h.Block, h.StrongLen)
	return p
}

// newWhole returns the hash of a file behind its tokens; nil if there is none.
func (a *stockUpstream) newWhole() hash.Hash {
	if _, ok := a.session.Checksum.Algorithm(); !ok {
		return nil
	}
	return a.session.Checksum.NewFile(a.session.Seed)
}

// Ask implements upstream, for listings; content is asked for by ask.
func (a *stockUpstream) Ask(req any) error {
	l, ok := req.(*native.List)
	if !ok {
		panic(fmt.Sprintf("syncd: a stock source is asked for %T", req))
	}
	a.mu.Lock()
	a.want = l
	a.mu.Unlock()
	return a.tryList()
}

// Flush implements upstream: the generator flushes when it has nothing to do.
func (a *stockUpstream) Flush() error { return nil }

// Bye implements upstream: what is left are the ends of the phases.
func (a *stockUpstream) Bye([]byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bye = true
	for _, l := range a.lists {
		l.done = true
	}
	a.next = len(a.lists)
	a.cond.Signal()
	return nil
}

// generate is the generator (generator.c:generate_files).
func (a *stockUpstream) generate() error {
	for {
		out, err := a.takeOut()
		if err != nil {
			return err
		}
		if len(out) == 0 {
			break
		}
		for _, write := range out {
			if err := write(); err != nil {
				return err
			}
		}
	}
	phases := rsync.Phases(a.session.Protocol)
	if a.session.IncRecurse() {
		phases-- // the lists' ends are those of the first phase
	}
	for range phases {
		if err := a.w.NDX(rsync.NDXDone); err != nil {
			return err
		}
	}
	return a.w.Flush()
}

// takeOut waits for something to be written, and returns it; nothing if there
// will be nothing more.
func (a *stockUpstream) takeOut() ([]func() error, error) {
	flushed := false
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		a.endLists()
		switch {
		case a.closed:
			return nil, errAborted
		case len(a.out) > 0 || a.finished():
			out := a.out
			a.out = nil
			return out, nil
		case flushed:
			a.cond.Wait()
			continue
		case a.probe != nil:
			a.sendProbe()
			continue
		}
		a.mu.Unlock()
		err := a.w.Flush()
		a.mu.Lock()
		if flushed = true; err != nil {
			return nil, err
		}
	}
}

// sendProbe queues a record that says nothing, and is sent back all the same:
// then what was asked for before it has been answered, or has failed, of which
// a sender of protocol 29 says nothing. a.mu is held.
func (a *stockUpstream) sendProbe() {
	p := &pendingFile{ndx: a.probe.ndx}
	a.record(p, "", nil)
	a.probe = nil
}

// finished reports whether there will be no more requests. a.mu is held.
func (a *stockUpstream) finished() bool {
	return a.bye && a.eof && len(a.out) == 0 && (len(a.lists) == 0 || !a.session.IncRecurse())
}

// endLists queues the ends of the lists that are done with, from the front: the
// sender forgets its oldest one. a.mu is held.
func (a *stockUpstream) endLists() {
	for a.session.IncRecurse() && a.next > 0 && a.lists[0].done {
		a.lists = a.lists[1:]
		a.next--
		a.out = append(a.out, func() error { return a.w.NDX(rsync.NDXDone) })
	}
}

// listDone says that the sink asks for nothing more of a directory. It may be
// called from any goroutine.
func (a *stockUpstream) listDone(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range a.lists[:a.next] {
		if l.path == path {
			l.done = true
			break
		}
	}
	a.cond.Signal()
}

// run implements upstream.
func (a *stockUpstream) run(k *stream) (peer []byte, err error) {
	stop := a.keepAlives()
	defer stop()
	defer a.tokens.Close()
	a.sawErrors(a.ioErr) // of the first list
	var generator sync.WaitGroup
	defer generator.Wait()
	generator.Go(func() {
		if err := a.generate(); err != nil {
			k.abort(err)
		}
	})
	if err := a.receive(); err != nil {
		k.abort(err)
		return nil, err
	}
	generator.Wait()
	return nil, a.goodbye()
}

// receive is the receiver, up to the sender's last end of a phase
// (receiver.c:recv_files).
func (a *stockUpstream) receive() error {
	for dones := 0; ; {
		ndx, err := a.r.NDX()
		if err != nil {
			return err
		}
		dir, isList := rsync.ListDir(ndx)
		switch {
		case ndx == rsync.NDXDone:
			dones++
			a.mu.Lock()
			last := a.bye && a.eof && dones == a.arrived+rsync.Phases(a.session.Protocol)-1
			early := !a.bye && dones > a.arrived
			if a.bye {
				a.r.BeforeWait(a.conn.Acknowledge) // what is left comes in pieces, as the handshake
			}
			a.mu.Unlock()
			if early {
				return fmt.Errorf("%w: an end of a phase that is not over", rsync.ErrProtocol)
			}
			if last {
				return a.lost()
			}
		case ndx == rsync.NDXListEOF:
			a.mu.Lock()
			a.eof = true
			a.cond.Signal()
			a.mu.Unlock()
			err = a.tryList()
		case ndx == rsync.NDXDelStats:
			_, err = a.r.DeleteStats()
		case isList:
			err = a.takeNext(dir)
		case ndx >= 0:
			err = a.answer(ndx)
		default:
			err = fmt.Errorf("%w: index %d from a sender", rsync.ErrProtocol, ndx)
		}
		if err != nil {
			return err
		}
	}
}

// lost fails if there are requests without an answer.
func (a *stockUpstream) lost() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.pend) > 0 {
		return fmt.Errorf("%w: %d requests without an answer", rsync.ErrProtocol, len(a.pend))
	}
	return nil
}

// goodbye ends the session (main.c:do_recv, read_final_goodbye).
func (a *stockUpstream) goodbye() error {
	if !a.server {
		if _, err := rsync.ReadStats(a.r); err != nil {
			return err
		}
	}
	a.tally()
	if a.server && a.k.spool.limited {
		if err := a.w.Message(rsync.Message{Code: rsync.MsgIOError, Value: rsync.IOErrDelLimit}); err != nil {
			return err
		}
	}
	if n := a.stats.Deleted.Load(); n > 0 && a.session.Protocol >= 31 {
		if err := a.w.DeleteStats(rsync.DeleteStats{Files: int(min(n, 1<<28))}); err != nil {
			return err
		}
	}
	for left := rsync.GoodbyeDones(a.session.Protocol); left > 0; left-- {
		if err := a.w.NDX(rsync.NDXDone); err != nil {
			return err
		}
		if err := a.w.Flush(); err != nil {
			return err
		}
		for left > 1 {
			ndx, err := a.r.NDX()
			if err == nil && ndx == rsync.NDXDelStats {
				if _, err = a.r.DeleteStats(); err == nil {
					continue // our own, sent back
				}
			}
			if err == nil && ndx != rsync.NDXDone {
				err = fmt.Errorf("%w: index %d where the session ends", rsync.ErrProtocol, ndx)
			}
			if err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// tally counts what the sender's error bits say, so that the run ends with the
// code that they stand for.
func (a *stockUpstream) tally() {
	if a.ioErr&rsync.IOErrGeneral != 0 && a.stats.Failed.Load() == 0 {
		a.stats.Failed.Add(1)
	}
	if a.ioErr&rsync.IOErrVanished != 0 {
		a.stats.Vanished.Add(1)
	}
}

// handle takes a message, in the receiver.
func (a *stockUpstream) handle(m rsync.Message) error {
	switch m.Code {
	case rsync.MsgIOError:
		a.sawErrors(int(m.Value))
	case rsync.MsgErrorXfer:
		a.stats.Failed.Add(1)
	case rsync.MsgNoSend:
		return a.noSend(int(m.Value))
	}
	if err := a.stockPeer.handle(m); err != nil || a.session.Protocol >= 29 {
		return err
	}
	return a.complaint(m.Text)
}

// sawErrors takes the sender's error bits: after any in its lists, what is
// missing in them may be there all the same.
func (a *stockUpstream) sawErrors(bits int) {
	a.ioErr |= bits
	if bits&rsync.IOErrGeneral != 0 && a.k != nil {
		a.k.noDeletes.Store(true)
	}
}

// close implements upstream. It is called under the sink's lock, by the first
// error, which it tells the peer if there is time.
func (a *stockUpstream) close() {
	a.mu.Lock()
	a.closed = true
	a.cond.Signal()
	a.mu.Unlock()
	go a.closeNow()
}

// closeNow tells the peer why, if there is time, and closes the connection.
func (a *stockUpstream) closeNow() {
	late := time.AfterFunc(lingerTime, func() { a.conn.Close() })
	defer late.Stop()
	if err := a.k.interrupted(); err != nil {
		a.fail(context.Background(), err)
	}
	a.conn.Close()
}
