package syncd

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// Tuning of a builder.
const (
	// buildPiece is how much of a basis is read at a time, to be hashed and
	// written while it is in the second-level cache of the processor. The kernel
	// gives a write of that length its pages in large folios: 1 GiB takes a third
	// less time than in pieces of 64 KiB.
	buildPiece = 256 << 10

	// partSize is how many bytes of copies, or partOps how many copies, a worker takes
	// at a time.
	partSize = 8 << 20
	partOps  = 1 << 12

	// maxParts is how many parts wait for the workers before the receiver does:
	// 4 GiB, so that the peer's next bytes are read while a long copy goes on.
	maxParts = 512

	// maxTrusted is how many copies are noted that were not checked: 2 MiB of them.
	maxTrusted = 1 << 16
)

// A builder puts a job's file together: it copies ranges of the basis into it, in
// workers of its own, while the receiver goes on, and checks each block that it
// copies against the signature by which it was found.
//
// As long as the basis stays as it was when it was hashed there is nothing to check,
// see steady: what the file system can share is shared, and the rest copied in the
// kernel. Of other bases what is shared is read, and the rest copied through a
// buffer, which is hashed between the read and the write.
//
// The receiver gives it ops; once the file is whole the committer finishes it, and
// the worker, or whoever discards the job, waits for its end. The fields behind mu
// are read then.
type builder struct {
	k       *sink
	file    *target
	basis   *tree.File
	signed  *delta.Signature // nil: nothing is checked
	ofBasis bool             // signed is the basis's, and not the new file's
	made    bool             // the copies are there already
	steady  *steady          // the basis, nil if all has to be checked
	again   bool             // the file may hold data where a hole belongs

	// of who gives the ops: those of the next part
	ops   []delta.Op
	bytes int64

	parts    chan []delta.Op
	finished bool
	workers  sync.WaitGroup
	behind   *sweeper // nil if the basis stays
	stop     atomic.Bool

	room room // guarded by file

	mu      sync.Mutex
	bad     []native.Range // could not be copied, or is not what was signed
	trusted []delta.Op     // copied from a basis that is steady, and not checked
	many    bool           // of these there were more than are noted: none is
	holes   bool
}

// A target is the file of a job that workers write: one at a time, and the receiver.
type target struct {
	*tree.File
	sync.Mutex
}

var (
	_ wire.File   = (*target)(nil)
	_ sync.Locker = (*target)(nil)
)

// content is what the receiver writes the bytes to that come from the source.
func (j *job) content() wire.File {
	if j.builder != nil {
		return j.builder.file
	}
	return j.file
}

// build has an op copied, now or soon. What the basis does not give, because it
// changed, is asked for like what arrives wrong.
func (k *sink) build(j *job, op delta.Op) {
	if j.builder == nil {
		j.builder = k.newBuilder(j)
	}
	j.builder.add(op)
}

// buildHole sees to it that a range stays a hole, whatever is copied near it.
func (k *sink) buildHole(j *job, off, n int64) error {
	if j.builder == nil {
		j.builder = k.newBuilder(j)
	}
	b := j.builder
	b.file.Lock()
	defer b.file.Unlock()
	switch allocated := b.room.spare(off, n); {
	case allocated:
		return tree.Unallocate(j.file, off, n)
	case j.punched():
		return tree.Punch(j.file, off, n)
	}
	return nil
}

func (k *sink) newBuilder(j *job) *builder {
	b := &builder{k: k, file: &target{File: j.file}, basis: j.basis, room: roomFor(j), signed: j.signed, ofBasis: k.push, steady: j.steady, again: j.tries > 0}
	n := int(min(int64(runtime.GOMAXPROCS(0)), j.entry.Size/partSize+1))
	buf := min(buildPiece, j.entry.Size) // a size that the receiver of a stock file changes
	b.parts = make(chan []delta.Op, min(j.entry.Size/partSize+1, maxParts))
	b.behind = k.sweep(j)
	for range n {
		b.workers.Go(func() { b.work(buf) })
	}
	return b
}

// built waits until all that was given to build is copied and checked.
func (k *sink) built(j *job) {
	b := j.builder
	if b == nil {
		return
	}
	b.end()
	j.builder = nil
	j.holes, j.allocated = j.holes || b.holes, j.allocated || b.room.allocated
	j.bad = append(j.bad, b.bad...)
	switch {
	case len(b.trusted) == 0 && !b.many || b.steady.still():
	case b.many:
		j.bad = []native.Range{{N: j.entry.Size}}
	default:
		k.checkCopies(j, b.trusted)
	}
	if b.signed != nil {
		j.mixed, j.taken = false, true
	}
}

// checkCopies checks what was copied from a basis to which something has happened
// since: it may be no more than another name or mode.
func (k *sink) checkCopies(j *job, copies []delta.Op) {
	if j.holes { // one at the end is not there until the size says so
		if err := j.file.Truncate(j.entry.Size); err != nil {
			j.err = err
			return
		}
	}
	b := k.newBuilder(j)
	b.made = true
	for _, op := range copies {
		b.add(op)
	}
	b.end()
	j.bad = append(j.bad, b.bad...)
}

// abandon ends a builder and a taker whose file is not wanted any more.
func (j *job) abandon() {
	if j.search != nil {
		j.search.taker.end(j)
	}
	if b := j.builder; b != nil {
		b.stop.Store(true)
		b.end()
		j.builder = nil
	}
}

// add takes an op, in the order of the file, and hands on what makes a part. It cuts
// between blocks.
func (b *builder) add(op delta.Op) {
	block := int64(1)
	if b.signed != nil {
		block = int64(b.signed.Params().Block)
	}
	for op.Len > 0 {
		n := max((partSize-b.bytes)/block, 1) * block
		n = min(op.Len, n)
		b.ops = append(b.ops, delta.Op{Off: op.Off, Src: op.Src, Len: n})
		b.bytes += n
		op.Off, op.Src, op.Len = op.Off+n, op.Src+n, op.Len-n
		if b.bytes >= partSize || len(b.ops) >= partOps {
			b.handOn()
		}
	}
}

func (b *builder) handOn() {
	if len(b.ops) > 0 {
		b.parts <- b.ops
		b.ops, b.bytes = nil, 0
	}
}

// finish hands on the rest: the workers end when they have done it.
func (b *builder) finish() {
	if b.finished {
		return
	}
	b.finished = true
	b.handOn()
	close(b.parts)
}

// end is finish, and waits for the workers.
func (b *builder) end() {
	b.finish()
	b.workers.Wait()
	b.behind.end()
}

// work is a worker, whose buffer has that size.
func (b *builder) work(size int64) {
	w := &partBuilder{builder: b}
	if b.signed != nil {
		w.buf = make([]byte, size)
		w.check = newChecker(b.signed, func(off, n int64) { w.lost(off+w.shift, n) })
	}
	for ops := range b.parts {
		for _, op := range ops {
			w.copyOp(op)
		}
	}
}
