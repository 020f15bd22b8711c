package syncd

import (
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire/native"
)

// Tuning of deltas.
const (
	// minDelta is the size in bytes of basis and new file from which a delta
	// is tried. Below it a file is some dozen packets; the signature, and the
	// round trip for it, cost more than they save.
	minDelta = 32 << 10

	// giveUp is how much of a file is searched before a basis that has
	// nothing in common with it is taken for what it is.
	giveUp = 64 << 20

	// crumbs is how many copies an update in place, or gaps between what is found first,
	// there may be besides two for each block of the file, or of the basis: they are held
	// in memory.
	crumbs = 1024

	// maxSigs bounds the signatures that jobs hold at a time, in bytes, unless
	// one alone is longer.
	maxSigs = 16 << 20
)

// params are those of a signature of a file of that size.
func (k *sink) params(size int64) delta.Params {
	if k.stock != nil {
		return k.stock.sums(size, false)
	}
	p := delta.NativeParams(size, k.alg)
	if k.opt.BlockSize > 0 {
		p.Block = int(k.opt.BlockSize)
	}
	return p
}

// startDelta begins a job that has a basis. On a push the source is the client
// and searches; on a pull this side is.
func (k *sink) startDelta(j *job) error {
	j.assemble = k.inPlace(j)
	k.begin(j)
	if err := k.room(); err != nil {
		k.discard(j)
		return err
	}
	if k.push || k.stock != nil {
		j.phase = signing
		k.toWorker(j)
		return nil
	}
	return k.askSign(j)
}

// askDelta sends the signature of the basis and asks for ops.
func (k *sink) askDelta(j *job) error {
	if j.feed != nil {
		return k.askFed(j)
	}
	k.ids++
	req := &native.Delta{ID: k.ids, File: j.request(), Sig: j.sig}
	j.sig = nil // what is asked for goes on being counted: what comes is checked by it
	return k.issue(&batch{id: k.ids, jobs: []*job{j}, bytes: j.entry.Size}, req, 0)
}

// freeSig gives back what a job's signature takes of maxSigs.
func (k *sink) freeSig(j *job) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if j.sigLen > 0 {
		k.sigs -= int64(j.sigLen)
		j.sigLen, j.sig, j.signed, j.came, j.search = 0, nil, nil, nil, nil
		k.cond.Signal()
		k.workCond.Signal()
	}
}

// onCopy takes a range of the new file from the basis.
func (k *stream) onCopy(id uint32, off, src, n int64) error {
	j, err := k.current(id, 0)
	if err != nil {
		return err
	}
	if j.phase != merging || j.fail != nil || src > j.size-n || j.feed != nil && src+n > j.feed.sent.Load() || !j.expectCopy(off, n) {
		return unasked("a copy", id)
	}
	block := int64(k.params(j.size).Block)
	if src%block != 0 || n%block != 0 && src+n != j.size {
		return unasked("a copy of parts of blocks", id)
	}
	k.copyBasis(j, delta.Op{Kind: delta.Copy, Off: off, Src: src, Len: n})
	// The short last block is all that can be had in pieces less than a block.
	if j.assemble && int64(len(j.ops)) > 2*j.entry.Size/block+crumbs || int64(len(j.left)) > 2*j.size/block+crumbs {
		return unasked("a copy of crumbs", id)
	}
	return nil
}

// copyBasis has a range of the basis copied into the job's file.
func (k *sink) copyBasis(j *job, op delta.Op) {
	if j.assemble {
		j.ops, j.mixed = append(j.ops, op), true
		k.stats.Matched.Add(op.Len)
		return
	}
	if k.openTarget(j) {
		j.mixed = true
		k.build(j, op)
	}
}

// toWorker queues a job for the worker; it never blocks.
func (k *sink) toWorker(j *job) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.work = append(k.work, j)
	k.workCond.Signal()
}

func (k *sink) endWork() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.workDone = true
	k.workCond.Signal()
}

// workAll is the worker: it does what needs a processor more than the stream,
// one job at a time, each on all cores, until there will be no more.
func (k *sink) workAll(ctx context.Context) {
	for {
		j, ahead, aborted := k.nextWork()
		switch {
		case j == nil:
			return
		case ahead > 0:
			k.searchAhead(ctx, j, ahead)
		case aborted:
			k.discard(j)
		case j.phase == comparing:
			k.stock.compare(ctx, j)
			k.tasks <- task{job: j}
		case j.phase == resuming:
			k.recheck(ctx, j)
		case j.feed != nil:
			k.fed(j)
		case j.phase == signing:
			k.signBasis(ctx, j)
		case j.phase == searching:
			k.searchBasis(ctx, j)
		case j.phase == copying:
			k.copyAll(j)
		case j.phase == assembling:
			k.assembleAll(ctx, j)
			k.tasks <- task{job: j}
		default:
			j.bad = k.verify(ctx, j)
			k.tasks <- task{job: j}
		}
	}
}

