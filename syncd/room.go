package syncd

import (
	"iter"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire/native"
)

// A room allocates the blocks of a job's file that ranges of its basis go to, before
// they are written: segment by segment, with what lies between, if the basis has no
// holes, else only where a range is long.
type room struct {
	file      *tree.File
	size      int64
	segments  []bool // that have their blocks, or are spared; nil if the basis has holes
	allocated bool
}

func roomFor(j *job) room {
	r := room{file: j.file, size: j.entry.Size} // a receiver of stock's changes the entry's
	for e, err := range tree.Extents(j.basis, 0, j.size) {
		if err == nil && !e.Hole && e.Len == j.size {
			r.segments = make([]bool, (r.size+native.Segment-1)/native.Segment)
		}
		break
	}
	return r
}

// allocate is called before n bytes are written from off.
func (r *room) allocate(off, n int64) {
	if r.segments == nil {
		r.allocated = n >= allocateFrom && tree.Allocate(r.file, off, n) || r.allocated
		return
	}
	for i := range r.touched(off, n) {
		if !r.segments[i] {
			r.segments[i] = true
			at := i * native.Segment
			r.allocated = tree.Allocate(r.file, at, min(native.Segment, r.size-at)) || r.allocated
		}
	}
}

// spare has the blocks around a hole be allocated as they are written. It reports
// whether some of the hole may be allocated already.
func (r *room) spare(off, n int64) (allocated bool) {
	if r.segments == nil {
		return false
	}
	for i := range r.touched(off, n) {
		allocated = allocated || r.segments[i]
		r.segments[i] = true
	}
	return allocated && r.allocated
}

// touched are the segments that have some of n bytes from off.
func (r *room) touched(off, n int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		end := min(off+n, r.size)
		for i := off / native.Segment; i*native.Segment < end && yield(i); i++ {
		}
	}
}
