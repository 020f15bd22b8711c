package syncd

import (
	"cmp"
	"slices"
	"sync"

	"github.com/seed9553035b/syncd/syncd/tree"
)

// Tuning of a sweeper.
const (
	// sweepUnit is how many bytes are copied before their pages of the basis are let
	// go, together: workers are some MiB apart from each other.
	sweepUnit = 32 << 20

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
	edge        int64 // bytes at the ends of a copy whose pages stay: see letGo
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
	s := &sweeper{file: j.file, basis: j.basis, edge: 2 * int64(k.params(max(j.size, j.entry.Size)).Block), queue: make(chan written, sweepQueue)}
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
	var copied []written // whose pages are to be let go
	n := int64(0)
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
			n += end - off
		}
		if copied = append(copied, ws...); n >= sweepUnit {
			s.letGo(copied)
			copied, n = copied[:0], 0
		}
	}
}

// letGo lets pages of the basis go that were copied. What lies between them is searched
// again, once all is known of the new file, along with a block at its end.
func (s *sweeper) letGo(copied []written) {
	slices.SortFunc(copied, func(a, b written) int { return cmp.Compare(a.src, b.src) })
	for i := 0; i < len(copied); {
		off, end := copied[i].src, copied[i].src
		for ; i < len(copied) && copied[i].src <= end; i++ {
			end = max(end, copied[i].src+copied[i].n)
		}
		if n := end - off - 2*s.edge; n > 0 {
			_ = tree.LetGo(s.basis, off+s.edge, n)
		}
	}
}
