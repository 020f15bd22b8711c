package delta

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"
)

// join concatenates.
func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

// TestScenarios gives the most literal bytes that each edit may cost, for either
// direction and with whole blocks only.
func TestScenarios(t *testing.T) {
	const block = 1024
	p := Params{Block: block, Strong: XXH3128, StrongLen: 16}
	r := func(seed uint64, n int) []byte { return randomBytes(seed, n) }
	a, b, c := r(1, 10*block), r(2, 10*block), r(3, 10*block)
	zeros := make([]byte, 10*block)
	abc := join(a, b, c)
	short := join(a, r(4, 100))
	flip := slices.Clone(abc)
	flip[15*block] ^= 1
	for _, s := range []struct {
		name        string
		basis, file []byte
		literal     int64
	}{
		{"both empty", nil, nil, 0},
		{"empty basis", nil, a, 10 * block},
		{"empty file", a, nil, 0},
		{"equal", abc, abc, 0},
		{"equal with a short block", short, short, 0},
		{"only a short block", r(1, 100), r(1, 100), 0},
		{"short block before new bytes", short, join(short, r(5, 50)), 50},
		{"one byte flipped", abc, flip, block},
		{"one byte in front", abc, join([]byte{7}, abc), 1},
		{"one byte inserted", abc, join(a, []byte{7}, b, c), 1},
		{"one byte inserted in a block", abc, join(abc[:block/2], []byte{7}, abc[block/2:]), block + 1},
		{"one byte removed", abc, join(a[:10*block-1], b, c), block - 1},
		{"swapped", abc, join(c, b, a), 0},
		{"repeated", abc, join(a, a, b, b, c, a), 0},
		{"nothing in common", a, b, 10 * block},
		{"end cut", abc, abc[:15*block+5], 5},
		{"front cut", abc, abc[5:], block - 5},
		{"zeros", zeros, zeros, 0},
		{"zeros shifted", zeros, shifted(zeros), block},
		{"more zeros", zeros[:block], zeros, 0},
		{"fewer zeros", zeros, zeros[:block], 0},
	} {
		for name, search := range directions {
			ops := search(t, p, s.file, s.basis, Options{})
			got, err := apply(ops, s.file, s.basis)
			if err != nil || !bytes.Equal(got, s.file) {
				t.Fatalf("%s, %s: wrong file: %v", s.name, name, err)
			}
			limit := s.literal
			if name != "source" { // it cuts the new file into blocks, so bytes may drag a block along
				limit = (limit + 2*block - 2) / block * block
			}
			if n := literals(ops); n > limit {
				t.Errorf("%s, %s: %d literal bytes, want at most %d: %+v", s.name, name, n, limit, ops)
			}
		}
	}
}

// TestCopiesAreOfWholeBlocks checks what a dialect with block numbers relies on, and
// whoever verifies copies by the signature.
func TestCopiesAreOfWholeBlocks(t *testing.T) {
	p := Params{Block: 1000, Strong: MD5, StrongLen: 16}
	for _, basis := range [][]byte{randomBytes(1, 123_456), make([]byte, 123_456)} {
		for _, cut := range []int{0, 1, 999, 1000, 1001, 50_000} {
			o := Options{span: 8192}
			for _, op := range sourceSearches(t, p, basis[cut:], basis, o) {
				end := op.Src + op.Len
				if op.Kind == Copy && (op.Src%1000 != 0 || end%1000 != 0 && end != int64(len(basis))) {
					t.Errorf("%+v does not copy whole blocks", op)
				}
			}
		}
	}
}

// countingReader counts the bytes that are read.
type countingReader struct {
	io.ReaderAt
	n atomic.Int64
}

func (r *countingReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, off)
	r.n.Add(int64(n))
	return n, err
}