// nextWork waits for the next job that the worker can do, nil if there will be none.
// Of one whose signature is on its way, ahead is how many blocks can be looked for.
// One that is to be signed has to wait for room for its signature. Those behind it that
// need none may make some; those that need some too wait, or a long one would wait for
// ever.
func (k *sink) nextWork() (j *job, ahead int, aborted bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		full := false
		i := slices.IndexFunc(k.work, func(j *job) bool {
			if k.err != nil || j.isAhead() || j.phase != signing {
				return true
			}
			full = full || !k.sigRoom(k.signLen(j))
			return !full
		})
		switch {
		case i >= 0:
			j = k.work[i]
			k.work = slices.Delete(k.work, i, i+1)
			switch {
			case j.isAhead():
				j.search.queued = false
				if k.err != nil {
					continue // it is the receiver's
				}
				return j, j.search.ready, false
			case j.phase == signing:
				j.sigLen = int(k.signLen(j))
				k.sigs += int64(j.sigLen)
			}
			return j, 0, k.err != nil
		case len(k.work) == 0 && k.workDone:
			return nil, 0, false
		}
		k.workCond.Wait()
	}
}

// sigRoom reports whether n more bytes of signature may be held. k.mu is held.
func (k *sink) sigRoom(n int64) bool { return k.sigs == 0 || k.sigs+n <= maxSigs }

// signParams are those of the signature of a job's basis.
func (k *sink) signParams(j *job) delta.Params {
	if k.stock != nil {
		return k.stock.sums(j.size, j.tries > 0)
	}
	return k.params(j.size)
}

// signLen is the length of that signature in bytes; 0 if there can be none.
func (k *sink) signLen(j *job) int64 {
	n, _ := delta.EncodedLen(k.signParams(j), j.size) // signing says what is wrong
	return n
}

// fetchWhole asks for all of a file whose basis is of no use.
func (k *sink) fetchWhole(j *job) {
	k.freeSig(j)
	k.discard(j)
	j.phase = fetching
	k.retry(j)
}

// mergeRanges sorts ranges, and joins those that touch.
func mergeRanges(rs []native.Range) []native.Range {
	slices.SortFunc(rs, func(a, b native.Range) int { return cmp.Compare(a.Off, b.Off) })
	out := rs[:0]
	for _, r := range rs {
		if n := len(out); n > 0 && out[n-1].Off+out[n-1].N >= r.Off {
			out[n-1].N = max(out[n-1].N, r.Off+r.N-out[n-1].Off)
			continue
		}
		out = append(out, r)
	}
	return out
}

// assembleAll updates a file in place, and checks what was not sent.
func (k *sink) assembleAll(ctx context.Context, j *job) {
	ops := j.ops
	slices.SortFunc(ops, func(a, b delta.Op) int { return cmp.Compare(a.Off, b.Off) })
	j.phase = verifying
	if j.err = k.assemble(j, literalsOf(ops, j.entry.Size)); j.err != nil {
		return
	}
	if k.stock == nil && j.signed != nil {
		j.builder = k.newBuilder(j)
		j.builder.made = true
		for _, op := range ops {
			j.builder.add(op)
		}
	}
	j.bad = k.verify(ctx, j)
}

// verify returns what of a file that was put together of its basis is not what it
// should be, once all of it is checked. What came from the source was before.
func (k *sink) verify(ctx context.Context, j *job) (bad []native.Range) {
	k.built(j)
	k.freeSig(j)
	if k.stock == nil {
		if j.mixed { // without a signature nothing was checked
			j.bad = []native.Range{{N: j.entry.Size}}
			j.mixed, j.taken = false, true
		}
		return mergeRanges(j.bad)
	}
	if j.holes { // one at the end is not there until the size says so
		if j.err = j.file.Truncate(j.entry.Size); j.err != nil {
			return nil
		}
	}
	return k.stock.verify(ctx, j)
}

// countedFile counts what is read of a file to be hashed.
type countedFile struct {
	f     *tree.File
	stats *Stats
}

var _ io.ReaderAt = countedFile{}

// ReadAt implements io.ReaderAt.
func (c countedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.f.ReadAt(p, off)
	c.stats.Hash.Add(int64(n))
	return n, err
}
