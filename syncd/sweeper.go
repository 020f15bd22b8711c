package syncd

import (
	"cmp"
	"slices"
	"sync"

	"github.com/seed9553035b/syncd/syncd/tree"
)

// Tuning of a sweeper.
const (
	// sweepLag is how many bytes behind the copies the pages of a basis are let
	// go: a worker may be that far behind another.
	sweepLag = 32 << 20

	// sweepQueue is how many writes wait for the disk before the workers do.
	sweepQueue = 1024
)

// A sweeper goes behind those who copy from a basis that is the very file to be
// replaced. It has the kernel begin to write what was copied, which ext4 would else
// do all at once when the name changes, and lets the pages of the basis go: new
// ones are found among them, and the page cache need not hold the file twice. These
// are hints: an error of the disk is seen by whoever syncs, as without them. A nil
// sweeper does nothing.
type sweeper struct {
	file, basis *tree.File
	queue       chan written
	done        sync.WaitGroup
}

// written is a range of the file, and where it was in the basis.
type written struct{ off, src, n int64 }

// sweep starts a sweeper for a job; end ends it. There is none if the basis stays, nor
// where files share blocks and nobody waits for the disk: no such file system writes a
// file because its name changes.
func (k *sink) sweep(j *job) *sweeper {
	if !j.replaces || j.inplace || k.fsync == FsyncNone && k.copier.Shares(j.file, j.basis) > 0 {
		return nil
	}
	s := &sweeper{file: j.file, basis: j.basis, queue: make(chan written, sweepQueue)}
	s.done.Go(s.run)
	return s
}

// wrote tells it of a range. It may be called by several goroutines at a time.
func (s *sweeper) wrote(off, src, n int64) {
	if s != nil {
		s.queue <- written{off, src, n}
	}
}

// end waits until it has done all.
func (s *sweeper) end() {
	if s != nil {
		close(s.queue)
		s.done.Wait()
	}
}

func (s *sweeper) run() {
	let := int64(0)
	for w := range s.queue {
		ws := []written{w}
		for range len(s.queue) { // the disk likes what is long
			ws = append(ws, <-s.queue)
		}
		slices.SortFunc(ws, func(a, b written) int { return cmp.Compare(a.off, b.off) })
		for i := 0; i < len(ws); {
			off, end := ws[i].off, ws[i].off
			for ; i < len(ws) && ws[i].off == end; i++ {
				end += ws[i].n
			}
			_ = tree.StartWriting(s.file, off, end-off)
		}
		if behind := w.src - sweepLag; behind > let {
			_ = tree.LetGo(s.basis, let, behind-let)
			let = behind
		}
	}
}