// TestAheadReadsOnce looks ahead in files that are alike, and in some that are not: the
// first are read about once in all, and of the others not much is searched in vain.
func TestAheadReadsOnce(t *testing.T) {
	const size = 6 * leastSpan
	basis := randomBytes(1, size)
	p := NativeParams(size, XXH3128)
	edited := slices.Clone(basis)
	for i := range 20 {
		edited[i*size/20+12345] ^= 1
	}
	for name, c := range map[string]struct {
		file    []byte
		read    int64 // at most
		literal int64 // as much as a search of all at once
	}{
		"the same":            {basis, size + 2*leastSpan, 0},
		"some edits":          {edited, size + 2*leastSpan, int64(20 * p.Block)},
		"a byte more":         {join([]byte("x"), basis), size + 2*leastSpan, int64(p.Block) + 1},
		"the halves swapped":  {join(basis[size/2:], basis[:size/2]), 2*size + 2*leastSpan, 0},
		"nothing in common":   {randomBytes(2, size), size + 3*leastSpan, size},
		"a half that is gone": {basis[size/2:], size + 3*leastSpan, 0},
	} {
		for _, direction := range []string{"sink", "source"} {
			literal := int64(0)
			count := func(op Op) error {
				if op.Kind == Literal {
					literal += op.Len
				}
				return nil
			}
			signed, searched := c.file, basis
			if direction == "source" {
				signed, searched = basis, c.file
			}
			sig := sign(t, signed, p)
			r := &countingReader{ReaderAt: bytes.NewReader(searched)}
			var ahead func(context.Context, int) error
			var finish func() error
			if direction == "sink" {
				s := NewBasisSearch(sig, r, int64(len(searched)), Options{})
				ahead, finish = s.Ahead, func() error { return s.Finish(context.Background(), count) }
			} else {
				s := NewFileSearch(sig, r, int64(len(searched)), Options{}, count)
				ahead, finish = s.Ahead, func() error { return s.Finish(context.Background()) }
			}
			for n := 1; n < sig.Blocks(); n += sig.Blocks() / 6 {
				if err := ahead(context.Background(), n); err != nil {
					t.Fatal(err)
				}
			}
			if err := finish(); err != nil || literal > c.literal || r.n.Load() > c.read {
				t.Errorf("%s, %s: %v, %d bytes of literals, %d read of %d; want at most %d and %d",
					direction, name, err, literal, r.n.Load(), len(searched), c.literal, c.read)
			}
		}
	}
}

