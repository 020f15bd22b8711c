package delta

import (
	"context"
	"fmt"
	"io"
)

// Search finds the blocks of a basis, given by its signature, in the first size
// bytes of file, the new file: the source searches. It calls emit with the ops
// that make the new file, in order, on the caller's goroutine; emit's error ends
// the search and is returned. Memory does not grow with the file.
//
// A failed search may have emitted ops; those are correct, but not all.
func Search(ctx context.Context, sig *Signature, file io.ReaderAt, size int64, o Options, emit func(Op) error) error {
	ix := newIndex(sig)
	defer ix.release()
	m := merger{index: ix, opts: &o, last: -1, out: emitter{emit: emit}}
	err := scanFile(ctx, ix, file, size, []span{{0, size}}, &o, nil, m.merge)
	if err == nil {
		err = m.finish(size)
	}
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	return nil
}

// merger turns the matches of the spans into ops. Where a match of one span
// reaches into the next, whose scanner did not know of it, matches overlap; the
// earlier one wins.
type merger struct {
	*index
	opts *Options
	out  emitter
	last int // block of the copy that ends at out.off, -1 for none
	any  bool
}

func (m *merger) merge(sp span, runs []run) error {
	for _, r := range runs {
		for i := range r.count {
			if err := m.match(r.off+int64(i)*m.block, int(r.block+i)); err != nil {
				return err
			}
		}
	}
	m.any = m.any || len(runs) > 0
	if g := m.opts.GiveUp; g > 0 && sp.end >= g && !m.any {
		return ErrNothingInCommon
	}
	return nil
}

// match covers the new file up to the end of a match at off, unless it begins
// within what is covered.
func (m *merger) match(off int64, block int) error {
	if off < m.out.off {
		return nil
	}
	if m.out.off < off {
		m.last = -1
	}
	block, ok := m.choose(off, block)
	if !ok {
		return nil
	}
	if err := m.out.add(Literal, 0, off-m.out.off); err != nil {
		return err
	}
	m.last = block
	src, n := m.Block(block)
	return m.out.add(Copy, src, int64(n))
}

// choose picks among the equals of block the one to copy to off: that which
// continues the last copy, so that the two are one; else the one at the same
// offset, which a reflink or an in-place update is fond of; else the scanner's.
// In place the same offset comes first, and what is overwritten is out.
func (m *merger) choose(off int64, block int) (int, bool) {
	next, here := m.last+1, -1
	if off%m.block == 0 && off/m.block < int64(len(m.weak)) {
		here = int(off / m.block)
	}
	if m.opts.InPlace {
		return m.chooseInPlace(off, block, next, here)
	}
	switch {
	case m.last >= 0 && next < len(m.weak) && m.same(next, block):
		return next, true
	case here >= 0 && m.same(here, block):
		return here, true
	}
	return block, true
}

func (m *merger) chooseInPlace(off int64, block, next, here int) (int, bool) {
	least := int((off + m.block - 1) / m.block) // first block not overwritten
	switch {
	case here >= 0 && m.same(here, block):
		return here, true
	case m.last >= 0 && next >= least && next < len(m.weak) && m.same(next, block):
		return next, true
	case block >= least:
		return block, true
	case block >= m.full: // the short block has no equals
		return 0, false
	}
	return m.sameFrom(block, least)
}

// finish covers the rest of the new file.
func (m *merger) finish(size int64) error {
	if err := m.out.add(Literal, 0, size-m.out.off); err != nil {
		return err
	}
	return m.out.flush()
}
