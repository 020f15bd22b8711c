package syncd

import (
	"context"
	"fmt"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/wire/native"
)

// A search finds the blocks of the source's file in the basis of a job, on a pull. It
// begins while their sums are on their way: the receiver decodes these and has the
// worker look ahead for what has come. The job stays the receiver's until the request is
// answered. Of its fields the worker uses those that concern the basis and the target,
// and err, which nobody else does meanwhile: no content is taken in answer to a SIGN. A
// job that the worker was at goes back through it, however the request ended.
type search struct {
	// the receiver's
	sums   *delta.Decoder // nil before the first piece
	begun  bool           // the worker knows of it
	broken bool           // the stream broke: all is asked for again

	ready  int  // guarded by sink.mu: blocks that have their sums
	queued bool // likewise: the job is among the work in order to look ahead

	// the worker's
	find  *delta.BasisSearch // nil before the first time, or if there can be no target
	taker *taker
	err   error
}

// askSign asks for the signature of the source's file.
func (k *sink) askSign(j *job) error {
	p := k.params(j.entry.Size)
	n, err := delta.EncodedLen(p, j.entry.Size)
	if err != nil {
		panic("syncd: deltaPays let a file pass that has no signature: " + err.Error())
	}
	k.ids++
	j.phase, j.sigLen, j.search = asking, int(n), new(search)
	req := &native.Sign{ID: k.ids, File: j.request(), Block: uint32(p.Block), Again: j.tries > 0}
	return k.issue(&batch{id: k.ids, jobs: []*job{j}, bytes: j.entry.Size}, req, n)
}

// onSums takes a piece of a signature.
func (k *stream) onSums(id uint32, payload []byte) error {
	j, err := k.current(id, 0)
	if err != nil {
		return err
	}
	if j.phase != asking || j.fail != nil {
		return unasked("sums", id)
	}
	s := j.search
	if s.sums == nil { // now there is room for it
		if s.sums, err = delta.NewDecoder(k.params(j.entry.Size), j.entry.Size); err != nil {
			return err
		}
	}
	had := s.sums.Blocks()
	if _, err := s.sums.Write(payload); err != nil {
		return fmt.Errorf("%w: sums for request %d: %w", native.ErrProtocol, id, err)
	}
	if s.sums.Blocks() > had && !s.sums.Complete() {
		k.lookAhead(j)
	}
	return nil
}

// lookAhead has the worker look for the blocks whose sums have come, when it has time.
func (k *sink) lookAhead(j *job) {
	s := j.search
	s.begun = true
	k.mu.Lock()
	defer k.mu.Unlock()
	s.ready = s.sums.Blocks()
	if !s.queued {
		s.queued = true
		k.work = append(k.work, j)
		k.workCond.Signal()
	}
}

// isAhead reports whether the job is among the work in order to look ahead. The sink's
// mu is held.
func (j *job) isAhead() bool { return j.search != nil && j.search.queued }

// aheadBegun reports whether the worker may be at a job whose request has ended.
func (j *job) aheadBegun() bool { return j.phase == asking && j.search != nil && j.search.begun }

// toSearch gives a job whose request is answered to the worker.
func (k *sink) toSearch(j *job) {
	k.mu.Lock()
	defer k.mu.Unlock()
	j.phase = searching
	if j.search.queued {
		j.search.queued = false // it is among the work
		return
	}
	k.work = append(k.work, j)
	k.workCond.Signal()
}

// find begins a search, at whatever comes first.
func (k *sink) find(j *job) *search {
	s := j.search
	if s.find != nil || j.err != nil {
		return s
	}
	o := delta.Options{GiveUp: giveUp}
	if !j.assemble {
		j.steady = steadyFrom(j.basis)
	}
	if s.taker = k.newTaker(j); s.taker != nil {
		o.Take = s.taker.take
	}
	if j.err == nil {
		s.find = delta.NewBasisSearch(s.sums.Signature(), countedFile{j.basis, k.stats}, j.size, o)
	}
	return s
}

// searchAhead looks for the first blocks of the source's file.
func (k *sink) searchAhead(ctx context.Context, j *job, blocks int) {
	if s := k.find(j); j.err == nil && s.err == nil {
		s.err = s.find.Ahead(ctx, blocks)
	}
}

// searchBasis finds what is there of the source's file, copies it, and asks for
// the rest.
func (k *sink) searchBasis(ctx context.Context, j *job) {
	s := j.search
	if j.fail != nil || s.broken {
		s.taker.end(j)
		if j.fail != nil || j.err != nil {
			k.tasks <- task{job: j}
			return
		}
		k.freeSig(j)
		k.restart(j)
		return
	}
	k.find(j)
	j.signed = s.sums.Signature()
	var missing []native.Range
	if j.err == nil && s.err == nil {
		s.err = s.find.Finish(ctx, func(op delta.Op) error {
			switch op.Kind {
			case delta.Copy:
				k.copyBasis(j, op)
			case delta.Literal:
				missing = append(missing, native.Range{Off: op.Off, N: op.Len})
			case delta.Taken:
				j.taken = true
			}
			return j.err
		})
	}
	k.built(j)
	s.taker.end(j)
	if s.err == nil && j.err == nil {
		k.stats.Matched.Add(s.taker.matched())
	}
	switch {
	case j.err != nil:
		k.tasks <- task{job: j}
		return
	case s.err != nil || !j.mixed && !j.taken:
		// It changed, can't be read, or has nothing in common.
		k.fetchWhole(j)
		return
	}
	j.search = nil
	j.phase = fetching
	k.keepCopies(j)
	if j.bad = mergeRanges(append(missing, j.bad...)); len(j.bad) > 0 && j.err == nil {
		k.retry(j)
		return
	}
	k.tasks <- task{job: j}
}
