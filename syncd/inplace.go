package syncd

import (
	"cmp"
	"container/heap"
	"iter"
	"slices"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire/native"
)

// An update in place. Everything that comes from the source is first collected
// in a staged file, at its own offsets; the file itself is not touched before
// all of it is here. Then, by the worker:
//
//  1. room for the new size is reserved, so that a full disk is found now;
//  2. blocks that are in the file at another offset are moved, each before its
//     place is needed: unmoved blocks are not touched;
//  3. the literals are copied over;
//  4. the file gets its size, and every segment is verified.
//
// A crash in 2 to 4 leaves a mix of both versions, with a time of its own, so
// that the next run sees it and repairs it from what is in it. A broken
// connection leaves the old file.

// Tuning of moves.
const (
	movePiece  = 512 << 10 // bytes read, and then written, at a time
	moveAhead  = 2         // pieces that are read before the one at hand is written
	moveShared = 256 << 10 // shift from which a move that overlaps itself is worth sharing blocks
)

// inPlace reports whether the file that is there is to be updated.
func (k *sink) inPlace(j *job) bool {
	return (k.opt.Inplace || k.opt.Append || k.opt.AppendVerify) && j.cur != nil && j.cur.IsRegular() && !j.node.private
}

// appended handles --append: a file that is no longer there than here is left
// alone, and of a longer one only what is behind is fetched. It reports whether
// the job was taken care of.
func (k *sink) appended(j *job) (bool, error) {
	if !k.inPlace(j) || !k.opt.Append && !k.opt.AppendVerify || k.stock != nil && j.tries > 0 {
		return false, nil
	}
	if j.cur.Size >= j.entry.Size {
		k.linkReady(j.link)
		return true, nil
	}
	if k.opt.AppendVerify && (k.stock == nil || !k.stock.server) {
		return false, nil // what is there may be wrong: a delta sees it
	}
	j.bad = []native.Range{{Off: j.cur.Size, N: j.entry.Size - j.cur.Size}}
	return true, k.ask(j)
}

// assemble makes the file in place of ops and of what was staged.
func (k *sink) assemble(j *job, literals []native.Range) error {
	if err := k.rewrites(j); err != nil {
		return err
	}
	f, v, err := j.node.dir.Rewrite(j.entry.Name)
	if err != nil {
		return err
	}
	stash := j.staged
	if stash == nil { // nothing had to be sent
		if stash, err = j.node.dir.Stage(j.entry.Name); err != nil {
			f.Close()
			return err
		}
	}
	j.file, j.staged, j.inplace = f, nil, true
	defer func() { k.dropped(j.path(), stash.Discard()) }()
	if v.Size != j.size {
		return errChanged
	}
	if err := tree.Reserve(f, j.entry.Size); err != nil {
		return err
	}
	m := mover{k: k, j: j, stash: stash, shares: k.copier.Shares(f, f) > 0}
	if err := m.moveAll(j.ops); err != nil {
		return err
	}
	for _, g := range literals {
		for e, err := range tree.Extents(stash.File, g.Off, g.N) {
			if err != nil {
				return err
			}
			if e.Hole {
				err = tree.Punch(f, e.Off, e.Len)
			} else {
				err = k.copier.CopyRange(f, e.Off, stash.File, e.Off, e.Len, &k.stats.Stats)
			}
			if err != nil {
				return err
			}
		}
	}
	j.ops, j.assemble = nil, false
	return f.Truncate(j.entry.Size)
}

// literalsOf are the ranges that ops leave out.
func literalsOf(ops []delta.Op, size int64) (rs []native.Range) {
	end := int64(0)
	for _, op := range ops {
		if op.Off > end {
			rs = append(rs, native.Range{Off: end, N: op.Off - end})
		}
		end = op.Off + op.Len
	}
	if end < size {
		rs = append(rs, native.Range{Off: end, N: size - end})
	}
	return rs
}

// mover moves blocks within a file.
type mover struct {
	k      *sink
	j      *job
	stash  *tree.Staged
	shares bool        // the file system has files share blocks
	free   chan []byte // buffers
	end    int64       // of what is used of the stash, past the literals
}

