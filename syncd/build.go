package syncd

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire/native"
)

// Tuning of a builder.
const (
	// buildPiece is how much of a basis is read at a time, to be hashed and
	// written while it is in the second-level cache of the processor. The kernel
	// gives a write of that length its pages in large folios: 1 GiB takes a third
	// less time than in pieces of 64 KiB.
	buildPiece = 256 << 10

	// maxParts is how many segments wait for the workers before the receiver does:
	// 4 GiB, so that the peer's next bytes are read while a long copy goes on.
	maxParts = 512
)

// A builder puts a job's file together: it copies ranges of the basis into it,
// beside what came from the source, and digests each segment in the same pass.
// Its workers take the segments one by one, each as soon as nothing of it is
// missing, while the receiver goes on.
//
// What is to be digested is copied through a buffer, which is hashed between the
// read and the write: with copy_file_range and a read of the result, 1 GiB takes
// half as much again of the processors. Where the file system can share blocks they
// are shared, and read to be hashed; what nobody wants the digest of is copied in
// the kernel.
//
// The receiver gives it ops; once the file is whole the committer finishes it, and
// the worker, or whoever discards the job, waits for its end. The fields behind mu
// are read then.
type builder struct {
	k           *sink
	file, basis *tree.File
	digests     bool // of each segment are wanted
	again       bool // the file may hold data where a hole belongs

	// of who gives the ops: those of the segment at next
	ops  []delta.Op
	next int64

	parts    chan part
	finished bool
	workers  sync.WaitGroup
	behind   *sweeper // nil if the basis stays
	stop     atomic.Bool

	// writing lets one worker write at a time, as the file's lock does: who waits
	// for that spins.
	writing sync.Mutex

	mu        sync.Mutex
	sums      []byte
	bad       []native.Range // could not be copied or read
	holes     bool
	allocated bool
}

// part is a segment that is complete but for its ops.
type part struct {
	off, n int64
	ops    []delta.Op
}

// build has an op copied, now or soon. All that is before it in the file has come.
// What the basis does not give, because it changed, is asked for like what arrives
// wrong.
func (k *sink) build(j *job, op delta.Op) {
	if j.builder == nil {
		j.builder = k.newBuilder(j, k.stock == nil && j.phase == merging)
	}
	j.builder.add(op)
}

func (k *sink) newBuilder(j *job, digests bool) *builder {
	b := &builder{k: k, file: j.file, basis: j.basis, digests: digests, again: j.tries > 0}
	n := int(min(int64(runtime.GOMAXPROCS(0)), j.entry.Size/native.Segment+1))
	b.parts = make(chan part, min(j.entry.Size/native.Segment+1, maxParts))
	if digests {
		b.sums = make([]byte, k.digestsLen(j))
	}
	if j.replaces && !j.inplace {
		b.behind = sweepBehind(j.file, j.basis)
	}
	for range n {
		b.workers.Go(func() { b.work(min(buildPiece, j.entry.Size)) })
	}
	return b
}

// built waits until all that was given to build is copied, and the file digested
// if that is wanted.
func (k *sink) built(j *job) {
	b := j.builder
	if b == nil {
		return
	}
	b.end(j.entry.Size)
	j.builder = nil
	j.holes, j.allocated = j.holes || b.holes, j.allocated || b.allocated
	j.bad = append(j.bad, b.bad...)
	j.sums = b.sums
}

// abandon ends a builder whose file is not wanted any more.
func (j *job) abandon() {
	if b := j.builder; b != nil {
		b.stop.Store(true)
		b.end(b.next)
		j.builder = nil
	}
}

// add takes an op, in the order of the file.
func (b *builder) add(op delta.Op) {
	for op.Len > 0 {
		b.upTo(op.Off)
		n := min(op.Len, b.next+native.Segment-op.Off)
		b.ops = append(b.ops, delta.Op{Off: op.Off, Src: op.Src, Len: n})
		op.Off, op.Src, op.Len = op.Off+n, op.Src+n, op.Len-n
	}
	b.upTo(op.Off)
}

// upTo hands on the segments that end before the offset.
func (b *builder) upTo(off int64) {
	for b.next+native.Segment <= off {
		b.handOn(native.Segment)
	}
}

func (b *builder) handOn(n int64) {
	b.parts <- part{b.next, n, b.ops}
	b.next, b.ops = b.next+n, nil
}

// finish hands on the rest of a file of that size: the workers end when they have
// done it.
func (b *builder) finish(size int64) {
	if b.finished {
		return
	}
	b.finished = true
	b.upTo(size)
	if b.next < size {
		b.handOn(size - b.next)
	}
	close(b.parts)
}

// end is finish, and waits for the workers.
func (b *builder) end(size int64) {
	b.finish(size)
	b.workers.Wait()
	b.behind.end()
}

// work is a worker, whose buffer has that size.
func (b *builder) work(size int64) {
	w := &partBuilder{builder: b}
	if b.digests {
		w.hash = b.k.alg.New()
		w.buf = make([]byte, size)
	}
	for p := range b.parts {
		if b.stop.Load() {
			continue
		}
		w.part(p)
		if len(p.ops) > 0 {
			b.behind.wrote(p.off, p.ops[0].Src, p.n)
		}
	}
}
