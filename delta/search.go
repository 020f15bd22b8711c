package delta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Search finds the blocks of a basis, given by its signature, in the first size
// bytes of file, the new file: the source searches. It calls emit with the ops
// that make the new file, in order, on the caller's goroutine; emit's error ends
// the search and is returned. Memory does not grow with the file.
//
// A failed search may have emitted ops; those are correct, but not all.
func Search(ctx context.Context, sig *Signature, file io.ReaderAt, size int64, o Options, emit func(Op) error) error {
	return NewFileSearch(sig, file, size, o, emit).Finish(ctx)
}

// A FileSearch is a [Search] for a signature that is still on its way. Ahead emits what
// it finds, copies in the order of the file, and Finish the ops that cover what lies
// between, in order too; together they cover the file once, and neighbours of two calls
// may be such as could be one. It is for one goroutine at a time, and remembers what lies
// between.
type FileSearch struct {
	sig   *Signature
	file  io.ReaderAt
	size  int64
	opts  Options
	ahead ahead
	gaps  []span // what Finish looks for; of Ahead, what it has passed by
	m     merger
}

// NewFileSearch begins a search of the first size bytes of file.
func NewFileSearch(sig *Signature, file io.ReaderAt, size int64, o Options, emit func(Op) error) *FileSearch {
	s := &FileSearch{sig: sig, file: file, size: size, opts: o}
	s.m = merger{opts: &s.opts, last: -1, out: emitter{emit: emit}}
	s.ahead.lost = o.InPlace || o.Whole != nil
	return s
}

// Ahead looks for the blocks before the given one, whose sums are there, in the part of
// the file that follows what was found last, and emits copies of several blocks that it
// finds. It may be called any number of times before Finish, or never. It gives up on
// files that have moved too much. With InPlace or Whole it does nothing.
func (s *FileSearch) Ahead(ctx context.Context, blocks int) error {
	part, ok := s.ahead.next(s.sig, blocks, s.size)
	if !ok {
		return nil
	}
	ix := part.index(s.sig)
	defer ix.release()
	s.m.use(ix)
	s.m.end = s.size
	s.m.pass = func(off int64) error {
		s.gaps = append(s.gaps, span{s.m.out.off, off})
		return s.m.out.skip(off)
	}
	seen := part.area[0].off
	err := scanFile(ctx, ix, s.file, s.size, part.area, &s.opts, nil, func(sp span, runs []run) error {
		seen = sp.end
		err := s.m.merge(sp, slices.DeleteFunc(runs, func(r run) bool {
			follows := r.off == s.m.out.off && s.m.last >= 0 && int(r.block) == s.m.last+1
			return r.count < aheadSure && !follows
		}))
		if err == nil && s.m.last == ix.full-1 {
			err = errAllFound // or what of them is there was passed by
		}
		return err
	})
	if err == nil || errors.Is(err, errAllFound) || errors.Is(err, ErrNothingInCommon) {
		err = s.m.out.flush()
	}
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	if at := s.m.out.off; at > part.area[0].off {
		s.ahead.found(at, ix.origin+s.m.behind, s.m.copied)
	}
	s.m.copied = 0
	s.ahead.searched(part, seen)
	return nil
}

// Finish looks for what Ahead has not found, and emits the ops for it.
func (s *FileSearch) Finish(ctx context.Context) error {
	parts := s.gaps
	if off := s.m.out.off; off < s.size {
		parts = append(parts, span{off, s.size})
	}
	if len(parts) == 0 {
		return nil
	}
	ix := newIndex(s.sig)
	defer ix.release()
	s.m.use(ix)
	s.m.pass = func(off int64) error { return s.m.out.add(Literal, 0, off-s.m.out.off) }
	s.m.out.off = parts[0].off
	err := scanFile(ctx, ix, s.file, s.size, parts, &s.opts, nil, func(sp span, runs []run) error {
		for sp.off >= parts[0].end {
			if err := s.endGap(parts[0].end); err != nil {
				return err
			}
			parts = parts[1:]
			s.m.last, s.m.out.off = -1, parts[0].off
		}
		s.m.end = parts[0].end
		return s.m.merge(sp, runs)
	})
	if err == nil {
		err = s.endGap(parts[0].end)
	}
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	return nil
}

// endGap covers the rest of a gap.
func (s *FileSearch) endGap(end int64) error {
	if err := s.m.pass(end); err != nil {
		return err
	}
	return s.m.out.flush()
}

// merger turns the matches of the spans into ops. Where a match of one span
// reaches into the next, whose scanner did not know of it, matches overlap; the
// earlier one wins.
type merger struct {
	*index
	opts *Options
	out  emitter
	end  int64                 // of the part of the file that is to be covered
	pass func(off int64) error // covers what lies before off, where a match begins
	last int                   // block of the copy that ends at out.off, -1 for none
	any  bool

	behind int64 // in what is signed by the index, behind the last copy
	copied int64 // bytes
}

// use begins to merge matches of another index.
func (m *merger) use(ix *index) { m.index, m.last = ix, -1 }

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
// within what is covered, or ends in what was before.
func (m *merger) match(off int64, block int) error {
	if _, n := m.Block(block); off < m.out.off || off+int64(n) > m.end {
		return nil
	}
	if m.out.off < off {
		m.last = -1
	}
	block, ok := m.choose(off, block)
	if !ok {
		return nil
	}
	if m.out.off < off {
		if err := m.pass(off); err != nil {
			return err
		}
	}
	m.last = block
	src, n := m.Block(block)
	m.behind = src + int64(n)
	m.copied += int64(n)
	return m.out.add(Copy, m.origin+src, int64(n))
}

// choose picks among the equals of block the one to copy to off: that which
// continues the last copy, so that the two are one; else the one at the same
// offset, which a reflink or an in-place update is fond of; else the scanner's.
// In place the same offset comes first, and what is overwritten is out.
func (m *merger) choose(off int64, block int) (int, bool) {
	next, here := m.last+1, m.at(off)
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
