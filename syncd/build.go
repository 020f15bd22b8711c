package syncd

import (
	"os"
	"sync/atomic"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire/native"
)

// Tuning of a builder.
const (
	buildQueue = 64             // ops that wait to be copied
	buildPiece = native.Segment // bytes copied at a time

	// buildLag is how many bytes behind the copies the disk is told to write, and
	// the pages of the basis are let go.
	buildLag = 32 << 20
)

// A builder copies ranges of a job's basis into its file, while the receiver or
// the worker goes on. It has two goroutines: one copies; the other follows it
// when the basis is the very file that is to be replaced. It has the kernel
// begin to write what was copied, which ext4 would else do all at once when the
// name changes, and lets the pages of the basis go: new ones are found among
// them, and the page cache need not hold the file twice. Of 1 GiB that was copied
// and renamed over the old file, that leaves 0.6 of 0.95 s.
//
// What it notes is read when it is closed.
type builder struct {
	k    *sink
	ops  chan delta.Op
	done chan struct{}
	stop atomic.Bool

	again     bool // the file may hold data where a hole belongs
	holes     bool
	allocated bool
	bad       []native.Range // could not be copied
}

// copied is a range that the follower learns of.
type copied struct{ off, src, n int64 }

// build copies an op, now or soon. What the basis does not give, because it
// changed, is asked for like what arrives wrong.
func (k *sink) build(j *job, op delta.Op) {
	if j.builder == nil {
		j.builder = &builder{k: k, ops: make(chan delta.Op, buildQueue), done: make(chan struct{}), again: j.tries > 0}
		go j.builder.run(j.file, j.basis, j.replaces)
	}
	j.builder.ops <- op
}

// built waits until all that was given to build is copied.
func (k *sink) built(j *job) {
	b := j.builder
	if b == nil {
		return
	}
	close(b.ops)
	<-b.done
	j.builder = nil
	j.holes, j.allocated = j.holes || b.holes, j.allocated || b.allocated
	j.bad = append(j.bad, b.bad...)
}

// abandon ends a builder whose file is not wanted any more.
func (j *job) abandon() {
	if b := j.builder; b != nil {
		b.stop.Store(true)
		close(b.ops)
		<-b.done
		j.builder = nil
	}
}

// run copies until ops is closed.
func (b *builder) run(file, basis *os.File, replaces bool) {
	defer close(b.done)
	var follow chan copied
	followed := make(chan struct{})
	if replaces {
		follow = make(chan copied, buildQueue)
		go func() {
			defer close(followed)
			b.follow(file, basis, follow)
		}()
	} else {
		close(followed)
	}
	for op := range b.ops {
		for n := int64(0); op.Len > 0 && !b.stop.Load(); op.Off, op.Src, op.Len = op.Off+n, op.Src+n, op.Len-n {
			n = min(op.Len, buildPiece-op.Off%buildPiece)
			if b.k.aborted() {
				b.bad = append(b.bad, native.Range{Off: op.Off, N: op.Len})
				break
			}
			if err := b.copy(file, basis, delta.Op{Off: op.Off, Src: op.Src, Len: n}); err != nil {
				b.bad = append(b.bad, native.Range{Off: op.Off, N: n})
				continue
			}
			b.k.stats.Matched.Add(n)
			if follow != nil {
				follow <- copied{op.Off, op.Src, n}
			}
		}
	}
	if follow != nil {
		close(follow)
	}
	<-followed
}

// copy copies a range, but for holes.
func (b *builder) copy(file, basis *os.File, op delta.Op) error {
	for e, err := range tree.Extents(basis, op.Src, op.Len) {
		switch {
		case err != nil:
			return err
		case e.Hole && !b.again:
			b.holes = true // a new file has one there already
			continue
		case e.Len >= allocateFrom:
			b.allocated = tree.Allocate(file, op.Off+e.Off-op.Src, e.Len) || b.allocated
		}
		if err := b.k.copier.CopyRange(file, op.Off+e.Off-op.Src, basis, e.Off, e.Len, &b.k.stats.Stats); err != nil {
			return err
		}
	}
	return nil
}

// follow goes behind the copies. What it does are hints: an error of the disk is
// seen by whoever syncs, as without it.
func (b *builder) follow(file, basis *os.File, done <-chan copied) {
	var wrote, next int64 // the range of the file that is not on its way yet
	var let, end int64    // the range of the basis that was used and is held
	for c := range done {
		if c.off != next {
			_ = tree.StartWriting(file, wrote, next-wrote)
			wrote = c.off
		}
		next, end = c.off+c.n, max(end, c.src+c.n)
		if next-wrote >= buildLag {
			_ = tree.StartWriting(file, wrote, next-wrote)
			wrote = next
		}
		if behind := min(end, c.src) - buildLag; behind > let {
			_ = tree.LetGo(basis, let, behind-let)
			let = behind
		}
	}
	_ = tree.StartWriting(file, wrote, next-wrote)
}
