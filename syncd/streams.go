package syncd

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/seed9553035b/syncd/wire/native"
)

// Streams. A session has one connection or several. Any request may go on any of
// them, and its answer comes on the same one; what is asked for is chosen by the
// planner alone, so that there is one order of decisions however many streams
// there are. Listings go on the first stream that is alive, content on the one
// with the least under way, and a large file is cut into parts of a segment, see
// split.go.
//
// A stream that breaks gives back what it has not received, and the planner asks
// for that on another one. When none is left the run ends.

// partsAhead is how many parts a stream is asked for at a time: the next one
// before the last has come. That keeps a stream busy up to 320 MB/s over a round
// trip of 50 ms; more would be left to a slow stream while the others are idle.
const partsAhead = 2

// stream is one connection to the source, and the receiver on it: the goroutine
// in up.run, to which all but the fields that mu guards belongs.
type stream struct {
	*sink
	up   upstream
	over chan struct{} // closed when the receiver has ended

	lists []listing // guarded by mu: asked for, in order
	reads []*batch  // guarded by mu: likewise
	load  int64     // guarded by mu: bytes that reads ask for
	dead  bool      // guarded by mu

	arrivals []*job // received, not handed over
	hash     *hasher
	sums     []byte // of the group that is being received
	unpacker *zstd.Decoder
	unpacked []byte
}

// attach adds a stream, whose receiver has ended when run returns. It reports
// whether the run can use it still.
func (k *sink) attach(up upstream) (*stream, bool) {
	s := &stream{sink: k, up: up, over: make(chan struct{}), hash: newHasher(k.alg, k.stats)}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil || k.bye {
		return nil, false
	}
	k.streams = append(k.streams, s)
	k.receivers.Go(func() {
		defer close(s.over)
		k.receive(s)
	})
	k.cond.Broadcast()
	return s, true
}

// receive is a receiver, from the first answer to the last.
func (k *sink) receive(s *stream) {
	peer, err := s.up.run(s)
	k.mu.Lock()
	bye, answered := k.bye, k.peer != nil
	if err == nil && bye && !answered {
		k.peer = append([]byte{}, peer...) // not nil
		for _, other := range k.streams {
			if other != s {
				other.up.close() // the source knows that the session is over
			}
		}
	}
	k.mu.Unlock()
	switch {
	case answered:
	case err == nil && !bye:
		k.abort(fmt.Errorf("%w: the source ended a session that is not done", native.ErrProtocol))
	case err != nil && (!isBroken(err) || !k.moveOn(s, err)):
		k.abort(err)
	}
}

// moveOn gives what a broken stream was asked for to the others. It reports
// whether there are any.
func (k *sink) moveOn(s *stream, err error) bool {
	s.handOver()
	k.mu.Lock()
	if k.err != nil {
		k.mu.Unlock()
		return false // dropAll sees to its jobs
	}
	s.dead = true
	next := k.primary()
	if next == nil {
		s.dead = false
		k.mu.Unlock()
		return false
	}
	lists, reads, bye, again := s.lists, s.reads, k.bye, k.byeOn == s
	s.lists, s.reads = nil, nil
	k.listings = append(k.listings, lists...)
	k.cond.Broadcast()
	k.mu.Unlock()
	s.up.close()
	if !bye { // else it is not needed, and may have been closed for that
		k.note(native.Note{Text: fmt.Sprintf("a stream broke (%v); the others go on", err), Error: true})
	}
	for _, b := range reads {
		for _, j := range b.jobs[b.at:] {
			k.askAgain(j)
		}
	}
	if again {
		if err := k.sayBye(); err != nil {
			k.abort(err)
		}
	}
	return true
}

// sayBye ends the session, on one of its streams.
func (k *sink) sayBye() error {
	result := k.result(nil).JSON()
	return k.onStreams(func(s *stream) error {
		k.mu.Lock()
		k.bye, k.byeOn = true, s
		k.mu.Unlock()
		return s.up.Bye(result)
	})
}

