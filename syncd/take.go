package syncd

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
)

// A taker writes the blocks that a search of a job's basis finds right away, from
// the buffer in which they were found: the basis is read once, and no pass over the
// result is needed. What it writes is verified, for the bytes of that buffer have
// the source's strong sum, a whole digest of the session's algorithm. What changes
// in the basis meanwhile does so before or behind it.
//
// Its fields are of the goroutines that search, but for k, j and behind guarded by
// mu.
type taker struct {
	k      *sink
	j      *job
	behind *sweeper // nil if the basis stays
	unit   int64    // of blocks that can be shared instead; 0: there are none
	bytes  atomic.Int64

	mu    sync.Mutex // also lets one write at a time, as the file's lock does: who waits for that spins
	room  room
	holes bool
	err   error
}

// newTaker returns nil where the file is updated in place.
func (k *sink) newTaker(j *job) *taker {
	if j.assemble || !k.openTarget(j) {
		return nil
	}
	t := &taker{k: k, j: j, behind: k.sweep(j)}
	if t.unit = k.copier.Shares(j.file, j.basis); t.unit == 0 {
		t.room = roomFor(j)
	}
	return t
}

// end ends a taker, when the search has or will not be, and gives the job what it
// noticed. It may have ended already.
func (t *taker) end(j *job) {
	if t == nil {
		return
	}
	t.behind.end()
	t.behind = nil
	j.holes, j.allocated = j.holes || t.holes, j.allocated || t.room.allocated
	if j.err == nil {
		j.err = t.err
	}
}

// matched is how many bytes it has taken.
func (t *taker) matched() int64 {
	if t == nil {
		return 0
	}
	return t.bytes.Load()
}

// take implements delta.Options.Take. It leaves what can be shared.
func (t *taker) take(op delta.Op, data []byte) bool {
	if t.unit > 0 && op.Off%t.unit == op.Src%t.unit {
		return false
	}
	for e, err := range tree.Extents(t.j.basis, op.Src, op.Len) {
		if err != nil {
			return false // it is copied again, or fetched
		}
		part := data[e.Off-op.Src:][:e.Len]
		if !t.write(op.Off+e.Off-op.Src, part, e.Hole) {
			return false
		}
	}
	t.bytes.Add(op.Len)
	t.behind.wrote(op.Off, op.Src, op.Len)
	return true
}

// write writes a part of the file, unless it is a hole, which a new file has
// already.
func (t *taker) write(off int64, part []byte, hole bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil || t.k.aborted() {
		return false
	}
	if hole && len(bytes.TrimLeft(part, "\x00")) == 0 {
		t.holes = true
		return true
	}
	if t.unit == 0 {
		t.room.allocate(off, int64(len(part)))
	}
	if _, err := t.j.file.WriteAt(part, off); err != nil {
		t.err = err
		return false
	}
	t.k.stats.User.Add(int64(len(part)))
	return true
}
