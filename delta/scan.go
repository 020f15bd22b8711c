package delta

import (
	"bytes"
	"context"
	"io"
)

const (
	// A wrong candidate, equal in the weak sum only, costs a strong sum of a
	// whole block. By chance about (size of the signed file / 4 GiB) bytes are
	// hashed so for each byte that is searched; a hostile file can make it a block
	// for each byte. So a span gets a budget, in bytes hashed for each byte of it;
	// behind it, a candidate is tried once in a block's length.
	wrongBudget     = 64 // for XXH3, 20 to 40 times faster than the others
	wrongBudgetSlow = 8
)

// run is a row of matches: count blocks of the signature from number block,
// found one behind the other from offset off of the searched file.
type run struct {
	off          int64
	block, count uint32
}

// scanner finds the blocks of a signature in a file. It knows neither which of
// the two is the new file nor what became of the spans before, so its result
// for a span depends on nothing else.
type scanner struct {
	*index
	window *window
	strong *strong
	alone  bool // the strong sum may be tried before the weak one
	size   int64
	// show, if not nil, gets the matches that start at off with block, and their
	// bytes, while the window has them.
	show func(off int64, block int, data []byte)

	shown  int64 // up to where the last run was shown
	runs   []run
	last   int   // block of the last match, -1 for none
	budget int64 // bytes that may still be hashed for wrong candidates
	next   int64 // no candidate before it, once the budget is spent

	sweep sweep
}

// scanFile walks over parts of the file and calls merge with each span's runs in order.
func scanFile(ctx context.Context, ix *index, file io.ReaderAt, size int64, parts []span, o *Options,
	show func(off int64, block int, data []byte), merge func(span, []run) error) error {
	walk := pass[[]run]{
		file: file, size: size, parts: parts, block: int(ix.block), opts: o, merge: merge,
		need: 3*int(ix.block) + batch,
		worker: func(w *window) func(span) ([]run, error) {
			s := &scanner{index: ix, window: w, strong: newStrong(ix.params), alone: ix.params.alone(), size: size, show: show}
			return s.span
		},
	}
	return walk.run(ctx)
}

// span returns the matches that start in sp.
func (s *scanner) span(sp span) ([]run, error) {
	s.window.start(sp, min(sp.end+s.block+int64(s.short), s.size))
	s.runs, s.last, s.next = nil, -1, 0
	s.budget = (sp.end - sp.off) * wrongBudgetSlow
	if s.alone {
		s.budget = (sp.end - sp.off) * wrongBudget
	}
	err := s.search(sp)
	s.showLast()
	if err != nil {
		return nil, err
	}
	return s.runs, s.window.drain(sp.end)
}

// search alternates between striding over matches and rolling to the next one.
func (s *scanner) search(sp span) error {
	p := sp.off
	for s.full > 0 {
		var err error
		if p, err = s.stride(p, sp.end); err != nil {
			return err
		}
		last := min(sp.end-1, s.size-s.block) // where a match could still start
		if p > last {
			break
		}
		var block int
		if p, block, err = s.roll(p, last); err != nil {
			return err
		}
		if block < 0 {
			break
		}
		s.found(p, block)
		p += s.block
	}
	return s.tail(p, sp)
}

// found records a match.
func (s *scanner) found(off int64, block int) {
	s.last = block
	if k := len(s.runs) - 1; k >= 0 {
		r := &s.runs[k]
		if int(r.block+r.count) == block && r.off+int64(r.count)*s.block == off {
			r.count++
			return
		}
	}
	s.showLast()
	s.shown = off
	s.runs = append(s.runs, run{off: off, block: uint32(block), count: 1})
}

// showLast shows what was found of the last run since the last time.
func (s *scanner) showLast() {
	if s.show == nil || len(s.runs) == 0 {
		return
	}
	r := s.runs[len(s.runs)-1]
	off, n := s.Block(int(r.block + r.count - 1))
	first, _ := s.Block(int(r.block))
	if end := r.off + off + int64(n) - first; end > s.shown {
		block := int(r.block) + int((s.shown-r.off)/s.block)
		s.show(s.shown, block, s.window.held(s.shown, end))
		s.shown = end
	}
}

// at returns n bytes from off. Before the window forgets matches it shows them.
func (s *scanner) at(off int64, n int) ([]byte, error) {
	if !s.window.has(off, n) {
		s.showLast()
	}
	return s.window.at(off, n)
}

