package syncd

import (
	"errors"
	"hash"
	"io"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire/native"
)

// partBuilder is what a worker of a builder has of its own. Without a digest hash
// and buf are nil.
type partBuilder struct {
	*builder
	hash hash.Hash
	buf  []byte
}

// part makes a segment's copies and digests it. If not all of them can be made it
// has no digest.
func (w *partBuilder) part(p part) {
	if w.hash != nil {
		w.hash.Reset()
	}
	at, whole := p.off, true
	for _, op := range p.ops {
		whole = w.came(at, op.Off) && whole
		whole = w.copyOp(op) && whole
		at = op.Off + op.Len
	}
	if w.came(at, p.off+p.n) && whole && w.hash != nil {
		i := int(p.off/native.Segment) * w.hash.Size()
		w.hash.Sum(w.sums[:i])
	}
}

// came digests what came from the source, from off to end. Behind the end of the
// file is a hole that is there once the size says so.
func (w *partBuilder) came(off, end int64) bool {
	if w.hash == nil || off == end {
		return true
	}
	if w.stop.Load() || w.k.aborted() {
		return w.lost(off, end-off)
	}
	n, err := w.digest(w.file, off, end-off)
	if errors.Is(err, io.EOF) {
		w.zeros(end - off - n)
		err = nil
	}
	return err == nil || w.lost(off, end-off)
}

// lost notes a range that is to be asked for.
func (w *partBuilder) lost(off, n int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad = append(w.bad, native.Range{Off: off, N: n})
	return false
}

// copyOp makes a copy, but for holes, and reports whether it is there.
func (w *partBuilder) copyOp(op delta.Op) bool {
	if w.stop.Load() || w.k.aborted() || w.copyExtents(op) != nil {
		return w.lost(op.Off, op.Len)
	}
	w.k.stats.Matched.Add(op.Len)
	return true
}

func (w *partBuilder) copyExtents(op delta.Op) error {
	for e, err := range tree.Extents(w.basis, op.Src, op.Len) {
		off := op.Off + e.Off - op.Src
		switch {
		case err != nil:
			return err
		case e.Hole && !w.again:
			w.note(&w.holes) // a new file has one there already
			w.zeros(e.Len)
			continue
		case e.Len >= allocateFrom && tree.Allocate(w.file, off, e.Len):
			w.note(&w.allocated)
		}
		if err := w.copyExtent(off, e.Off, e.Len); err != nil {
			return err
		}
	}
	return nil
}

func (w *partBuilder) note(fact *bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*fact = true
}

// copyExtent copies n bytes of the basis from src to off, and digests what it
// wrote. What changes in the basis meanwhile does so before or behind both.
func (w *partBuilder) copyExtent(off, src, n int64) error {
	stats := &w.k.stats.Stats
	if w.hash == nil {
		return w.k.copier.CopyRange(w.file, off, w.basis, src, n, stats)
	}
	if shared, err := w.k.copier.Share(w.file, off, w.basis, src, n, stats); err != nil {
		return err
	} else if shared {
		_, err := w.digest(w.file, off, n)
		return err
	}
	for n > 0 {
		buf := w.buf[:min(n, int64(len(w.buf))-off%int64(len(w.buf)))]
		m, err := w.basis.ReadAt(buf, src)
		if m < len(buf) {
			return err
		}
		w.hash.Write(buf)
		if err := w.write(buf, off); err != nil {
			return err
		}
		stats.User.Add(int64(m))
		off, src, n = off+int64(m), src+int64(m), n-int64(m)
	}
	return nil
}

func (w *partBuilder) write(buf []byte, off int64) error {
	w.writing.Lock()
	defer w.writing.Unlock()
	_, err := w.file.WriteAt(buf, off)
	return err
}

// digest hashes n bytes of f from off, and returns how many were there.
func (w *partBuilder) digest(f *tree.File, off, n int64) (done int64, err error) {
	for done < n && err == nil {
		var m int
		m, err = f.ReadAt(w.buf[:min(n-done, int64(len(w.buf)))], off+done)
		w.hash.Write(w.buf[:m])
		w.k.stats.Hash.Add(int64(m))
		done += int64(m)
	}
	if done == n {
		err = nil
	}
	return done, err
}

// zeros hashes the n zeros of a hole.
func (w *partBuilder) zeros(n int64) {
	if w.hash == nil {
		return
	}
	clear(w.buf)
	for n > 0 {
		m := min(n, int64(len(w.buf)))
		w.hash.Write(w.buf[:m])
		n -= m
	}
}
