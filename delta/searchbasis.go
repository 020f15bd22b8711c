package delta

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
)

// SearchBasis finds the blocks of a new file, given by its signature, in the
// first size bytes of basis: the sink searches. It calls emit with the ops that
// make the new file, in order, once the basis is read; emit's error ends it and
// is returned. Options.Take gets what is found before. It needs some 50 bytes for each
// block of the signature.
//
// Options.Whole is of the basis. Without it the search ends as soon as it has found
// every block.
func SearchBasis(ctx context.Context, sig *Signature, basis io.ReaderAt, size int64, o Options, emit func(Op) error) error {
	return NewBasisSearch(sig, basis, size, o).Finish(ctx, emit)
}

// A BasisSearch is a search of a basis for a signature that is still on its way: the
// parts of it that have come are looked for where they should be, and what was not
// found there everywhere, once all of it is known. It is for one goroutine at a time.
type BasisSearch struct {
	sig   *Signature
	basis io.ReaderAt
	size  int64
	opts  Options
	src   []int64       // block -> offset in the basis, or missing
	taken []atomic.Bool // blocks that Options.Take has had, or is offered; nil without it

	ahead ahead
	found []span // by Ahead: of the basis
}

// NewBasisSearch begins a search of the first size bytes of basis; see [SearchBasis].
func NewBasisSearch(sig *Signature, basis io.ReaderAt, size int64, o Options) *BasisSearch {
	s := &BasisSearch{sig: sig, basis: basis, size: size, opts: o, src: make([]int64, sig.Blocks())}
	for i := range s.src {
		s.src[i] = missing
	}
	if o.Take != nil {
		s.taken = make([]atomic.Bool, sig.Blocks())
	}
	s.ahead.lost = o.InPlace || o.Whole != nil
	return s
}

// Ahead looks for the blocks before the given one, whose sums are there, in the part of
// the basis that follows what was found last. It may be called any number of times
// before Finish, or never. It gives up on files that have moved too much. With InPlace or
// Whole it does nothing.
func (s *BasisSearch) Ahead(ctx context.Context, blocks int) error {
	part, ok := s.ahead.next(s.sig, blocks, s.size)
	if !ok {
		return nil
	}
	ix := part.index(s.sig)
	defer ix.release()
	f := s.finder(ix, part.from)
	seen := part.area[0].off
	err := scanFile(ctx, ix, s.basis, s.size, part.area, &s.opts, f.show, func(sp span, runs []run) error {
		seen = sp.end
		return f.merge(sp, runs)
	})
	if err != nil && !errors.Is(err, errAllFound) && !errors.Is(err, ErrNothingInCommon) {
		return fmt.Errorf("search basis: %w", err)
	}
	for i := part.from; i < part.to; i++ {
		if src := s.src[i]; src != missing {
			off, n := s.sig.Block(i)
			s.foundAt(src, src+int64(n))
			s.ahead.found(src+int64(n), off+int64(n), int64(n))
		}
	}
	s.ahead.searched(part, seen)
	return nil
}

// foundAt notes that a part of the basis has been found.
func (s *BasisSearch) foundAt(off, end int64) {
	if k := len(s.found) - 1; k >= 0 && s.found[k].end == off {
		s.found[k].end = end
		return
	}
	s.found = append(s.found, span{off, end})
}

// Finish looks for what is missing, and emits the ops.
func (s *BasisSearch) Finish(ctx context.Context, emit func(Op) error) error {
	f := s.finder(&index{Signature: s.sig}, 0)
	var err error
	if f.left > 0 || len(s.src) == 0 {
		ix := newIndex(s.sig)
		defer ix.release()
		f = s.finder(ix, 0)
		err = scanFile(ctx, ix, s.basis, s.size, s.rest(), &s.opts, f.show, f.merge)
	}
	if err == nil || errors.Is(err, errAllFound) {
		err = f.ops(emitter{emit: emit})
	}
	if err != nil {
		return fmt.Errorf("search basis: %w", err)
	}
	return nil
}

// rest returns what of the basis nothing was found in, in order, or so little that it
// may hide the begin of something else.
func (s *BasisSearch) rest() (parts []span) {
	slices.SortFunc(s.found, func(a, b span) int { return cmp.Compare(a.off, b.off) })
	off, sure := int64(0), aheadSure*int64(s.sig.params.Block)
	for _, sp := range s.found {
		if sp.end-sp.off < sure {
			continue
		}
		if sp.off > off {
			parts = append(parts, span{off, sp.off})
		}
		off = max(off, sp.end)
	}
	if off < s.size {
		parts = append(parts, span{off, s.size})
	}
	return parts
}

// errAllFound ends a pass that cannot find more.
var errAllFound = errors.New("all blocks found")

// missing marks a block that has not been found.
const missing = -1

// finder notes where in the basis each block of an index is.
type finder struct {
	*index
	opts   *Options
	src    []int64  // block -> offset in the basis, or missing
	next   []uint32 // at a group's index in order: its first member that may be missing
	found  []int32  // there too: its member that others are copied from, or missing
	left   int      // blocks missing
	last   int      // block found last, -1 for none
	behind int64    // offset in the basis behind it
	any    bool     // the basis holds a block

	show  func(off int64, block int, data []byte) // offer, or nil
	taken []atomic.Bool                           // blocks that Options.Take has had, or is offered
}

