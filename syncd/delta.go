package syncd

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
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

	// crumbs is how many copies a delta may have besides two for each block.
	crumbs = 1024

	// maxSigs bounds the signatures that jobs hold at a time, in bytes, unless
	// one alone is longer.
	maxSigs = 16 << 20
)

// signParams are those of the signature of a source's file, for a sink that
// searches. By the session's own digest its strong sums are whole: what matches
// them is verified.
func signParams(size int64, alg delta.Algorithm) delta.Params {
	p := delta.NativeParams(size)
	if p.Strong == alg {
		p.StrongLen = alg.Size()
	}
	return p
}

// params are those of a signature of a file of that size.
func (k *sink) params(size int64) delta.Params {
	p := delta.NativeParams(size)
	switch {
	case k.stock != nil:
		return k.stock.sums(size, false)
	case !k.push:
		p = signParams(size, k.alg)
	}
	if k.opt.BlockSize > 0 {
		p.Block = int(k.opt.BlockSize)
	}
	return p
}

// digestsLen is the length of the digests of j's segments.
func (k *sink) digestsLen(j *job) int {
	return int((j.entry.Size+native.Segment-1)/native.Segment) * k.alg.Size()
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

// askSign asks for the signature of the source's file.
func (k *sink) askSign(j *job) error {
	p := k.params(j.entry.Size)
	n, err := delta.EncodedLen(p, j.entry.Size)
	if err != nil {
		panic("syncd: deltaPays let a file pass that has no signature: " + err.Error())
	}
	k.ids++
	j.phase, j.sigLen = asking, int(n)
	req := &native.Sign{ID: k.ids, File: j.request(), Block: uint32(p.Block)}
	return k.issue(&batch{id: k.ids, jobs: []*job{j}}, req, n)
}

// askDelta sends the signature of the basis and asks for ops.
func (k *sink) askDelta(j *job) error {
	k.ids++
	req := &native.Delta{ID: k.ids, File: j.request(), Sig: j.sig}
	// The signature counts until the job has ended: the source holds it.
	j.sigLen, j.sig = len(j.sig), nil
	return k.issue(&batch{id: k.ids, jobs: []*job{j}}, req, int64(j.sigLen))
}

// freeSig gives back what a job's signature takes of maxSigs.
func (k *sink) freeSig(j *job) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if j.sigLen > 0 {
		k.sigs -= int64(j.sigLen)
		j.sigLen, j.sig = 0, nil
		k.cond.Signal()
	}
}

// onSums takes a piece of a signature, or of the digests of segments.
func (k *stream) onSums(id uint32, payload []byte, digests bool) error {
	j, err := k.current(id, 0)
	if err != nil {
		return err
	}
	if j.phase != asking && (j.phase != merging || !digests) {
		return unasked("sums", id)
	}
	to, limit := &j.sig, j.sigLen
	if digests {
		to, limit = &j.digests, k.digestsLen(j)
	}
	if len(*to)+len(payload) > limit {
		return unasked("more sums than the file has", id)
	}
	*to = append(*to, payload...)
	return nil
}

// onCopy takes a range of the new file from the basis.
func (k *stream) onCopy(id uint32, off, src, n int64) error {
	j, err := k.current(id, 0)
	if err != nil {
		return err
	}
	if j.phase != merging || j.fail != nil || src > j.size-n || !j.expect(off, n) {
		return unasked("a copy", id)
	}
	k.copyBasis(j, delta.Op{Kind: delta.Copy, Off: off, Src: src, Len: n})
	if j.crumbled(int64(k.params(j.size).Block)) {
		return unasked("a copy of crumbs", id)
	}
	return nil
}

// crumbled reports whether more copies have come than a search finds for blocks
// of that size, which a segment holds in memory. Some are cut short where two
// workers of a search met.
func (j *job) crumbled(block int64) bool {
	if j.assemble {
		return int64(len(j.ops)) > 2*j.entry.Size/block+crumbs
	}
	return j.builder != nil && int64(len(j.builder.ops)) > 2*native.Segment/block+crumbs
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
		k.mu.Lock()
		for len(k.work) == 0 && !k.workDone {
			k.workCond.Wait()
		}
		if len(k.work) == 0 {
			k.mu.Unlock()
			return
		}
		j := k.work[0]
		k.work = k.work[1:]
		aborted := k.err != nil
		k.mu.Unlock()
		switch {
		case aborted:
			k.discard(j)
		case j.phase == comparing:
			k.stock.compare(ctx, j)
			k.tasks <- task{job: j}
		case j.phase == resuming:
			k.recheck(ctx, j)
		case j.phase == signing:
			k.signBasis(ctx, j)
		case j.phase == searching:
			k.searchBasis(ctx, j)
		case j.phase == copying:
			k.copyAll(j)
		case j.phase == assembling:
			if j.err = k.assemble(j, literalsOf(j.ops, j.entry.Size)); j.err == nil {
				j.bad = k.verify(ctx, j)
			}
			j.phase = verifying
			k.tasks <- task{job: j}
		default:
			j.bad = k.verify(ctx, j)
			k.tasks <- task{job: j}
		}
	}
}