// moveAll makes every copy of ops, which are sorted by Off and do not overlap
// there. A move may be made once no other one still has to read where it writes;
// where moves wait for each other in a circle, what the shortest of them reads is
// put aside first.
func (m *mover) moveAll(ops []delta.Op) error {
	ops = slices.DeleteFunc(slices.Clone(ops), func(op delta.Op) bool { return op.Off == op.Src })
	m.end = max(m.j.entry.Size, m.j.size)
	// readers[i] counts the other moves that read where i writes.
	readers := make([]int, len(ops))
	for i := range ops {
		lo, hi := writers(ops, ops[i])
		for w := lo; w < hi; w++ {
			if w != i {
				readers[w]++
			}
		}
	}
	aside := make([]int64, len(ops)) // where in the stash its bytes are, or 0
	done := make([]bool, len(ops))
	release := func(i int, ready *indexHeap) {
		lo, hi := writers(ops, ops[i])
		for w := lo; w < hi; w++ {
			if w == i {
				continue
			}
			if readers[w]--; readers[w] == 0 && !done[w] {
				heap.Push(ready, w)
			}
		}
	}
	ready := &indexHeap{}
	byLen := make([]int, len(ops))
	for i := range ops {
		byLen[i] = i
		if readers[i] == 0 {
			heap.Push(ready, i)
		}
	}
	slices.SortFunc(byLen, func(a, b int) int { return cmp.Compare(ops[a].Len, ops[b].Len) })
	for left := len(ops); left > 0; {
		if ready.Len() > 0 {
			i := heap.Pop(ready).(int)
			if done[i] {
				continue
			}
			if err := m.move(ops[i], aside[i]); err != nil {
				return err
			}
			done[i] = true
			left--
			if aside[i] == 0 {
				release(i, ready)
			}
			continue
		}
		for len(byLen) > 0 && (done[byLen[0]] || aside[byLen[0]] != 0) {
			byLen = byLen[1:]
		}
		i := byLen[0]
		at, err := m.putAside(ops[i].Src, ops[i].Len)
		if err != nil {
			return err
		}
		aside[i] = at
		release(i, ready)
	}
	return nil
}

// writers returns the range of ops, sorted by Off, that write where op reads.
func writers(ops []delta.Op, op delta.Op) (lo, hi int) {
	lo, _ = slices.BinarySearchFunc(ops, op.Src, func(o delta.Op, at int64) int {
		if o.Off+o.Len <= at {
			return -1
		}
		return 1
	})
	hi, _ = slices.BinarySearchFunc(ops, op.Src+op.Len, func(o delta.Op, at int64) int {
		if o.Off < at {
			return -1
		}
		return 1
	})
	return lo, hi
}

// indexHeap orders moves by their place, so that the disk is read forwards.
type indexHeap []int

func (h indexHeap) Len() int           { return len(h) }
func (h indexHeap) Less(a, b int) bool { return h[a] < h[b] }
func (h indexHeap) Swap(a, b int)      { h[a], h[b] = h[b], h[a] }
func (h *indexHeap) Push(x any)        { *h = append(*h, x.(int)) }
func (h *indexHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// putAside copies a range of the file to the stash and returns where it is.
func (m *mover) putAside(off, n int64) (int64, error) {
	at := m.end
	m.end += n
	return at, m.k.copier.CopyRange(m.stash.File, at, m.j.file, off, n, &m.k.stats.Stats)
}

// move makes one copy. Where blocks may be shared, a copy that overlaps itself goes
// in steps that do not.
func (m *mover) move(op delta.Op, aside int64) error {
	k, f, st := m.k, m.j.file, &m.k.stats.Stats
	if aside != 0 {
		return k.copier.CopyRange(f, op.Off, m.stash.File, aside, op.Len, st)
	}
	step := op.Src - op.Off
	if step < 0 {
		step = -step
	}
	if !m.shares || step < moveShared {
		return m.slide(op)
	}
	for at, n := range steps(op, step) {
		if err := k.copier.CopyRange(f, op.Off+at, f, op.Src+at, n, st); err != nil {
			return err
		}
	}
	return nil
}

// steps yields the offset in a move and the length of each step, in the direction in
// which none is overwritten before it is read.
func steps(op delta.Op, step int64) iter.Seq2[int64, int64] {
	return func(yield func(at, n int64) bool) {
		for done := int64(0); done < op.Len; done += step {
			n := min(step, op.Len-done)
			at := done
			if op.Src < op.Off {
				at = op.Len - done - n // from the end
			}
			if !yield(at, n) {
				return
			}
		}
	}
}

// slide moves a range through buffers, which a goroutine fills ahead: what it reads
// lies further in the direction of the move than what is written.
func (m *mover) slide(op delta.Op) (err error) {
	if m.free == nil {
		m.free = make(chan []byte, moveAhead+1)
		for range cap(m.free) {
			m.free <- make([]byte, movePiece)
		}
	}
	type piece struct {
		at  int64
		buf []byte
		err error
	}
	read := make(chan piece, moveAhead)
	go func() {
		defer close(read)
		for at, n := range steps(op, movePiece) {
			buf := (<-m.free)[:n]
			_, err := m.j.file.ReadAt(buf, op.Src+at)
			read <- piece{at, buf, err}
		}
	}()
	for p := range read { // to its end, or the reader would not end
		if err == nil {
			err = p.err
		}
		if err == nil {
			_, err = m.j.file.WriteAt(p.buf, op.Off+p.at)
			m.k.stats.User.Add(int64(len(p.buf)))
		}
		m.free <- p.buf[:movePiece]
	}
	return err
}
