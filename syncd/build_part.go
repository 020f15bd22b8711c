package syncd

import (
	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// partBuilder is what a worker of a builder has of its own. Where nothing is
// checked, check and buf are nil.
type partBuilder struct {
	*builder
	check *checker
	buf   []byte
	shift int64 // from offsets of what was signed to those of the file, in the op at hand
}

// lost notes a range that is to be asked for.
func (w *partBuilder) lost(off, n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := len(w.bad) - 1; i >= 0 && w.bad[i].Off+w.bad[i].N == off {
		w.bad[i].N += n // a peer may have cut a file into pieces of a byte
		return
	}
	w.bad = append(w.bad, native.Range{Off: off, N: n})
}

// copyOp makes a copy, but for holes, and checks it.
func (w *partBuilder) copyOp(op delta.Op) {
	if w.check != nil {
		at := op.Off
		if w.ofBasis {
			at = op.Src
		}
		w.shift = op.Off - at
		w.check.start(at)
	}
	switch {
	case w.stop.Load() || w.k.aborted():
		w.lost(op.Off, op.Len)
	case w.made:
		if w.hash(w.file.File, op.Off, op.Len) != nil {
			w.lost(op.Off, op.Len)
		}
	case w.copyExtents(op) != nil:
		w.lost(op.Off, op.Len)
	default:
		if w.check != nil && w.steady != nil {
			w.trust(op)
		}
		w.k.stats.Matched.Add(op.Len)
		w.behind.wrote(op.Off, op.Src, op.Len)
	}
}

// trust notes an op that was not checked.
func (w *partBuilder) trust(op delta.Op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := len(w.trusted) - 1; i >= 0 && w.trusted[i].Off+w.trusted[i].Len == op.Off && w.trusted[i].Src+w.trusted[i].Len == op.Src {
		w.trusted[i].Len += op.Len
		return
	}
	if w.many = w.many || len(w.trusted) == maxTrusted; w.many {
		w.trusted = nil
		return
	}
	w.trusted = append(w.trusted, op)
}

func (w *partBuilder) copyExtents(op delta.Op) error {
	for e, err := range tree.Extents(w.basis, op.Src, op.Len) {
		off := op.Off + e.Off - op.Src
		switch {
		case err != nil:
			return err
		case e.Hole && !w.again:
			w.noteHoles() // a new file has one there already
			w.zeros(e.Len)
			continue
		}
		w.allocate(off, e.Len)
		if err := w.copyExtent(off, e.Off, e.Len); err != nil {
			return err
		}
	}
	return nil
}

func (w *partBuilder) noteHoles() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holes = true
}

// copyExtent copies n bytes of the basis from src to off, and checks what it
// wrote. What changes in the basis meanwhile does so before or behind both.
func (w *partBuilder) copyExtent(off, src, n int64) error {
	stats := &w.k.stats.Stats
	switch {
	case w.check == nil:
		return w.inKernel(off, src, n)
	case w.steady != nil:
		w.check.skip(n)
		return w.inKernel(off, src, n)
	}
	if shared, err := w.k.copier.Share(w.file, off, w.basis, src, n, stats); err != nil {
		return err
	} else if shared {
		return w.hash(w.file.File, off, n)
	}
	for n > 0 {
		buf := w.buf[:min(n, int64(len(w.buf))-off%int64(len(w.buf)))]
		m, err := w.basis.ReadAt(buf, src)
		if m < len(buf) {
			return err
		}
		w.check.write(buf)
		if err := wire.WriteAt(w.file, buf, off); err != nil {
			return err
		}
		stats.User.Add(int64(m))
		off, src, n = off+int64(m), src+int64(m), n-int64(m)
	}
	return nil
}

func (w *partBuilder) allocate(off, n int64) {
	w.file.Lock()
	defer w.file.Unlock()
	w.room.allocate(off, n)
}

// inKernel takes the file's lock.
func (w *partBuilder) inKernel(off, src, n int64) error {
	return w.k.copier.CopyRange(w.file, off, w.basis, src, n, &w.k.stats.Stats)
}

// hash checks n bytes of f from off.
func (w *partBuilder) hash(f *tree.File, off, n int64) error {
	for n > 0 {
		buf := w.buf[:min(n, int64(len(w.buf)))]
		m, err := f.ReadAt(buf, off)
		w.k.stats.Hash.Add(int64(m))
		if m < len(buf) {
			return err
		}
		w.check.write(buf)
		off, n = off+int64(m), n-int64(m)
	}
	return nil
}

// zeros checks the n zeros of a hole.
func (w *partBuilder) zeros(n int64) {
	if w.check == nil {
		return
	}
	clear(w.buf)
	for n > 0 {
		m := min(n, int64(len(w.buf)))
		w.check.write(w.buf[:m])
		n -= m
	}
}