// askAgain takes back a job whose stream broke, with what of it has arrived.
func (k *sink) askAgain(j *job) {
	k.reach(j)
	j.plain = false
	if j.aheadBegun() {
		j.search.broken = true
		k.toSearch(j) // the worker may be at it
		return
	}
	if j.feed != nil {
		j.feed.broken = true
		k.toFed(j) // likewise
		return
	}
	if j.phase != fetching {
		k.freeSig(j)
	}
	switch {
	case j.fail != nil || j.err != nil:
		k.tasks <- task{job: j}
		return
	case j.phase == asking:
	case j.phase == merging:
		k.restart(j)
		return
	case j.phase == comparing:
		j.differs = false
	default:
		for _, g := range j.want {
			if end := g.Off + g.N; end > j.got {
				off := max(g.Off, j.got)
				j.bad = append(j.bad, native.Range{Off: off, N: end - off})
			}
		}
		j.bad, j.rest = mergeRanges(append(j.bad, j.rest...)), nil
		j.want, j.at = nil, 0
		if len(j.bad) == 0 {
			k.tasks <- task{job: j}
			return
		}
	}
	k.retry(j)
}

// restart begins a delta anew: its signature is gone.
func (k *sink) restart(j *job) {
	j.abandon()
	basis, replaces := j.basis, j.replaces
	j.basis = nil
	k.dropped(j.path(), j.drop())
	j.basis, j.replaces, j.assemble = basis, replaces, k.inPlace(j)
	if k.push {
		j.phase = signing
		k.toWorker(j)
		return
	}
	j.phase = asking
	k.retry(j)
}

// primary is the stream that listings go on, nil if none is alive. k.mu is held.
func (k *sink) primary() *stream {
	for _, s := range k.streams {
		if !s.dead {
			return s
		}
	}
	return nil
}

// freest is the stream with the least under way that has room for one more
// request, of a part of a file or of sig bytes of signature; nil if none has. k.mu
// is held.
func (k *sink) freest(part bool, sig int64) (best *stream) {
	if sig > 0 && !k.sigRoom(sig) {
		return nil
	}
	limit := native.MaxReads
	if part {
		limit = partsAhead
	}
	for _, s := range k.streams {
		if !s.dead && len(s.reads) < limit && (best == nil || s.load < best.load) {
			best = s
		}
	}
	return best
}

// listing counts the listings under way, and those to be asked for. k.mu is held.
func (k *sink) listing() int { return k.unanswered() + len(k.listings) }

// unanswered counts the LISTs that have no answer yet. k.mu is held.
func (k *sink) unanswered() (n int) {
	for _, s := range k.streams {
		n += len(s.lists)
	}
	return n
}

// sent takes the error of sending on a stream. One that broke has its receiver
// see to what it was asked for, unless it is the last one.
func (k *sink) sent(s *stream, err error) error {
	if err == nil || !isBroken(err) {
		return err
	}
	k.mu.Lock()
	alone := true
	for _, other := range k.streams {
		alone = alone && (other == s || other.dead)
	}
	k.mu.Unlock()
	if alone {
		return err
	}
	s.up.close()
	return nil
}

// onStreams calls send for the streams that are alive until it succeeds for one.
func (k *sink) onStreams(send func(*stream) error) (err error) {
	k.mu.Lock()
	streams := append([]*stream(nil), k.streams...)
	k.mu.Unlock()
	err = errAborted
	for _, s := range streams {
		k.mu.Lock()
		dead := s.dead
		k.mu.Unlock()
		if dead {
			continue
		}
		if err = send(s); err == nil || !isBroken(err) {
			return err
		}
	}
	return err
}

// flushStreams sends all that was asked for.
func (k *sink) flushStreams() error {
	k.mu.Lock()
	streams := append([]*stream(nil), k.streams...)
	k.mu.Unlock()
	for _, s := range streams {
		k.mu.Lock()
		dead := s.dead
		k.mu.Unlock()
		if dead {
			continue
		}
		if err := k.sent(s, s.up.Flush()); err != nil {
			return err
		}
	}
	return nil
}

// tell sends a line to the person at the source's end.
func (k *sink) tell(note native.Note) error {
	return k.onStreams(func(s *stream) error {
		if up, ok := s.up.(*remote); ok {
			return up.Note(note)
		}
		return errors.ErrUnsupported
	})
}

// openPart makes the file of a part that of the whole.
func (k *sink) openPart(p *job) bool {
	w := p.whole
	w.opening.Lock()
	defer w.opening.Unlock()
	k.openTarget(w)
	p.file, p.err, p.inplace, p.resumed, p.taken, p.tries = w.file, w.err, w.inplace, w.resumed, w.taken, w.tries
	return p.err == nil
}

// punched reports whether a hole of j has to be made: a new file reads as zeros
// where nothing was written.
func (j *job) punched() bool { return j.tries > 0 || j.inplace || j.resumed }