// TestAheadReadsNoMoreThanItFinds has a signature of which each group begins with what
// follows in the file, and goes on with what is nowhere.
func TestAheadReadsNoMoreThanItFinds(t *testing.T) {
	const block, groups, some = 4096, 256, aheadSure
	p := Params{Block: block, Strong: XXH3128, StrongLen: 16}
	file := randomBytes(1, (groups*some+1)*block)
	of := sign(t, file, p)
	weak, strong := make([]uint32, groups*Group), randomBytes(7, groups*Group*16)
	for k := range groups {
		for i := range some {
			weak[k*Group+i] = of.Weak(k*some + i)
			copy(strong[(k*Group+i)*16:], of.Strong(k*some+i))
		}
	}
	sig, err := NewSignature(p, groups*Group*block, weak, strong)
	if err != nil {
		t.Fatal(err)
	}
	r := &countingReader{ReaderAt: bytes.NewReader(file)}
	s := NewFileSearch(sig, r, int64(len(file)), Options{}, func(Op) error { return nil })
	for k := 1; k <= groups; k++ {
		if err := s.Ahead(t.Context(), k*Group); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.n.Load(); n > 2*int64(len(file)) {
		t.Errorf("%d bytes were read of a file of %d", n, len(file))
	}
	if err := s.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestRepetitiveFilesMatch shifts files that repeat themselves by a byte: nearly
// everything must be found, across the seams too, in a few long copies.
func TestRepetitiveFilesMatch(t *testing.T) {
	const size = spanFile
	p := NativeParams(size, XXH3128)
	for name, basis := range map[string][]byte{
		"zeros":      make([]byte, size),
		"one block":  bytes.Repeat(randomBytes(1, p.Block), size/p.Block),
		"two blocks": bytes.Repeat(randomBytes(1, 2*p.Block), size/p.Block/2),
		"a pattern":  bytes.Repeat([]byte("abcdefg"), size/7),
	} {
		file := shifted(basis)
		for direction, search := range directions {
			ops := search(t, p, file, basis, Options{})
			if got, err := apply(ops, file, basis); err != nil || !bytes.Equal(got, file) {
				t.Fatalf("%s, %s: wrong file: %v", name, direction, err)
			}
			if n := literals(ops); n > int64(5*p.Block) || len(ops) > 20 {
				t.Errorf("%s, %s: %d ops, %d literal bytes", name, direction, len(ops), n)
			}
		}
	}
}

// TestManyWrongCandidatesStayLinear searches a file whose every position has the
// weak sum of a block, and none its content.
func TestManyWrongCandidatesStayLinear(t *testing.T) {
	const block, size = 4096, 1 << 20
	data := make([]byte, size)
	wrong := make([]byte, block) // sums to 0 like the zeros: 1 - 2 + 1 in a, and in b
	wrong[0], wrong[1], wrong[2] = 1, 0xfe, 1
	sig := sign(t, bytes.Repeat(wrong, 4), Params{Block: block, Strong: XXH3128, StrongLen: 16})
	if sig.Weak(0) != 0 {
		t.Fatalf("weak sum %#x, want 0", sig.Weak(0))
	}
	ix := newIndex(sig)
	s := &scanner{index: ix, size: size, strong: newStrong(sig.params), alone: true,
		window: newWindow(context.Background(), bytes.NewReader(data), size, 3*block+batch, nil)}
	defer s.window.release()
	if runs, err := s.span(span{0, size}); len(runs) > 0 || err != nil {
		t.Fatalf("%v, %v", runs, err)
	}
	// Within the budget, then once in a block.
	if s.budget >= 0 || s.budget < -size-block {
		t.Errorf("a budget of %d bytes is overdrawn to %d", int64(wrongBudget*size), s.budget)
	}
}

// TestEqualWeakSums has many blocks of one weak sum and different contents.
func TestEqualWeakSums(t *testing.T) {
	const block, blocks = 128, 1000
	basis := make([]byte, blocks*block)
	for i := range blocks { // at off, 1 - 2 + 1 adds nothing to either half
		part := basis[i*block:][:block]
		for bit := range 10 {
			if i>>bit&1 == 1 {
				part[8*bit], part[8*bit+1], part[8*bit+2] = 1, 0xfe, 1
			}
		}
	}
	p := Params{Block: block, Strong: XXH3128, StrongLen: 16}
	ix := newIndex(sign(t, basis, p))
	if n := len(ix.withWeak(0)); n != blocks {
		t.Fatalf("%d blocks with the weak sum 0, want %d", n, blocks)
	}
	var file []byte
	for i := blocks - 1; i >= 0; i-- {
		file = append(file, basis[i*block:][:block]...)
	}
	for name, search := range directions {
		ops := search(t, p, file, basis, Options{})
		if got, err := apply(ops, file, basis); err != nil || !bytes.Equal(got, file) || literals(ops) > 0 {
			t.Errorf("%s: %d literal bytes, %v", name, literals(ops), err)
		}
	}
}

func TestGiveUp(t *testing.T) {
	p := NativeParams(0, XXH3128)
	basis, file := randomBytes(1, 20*p.Block), randomBytes(2, 40*p.Block)
	late := join(file[:30*p.Block], basis)
	for _, c := range []struct {
		name   string
		file   []byte
		giveUp int64
		want   error
	}{
		{"off", file, 0, nil},
		{"nothing", file, 1, ErrNothingInCommon},
		{"nothing in just enough", file, int64(len(file)), ErrNothingInCommon},
		{"nothing in too little", file, int64(len(file)) + 1, nil},
		{"a late match", late, int64(len(late)), nil},
		{"a match too late", late, int64(10 * p.Block), ErrNothingInCommon},
	} {
		for _, workers := range []int{1, 3} {
			o := Options{Workers: workers, GiveUp: c.giveUp, span: int64(4 * p.Block)}
			ignore := func(Op) error { return nil }
			ctx, searched := context.Background(), bytes.NewReader(c.file)
			sig := sign(t, basis, p)
			if err := Search(ctx, sig, searched, searched.Size(), o, ignore); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", c.name, err)
			}
			if err := SearchBasis(ctx, sig, searched, searched.Size(), o, ignore); !errors.Is(err, c.want) {
				t.Errorf("%s, sink: %v", c.name, err)
			}
		}
	}
}

func TestEmitErrorEndsTheSearch(t *testing.T) {
	p := NativeParams(0, XXH3128)
	basis := randomBytes(1, 20*p.Block)
	file := join(basis[5*p.Block:], []byte("x"), basis[:5*p.Block])
	for _, workers := range []int{1, 3} {
		for fail := range 3 {
			calls := 0
			emit := func(Op) error {
				if calls == fail {
					return errDisk
				}
				calls++
				return nil
			}
			o := Options{Workers: workers, span: int64(2 * p.Block)}
			err := Search(context.Background(), sign(t, basis, p), bytes.NewReader(file), int64(len(file)), o, emit)
			if !errors.Is(err, errDisk) || calls != fail {
				t.Errorf("search: %d calls, %v", calls, err)
			}
			if fail == 2 {
				continue // the sink has two ops only
			}
			calls = 0
			err = SearchBasis(context.Background(), sign(t, file, p), bytes.NewReader(basis), int64(len(basis)), o, emit)
			if !errors.Is(err, errDisk) || calls != fail {
				t.Errorf("search basis: %d calls, %v", calls, err)
			}
		}
	}
}

// TestInPlaceUsesWhatIsStillThere inserts and removes a block at the front: after
// the insertion nothing may be copied up, after the removal everything may be.
func TestInPlaceUsesWhatIsStillThere(t *testing.T) {
	p := NativeParams(0, XXH3128)
	basis := randomBytes(1, 50*p.Block)
	inserted := join(randomBytes(2, p.Block), basis)
	removed := basis[p.Block:]
	for name, search := range directions {
		o := Options{InPlace: true}
		if n := literals(search(t, p, inserted, basis, o)); n != int64(len(inserted)) {
			t.Errorf("%s, inserted: %d literal bytes, want all %d", name, n, len(inserted))
		}
		ops := search(t, p, removed, basis, o)
		if n := literals(ops); n != 0 || !bytes.Equal(applyInPlace(ops, removed, basis), removed) {
			t.Errorf("%s, removed: %d literal bytes", name, n)
		}
	}
}

// FuzzSearch lets the fuzzer choose both files; the first bytes choose the
// parameters.
func FuzzSearch(f *testing.F) {
	basis := randomBytes(1, 1000)
	f.Add(uint16(0), uint16(0), basis, join(basis[100:], basis[:100]))
	f.Fuzz(func(t *testing.T, blockBits, flags uint16, file, basis []byte) {
		p := Params{Block: MinBlock + int(blockBits%200), Strong: Algorithm(flags % uint16(algorithms)), StrongLen: 8}
		o := Options{InPlace: flags&512 != 0, Workers: 1 + int(flags>>10&3), span: 300}
		for name, search := range directions {
			ops := search(t, p, file, basis, o)
			got, err := apply(ops, file, basis)
			if err != nil || !bytes.Equal(got, file) {
				t.Fatalf("%s: wrong file: %v", name, err)
			}
			if o.InPlace && !bytes.Equal(applyInPlace(ops, file, basis), file) {
				t.Fatalf("%s: wrong file in place", name)
			}
		}
	})
}

// TestSpanSize pins where spans begin, which results depend on.
func TestSpanSize(t *testing.T) {
	for block, want := range map[int]int64{
		MinBlock: leastSpan, 128 << 10: leastSpan, 128<<10 + 1: 2 * leastSpan, 1 << 20: 8 * leastSpan,
	} {
		if got := spanSize(block); got != want {
			t.Errorf("spanSize(%d) = %d, want %d", block, got, want)
		}
	}
}