// stride takes matches for as long as each starts where the one before ended,
// and returns where the first one does not.
func (s *scanner) stride(p, end int64) (int64, error) {
	for {
		if s.last == s.full-1 && s.short > 0 && p >= end {
			// The next span would not know that the short block is due.
			return s.strideShort(p)
		}
		if p >= end {
			return p, nil
		}
		n, err := s.step(p, end)
		if err != nil || n == 0 {
			return p, err
		}
		p += n
	}
}

// step returns the length of the match at p, including an edited block before
// it, or 0.
func (s *scanner) step(p, end int64) (int64, error) {
	if p+s.block <= s.size {
		if n, err := s.expected(p, end); n > 0 || err != nil {
			return n, err
		}
		data, err := s.at(p, int(s.block))
		if err != nil {
			return 0, err
		}
		if weak := weakSum(data); s.filter.has(weak) {
			if block := s.lookup(p, weak, data); block >= 0 {
				s.found(p, block)
				return s.block, nil
			}
		}
	}
	if s.last == s.full-1 && s.short > 0 {
		q, err := s.strideShort(p)
		return q - p, err
	}
	return 0, nil
}

// expected tries the block that follows the last match at p. If it is not there
// it tries the one behind it a block further on: most edits keep the length, and
// a match that starts between the two could not be used along with the second.
func (s *scanner) expected(p, end int64) (int64, error) {
	next := s.last + 1
	if s.last < 0 || next >= s.full {
		return 0, nil
	}
	data, err := s.at(p, int(s.block))
	if err != nil {
		return 0, err
	}
	if s.is(next, data) {
		s.found(p, next)
		return s.block, nil
	}
	if next+1 >= s.full || p+s.block >= end || p+2*s.block > s.size {
		return 0, nil
	}
	if data, err = s.at(p, 2*int(s.block)); err != nil {
		return 0, err
	}
	if s.is(next+1, data[s.block:]) {
		s.found(p+s.block, next+1)
		return 2 * s.block, nil
	}
	return 0, nil
}

// is reports whether data is that block.
func (s *scanner) is(block int, data []byte) bool {
	if !s.alone && weakSum(data) != s.weak[block] {
		return false
	}
	return bytes.Equal(s.strong.sum(data), s.Strong(block))
}

// strideShort takes the short last block at p, if it is there, and returns the
// offset behind it.
func (s *scanner) strideShort(p int64) (int64, error) {
	if p+int64(s.short) > s.window.end {
		return p, nil
	}
	data, err := s.at(p, s.short)
	if err != nil {
		return p, err
	}
	if short := s.full; s.is(short, data) {
		s.found(p, short)
		p += int64(s.short)
	}
	return p, nil
}

// tail tries the short last block at the file's end.
func (s *scanner) tail(p int64, sp span) error {
	off := s.size - int64(s.short)
	if s.short == 0 || off < max(p, sp.off) || off >= sp.end {
		return nil
	}
	_, err := s.strideShort(off)
	return err
}

// roll searches the positions behind p up to last. It returns that of the first
// match and its block, or the position behind last and -1.
func (s *scanner) roll(p, last int64) (int64, int, error) {
	n := int(s.block)
	data, err := s.at(p, n)
	if err != nil {
		return p, -1, err
	}
	a, b := weakHalves(data)
	for p < last {
		m := int(min(batch, last-p))
		data, err := s.at(p, n+m)
		if err != nil {
			return p, -1, err
		}
		a, b = s.sweep.run(s.filter, data[:m], data[n:], uint32(n), a, b)
		for _, i := range s.sweep.passed(s.filter) {
			i := int(i)
			q := p + 1 + int64(i)
			if block := s.lookup(q, s.sweep.weak(i), data[i+1:i+1+n]); block >= 0 {
				return q, block, nil
			}
		}
		p += int64(m)
	}
	return last + 1, -1, nil
}

// lookup returns a block with the content of data, which lies at p and has that
// weak sum, or -1. Among equal blocks it takes the one at the same offset in the
// signed file, else the first.
func (s *scanner) lookup(p int64, weak uint32, data []byte) int {
	blocks := s.withWeak(weak)
	if len(blocks) == 0 || p < s.next {
		return -1
	}
	block, ok := s.withStrong(blocks, s.strong.sum(data))
	if !ok {
		s.budget -= s.block
		if s.budget < 0 {
			s.next = p + s.block
		}
		return -1
	}
	if here := s.index.at(p); here >= 0 && s.same(here, block) {
		return here
	}
	return block
}
