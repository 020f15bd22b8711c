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
	// go, together, unless they are sweepRuns already.
	sweepUnit = 32 << 20
	sweepRuns = 1 << 14

	// sweepEdge is how many blocks of the basis stay at either end of what was copied
	// in a row: what lies between is searched again once all is known of the new file,
	// along with a block behind it, and so is a row of fewer blocks than twice that.
	sweepEdge = 4

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
	edge        int64 // sweepEdge in bytes
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
	s := &sweeper{file: j.file, basis: j.basis, edge: sweepEdge * int64(k.params(max(j.size, j.entry.Size)).Block), queue: make(chan written, sweepQueue)}
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
	var copied []written // whose pages are to be let go, and those they may be in a row with
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
		copied = append(copied, ws...)
		if n >= sweepUnit || len(copied) >= sweepRuns {
			copied, n = s.letGo(copied), 0
		}
	}
}

// letGo lets pages of the basis go that were copied, and returns what was, joined. What
// has been let go before costs nothing.
func (s *sweeper) letGo(copied []written) []written {
	slices.SortFunc(copied, func(a, b written) int { return cmp.Compare(a.src, b.src) })
	rows := copied[:0]
	for _, w := range copied {
		if last := len(rows) - 1; last >= 0 && w.src <= rows[last].src+rows[last].n {
			rows[last].n = max(rows[last].n, w.src+w.n-rows[last].src)
			continue
		}
		rows = append(rows, w)
	}
	for _, w := range rows {
		if n := w.n - 2*s.edge; n > 0 {
			_ = tree.LetGo(s.basis, w.src+s.edge, n)
		}
	}
	if len(rows) >= sweepRuns/2 {
		return nil
	}
	return rows
}