// signBasis signs what is there, for the source to search.
func (k *sink) signBasis(ctx context.Context, j *job) {
	p := k.params(j.size)
	if k.stock != nil {
		p = k.stock.sums(j.size, j.tries > 0)
	}
	sig, err := delta.Sign(ctx, countedFile{j.basis, k.stats}, j.size, p, delta.Options{})
	if err != nil {
		k.fetchWhole(j)
		return
	}
	j.sig, _ = sig.AppendBinary(nil)
	j.phase = merging
	k.retry(j)
}

// fetchWhole asks for all of a file whose basis is of no use, or whose digests
// are not.
func (k *sink) fetchWhole(j *job) {
	k.freeSig(j)
	k.discard(j)
	j.phase = fetching
	k.retry(j)
}

// searchBasis finds what is there of the source's file, copies it, and asks for
// the rest.
func (k *sink) searchBasis(ctx context.Context, j *job) {
	sig, err := delta.ParseSignature(j.sig)
	if err == nil && (sig.Size() != j.entry.Size || sig.Params() != k.params(j.entry.Size)) {
		err = fmt.Errorf("a signature of something else")
	}
	if err != nil {
		k.abort(fmt.Errorf("%w: %w", native.ErrProtocol, err))
		k.discard(j)
		return
	}
	j.sig = nil
	var missing []native.Range
	o := delta.Options{GiveUp: giveUp}
	t := k.newTaker(j, sig.Params())
	if t != nil {
		o.Take = t.take
	}
	err = delta.SearchBasis(ctx, sig, countedFile{j.basis, k.stats}, j.size, o, func(op delta.Op) error {
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
	k.built(j)
	t.end(j)
	if err == nil {
		k.stats.Matched.Add(t.matched())
	}
	k.freeSig(j)
	switch {
	case j.err != nil:
		k.tasks <- task{job: j}
		return
	case err != nil || !j.mixed && !j.taken:
		// It changed, can't be read, or has nothing in common.
		k.fetchWhole(j)
		return
	}
	j.phase = fetching
	k.keepCopies(j)
	if j.bad = mergeRanges(append(missing, j.bad...)); len(j.bad) > 0 && j.err == nil {
		k.retry(j)
		return
	}
	k.tasks <- task{job: j}
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

// verify returns the segments that are not what the source's digests say. It
// hashes what was not hashed when it was put together.
func (k *sink) verify(ctx context.Context, j *job) (bad []native.Range) {
	if k.stock != nil {
		k.built(j)
		if j.holes { // one at the end is not there until the size says so
			if j.err = j.file.Truncate(j.entry.Size); j.err != nil {
				return nil
			}
		}
		return k.stock.verify(ctx, j)
	}
	if j.builder == nil {
		j.builder = k.newBuilder(j, true)
	}
	k.built(j)
	bad = mergeRanges(j.bad) // what could not be copied is not what it should be
	size := k.alg.Size()
	var wrong []native.Range
	for i := 0; i*size < len(j.digests); i++ {
		off := int64(i) * native.Segment
		g := native.Range{Off: off, N: min(native.Segment, j.entry.Size-off)}
		if !bytes.Equal(j.sums[i*size:(i+1)*size], j.digests[i*size:(i+1)*size]) && !touches(bad, g) {
			wrong = append(wrong, g)
		}
	}
	return mergeRanges(append(wrong, bad...))
}

// touches reports whether one of the ranges has bytes of g.
func touches(rs []native.Range, g native.Range) bool {
	return slices.ContainsFunc(rs, func(r native.Range) bool { return r.Off < g.Off+g.N && g.Off < r.Off+r.N })
}

// countedFile counts what is read of a file to be hashed.
type countedFile struct {
	*tree.File
	stats *Stats
}

var _ io.ReaderAt = countedFile{}

// ReadAt implements io.ReaderAt.
func (c countedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.File.ReadAt(p, off)
	c.stats.Hash.Add(int64(n))
	return n, err
}
