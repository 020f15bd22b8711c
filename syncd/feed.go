package syncd

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/wire/native"
)

// A feed is the signature of a job's basis on its way to the source, on a push. The worker
// makes it, and hands the job to the planner when it has a first piece; the planner asks
// for ops, and from then on the worker sends what follows while the receiver takes what
// the source has found already. Of the job the worker uses the basis meanwhile, so that a
// job with a feed goes back through the worker, however its request ended.
type feed struct {
	signed int          // blocks, the worker's
	whole  atomic.Bool  // all of them: nothing more will be sent
	sent   atomic.Int64 // bytes of the basis that the source may copy from
	over   atomic.Bool  // the request has ended: the rest is of no use
	lost   atomic.Bool  // the basis can't be read
	broken bool         // the stream broke: all is asked for again

	mu  sync.Mutex
	on  *stream      // where it is sent; nil before the planner has asked
	req native.Delta // with what has been signed and not sent
}

// errFed ends a signature of which the rest is of no use.
var errFed = errors.New("the request has ended")

// signBasis signs what is there, for the source to search.
func (k *sink) signBasis(ctx context.Context, j *job) {
	if !j.assemble && k.stock == nil {
		j.steady = steadyFrom(j.basis)
	}
	f := new(feed)
	o := delta.Options{}
	if k.stock == nil {
		// The other half builds the file meanwhile: 1 GiB on XFS took 0.29 s instead of 0.32.
		o.Workers = (runtime.GOMAXPROCS(0) + 1) / 2
		o.Signed = func(sig *delta.Signature, blocks int) error { return k.feed(j, f, sig, blocks) }
	}
	sig, err := delta.Sign(ctx, countedFile{j.basis, k.stats}, j.size, k.signParams(j), o)
	switch {
	case f.whole.Load(): // the job is under way
	case err != nil && f.signed > 0:
		f.lost.Store(!errors.Is(err, errFed))
		k.sendFeed(f, nil, true)
	case err != nil:
		k.fetchWhole(j)
	case k.stock != nil:
		j.sig, _ = sig.AppendBinary(nil)
		j.phase = merging
		k.retry(j)
	}
}

// due returns the retry that is next, or -1. One whose signature is being made waits as
// long as there is something else to ask for, or to come: that would have to wait for all
// of the signature. k.mu is held.
func (k *sink) due() int {
	return slices.IndexFunc(k.retries, func(j *job) bool {
		return j.feed == nil || j.feed.ends() || !k.busy()
	})
}

// ends reports whether nothing more of the signature will come.
func (f *feed) ends() bool { return f.whole.Load() || f.lost.Load() }

// busy reports whether the source has something to do, or soon will. k.mu is held.
func (k *sink) busy() bool {
	if k.batches[0] != nil || k.batches[1] != nil || len(k.pages)+len(k.renewed)+len(k.scanned)+k.scanning+len(k.stack)+k.listing() > 0 {
		return true
	}
	return slices.ContainsFunc(k.streams, func(s *stream) bool { return !s.dead && len(s.reads) > 0 })
}

// feed sends on what has become known of a signature.
func (k *sink) feed(j *job, f *feed, sig *delta.Signature, blocks int) error {
	more := blocks < sig.Blocks()
	if more {
		blocks -= blocks % delta.Group
	}
	switch {
	case f.over.Load():
		return errFed
	case blocks == f.signed: // no group is full, or no block begins in what was signed
		return nil
	}
	piece := sig.AppendGroups(nil, f.signed, blocks)
	first := f.signed == 0
	f.signed = blocks
	f.sent.Store(min(int64(blocks)*int64(sig.Params().Block), sig.Size()))
	f.whole.Store(!more)
	if !first {
		k.sendFeed(f, piece, false)
		return nil
	}
	f.req.Sig, f.req.More = piece, more
	j.feed, j.signed, j.phase = f, sig, merging
	k.retry(j)
	return nil
}

// sendFeed sends one more piece of a signature, or keeps it until the planner has asked;
// cut says that no other one will follow, although it is not whole.
func (k *sink) sendFeed(f *feed, piece []byte, cut bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.req.Sig, f.req.More, f.req.Cut = append(f.req.Sig, piece...), !cut && !f.whole.Load(), cut
	if f.on == nil {
		if !f.req.More {
			k.mu.Lock()
			k.cond.Signal() // it is due
			k.mu.Unlock()
		}
		return
	}
	if err := k.sent(f.on, f.send()); err != nil {
		k.abort(err)
	}
}

// send sends what there is; f.mu is held.
func (f *feed) send() error {
	err := f.on.up.Ask(&f.req)
	f.req.Sig = nil
	if err != nil {
		return err
	}
	return f.on.up.Flush()
}

// askFed asks for ops, with what there is of the signature.
func (k *sink) askFed(j *job) error {
	k.ids++
	f := j.feed
	b := &batch{id: k.ids, jobs: []*job{j}, bytes: j.entry.Size}
	f.mu.Lock()
	f.req.ID, f.req.File = k.ids, j.request()
	req := f.req
	f.req.Sig = nil
	f.mu.Unlock()
	if err := k.issue(b, &req, 0); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = b.on
	if !req.More || len(f.req.Sig) == 0 && f.req.More {
		return nil // nothing has come meanwhile
	}
	return k.sent(f.on, f.send())
}

// toFed gives a job whose request has ended to the worker, which may be at it.
func (k *sink) toFed(j *job) {
	j.feed.over.Store(true)
	k.toWorker(j)
}

// fed takes back a job with a feed: its signature is not being made any more.
func (k *sink) fed(j *job) {
	f := j.feed
	j.feed = nil
	switch failed := j.fail != nil || j.err != nil; {
	case f.broken && !failed:
		k.freeSig(j)
		k.restart(j)
	case f.lost.Load() && !failed:
		k.fetchWhole(j)
	default:
		k.tasks <- task{job: j}
	}
}