// finder returns one for the blocks from number first on, of which some may be found.
func (s *BasisSearch) finder(ix *index, first int) *finder {
	n := ix.Blocks()
	f := &finder{index: ix, opts: &s.opts, src: s.src[first : first+n], last: -1, any: len(s.found) > 0}
	f.next = make([]uint32, ix.full)
	f.found = make([]int32, ix.full)
	for i := range f.next {
		f.next[i], f.found[i] = uint32(i), missing
	}
	for i, src := range f.src {
		if src == missing {
			f.left++
		} else if i < ix.full {
			f.found[f.group[i]] = int32(i)
		}
	}
	if s.taken != nil {
		f.taken = s.taken[first : first+n]
		f.show = f.offer
	}
	return f
}

// offer gives blocks that lie at off of the basis to Options.Take, but for those
// that it was given before.
func (f *finder) offer(off int64, block int, data []byte) {
	for len(data) > 0 {
		n := 0
		first := block
		for n < len(data) && f.taken[block].CompareAndSwap(false, true) {
			_, m := f.Block(block)
			n += m
			block++
		}
		if n > 0 {
			to, _ := f.Block(first)
			if !f.opts.Take(Op{Kind: Copy, Off: f.origin + to, Src: off, Len: int64(n)}, data[:n:n]) {
				for i := first; i < block; i++ {
					f.taken[i].Store(false)
				}
			}
		} else {
			_, n = f.Block(block)
			block++
		}
		off, data = off+int64(n), data[n:]
	}
}

func (f *finder) merge(sp span, runs []run) error {
	for _, r := range runs {
		for i := range r.count {
			f.match(r.off+int64(i)*f.block, int(r.block+i))
		}
	}
	f.any = f.any || len(runs) > 0
	if f.left == 0 && f.opts.Whole == nil {
		return errAllFound
	}
	if g := f.opts.GiveUp; g > 0 && sp.end >= g && !f.any {
		return ErrNothingInCommon
	}
	return nil
}

// match gives the content at off of the basis, that of block, to one of its
// equals that lacks it: the one that continues the last match, so that copies
// join; else the one at the same offset; else the first.
func (f *finder) match(off int64, block int) {
	if next := f.last + 1; f.last >= 0 && f.behind == off && next < len(f.weak) &&
		f.same(next, block) && f.take(next, off) {
		return
	}
	if here := f.at(off); here >= 0 && f.same(here, block) && f.take(here, off) {
		return
	}
	if block >= f.full {
		f.take(block, off)
		return
	}
	g := f.group[block]
	for k := f.next[g]; int(k) < f.full; k++ {
		member := int(f.order[k])
		if f.group[member] != g {
			break
		}
		f.next[g] = k
		if f.src[member] == missing {
			f.take(member, off)
			return
		}
	}
}

// take notes that block is at off of the basis, and reports whether it was
// missing and may be copied from there.
func (f *finder) take(block int, off int64) bool {
	if f.src[block] != missing || !f.allowed(block, off) {
		return false
	}
	_, n := f.Block(block)
	f.src[block] = off
	f.left--
	f.last, f.behind = block, off+int64(n)
	if block < f.full {
		// In place, what lies further back can be copied to more blocks.
		if g := f.group[block]; f.found[g] == missing || f.opts.InPlace && f.src[f.found[g]] < off {
			f.found[g] = int32(block)
		}
	}
	return true
}

// ops emits what was found. A missing block that has a found equal is copied
// from there: a basis may hold a content less often than the new file.
func (f *finder) ops(out emitter) error {
	via := missing // the found block whose place in the basis was copied last
	for i := range f.src {
		_, n := f.Block(i)
		via = f.via(i, via)
		var err error
		switch {
		case f.taken != nil && f.taken[i].Load():
			err = out.add(Taken, 0, int64(n))
		case via == missing:
			err = out.add(Literal, 0, int64(n))
		default:
			err = out.add(Copy, f.src[via], int64(n))
		}
		if err != nil {
			return err
		}
	}
	return out.flush()
}

// via returns the found block from whose place block i is copied: itself, the
// equal that continues the copy of the block last, the one kept for its group, or
// missing.
func (f *finder) via(i, last int) int {
	switch {
	case f.src[i] != missing:
		return i
	case i >= f.full:
		return missing
	}
	if next := last + 1; last != missing && next < f.full && f.same(next, i) &&
		f.src[next] == f.src[last]+f.block && f.allowed(i, f.src[next]) {
		return next
	}
	if k := int(f.found[f.group[i]]); k != missing && f.allowed(i, f.src[k]) {
		return k
	}
	return missing
}

// allowed reports whether block may be copied from off of the basis.
func (f *finder) allowed(block int, off int64) bool {
	return !f.opts.InPlace || off >= int64(block)*f.block
}
