package delta

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// sign is Sign of bytes in memory.
func sign(t testing.TB, data []byte, p Params) *Signature {
	t.Helper()
	sig, err := Sign(context.Background(), bytes.NewReader(data), int64(len(data)), p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// searchFunc is one of the two directions.
type searchFunc func(t testing.TB, p Params, file, basis []byte, o Options) []Op

// sourceSearches searches the new file for blocks of the basis.
func sourceSearches(t testing.TB, p Params, file, basis []byte, o Options) []Op {
	t.Helper()
	var ops []Op
	err := Search(context.Background(), sign(t, basis, p), bytes.NewReader(file), int64(len(file)), o,
		func(op Op) error { ops = append(ops, op); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return ops
}

// sinkSearches searches the basis for blocks of the new file.
func sinkSearches(t testing.TB, p Params, file, basis []byte, o Options) []Op {
	t.Helper()
	var ops []Op
	err := SearchBasis(context.Background(), sign(t, file, p), bytes.NewReader(basis), int64(len(basis)), o,
		func(op Op) error { ops = append(ops, op); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return ops
}

// sinkLooksAhead is sinkSearches while the signature comes, a few blocks at a time.
func sinkLooksAhead(t testing.TB, p Params, file, basis []byte, o Options) []Op {
	t.Helper()
	sig := sign(t, file, p)
	s := NewBasisSearch(sig, bytes.NewReader(basis), int64(len(basis)), o)
	for n := 1 + sig.Blocks()/9; n < sig.Blocks(); n += 1 + sig.Blocks()/9 {
		if err := s.Ahead(context.Background(), n); err != nil {
			t.Fatal(err)
		}
	}
	var ops []Op
	if err := s.Finish(context.Background(), func(op Op) error { ops = append(ops, op); return nil }); err != nil {
		t.Fatal(err)
	}
	return ops
}

// sourceLooksAhead is sourceSearches while the signature comes.
func sourceLooksAhead(t testing.TB, p Params, file, basis []byte, o Options) []Op {
	t.Helper()
	var passes [2][]Op // of Ahead, and of Finish
	at := 0
	sig := sign(t, basis, p)
	s := NewFileSearch(sig, bytes.NewReader(file), int64(len(file)), o, func(op Op) error {
		passes[at] = append(passes[at], op)
		return nil
	})
	for n := 1 + sig.Blocks()/9; n < sig.Blocks(); n += 1 + sig.Blocks()/9 {
		if err := s.Ahead(context.Background(), n); err != nil {
			t.Fatal(err)
		}
	}
	at = 1
	if err := s.Finish(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i, ops := range passes {
		if !slices.IsSortedFunc(ops, byOffset) || i == 0 && slices.ContainsFunc(ops, func(op Op) bool { return op.Kind != Copy }) {
			t.Fatalf("pass %d: %+v", i, ops)
		}
	}
	ops := append(passes[0], passes[1]...)
	slices.SortFunc(ops, byOffset)
	var joined []Op
	e := emitter{emit: func(op Op) error { joined = append(joined, op); return nil }}
	for _, op := range ops {
		if op.Off != e.off {
			t.Fatalf("%+v does not follow %d bytes", op, e.off)
		}
		e.add(op.Kind, op.Src, op.Len)
	}
	e.flush()
	return joined
}

func byOffset(x, y Op) int { return cmp.Compare(x.Off, y.Off) }

var directions = map[string]searchFunc{
	"source": sourceSearches, "source ahead": sourceLooksAhead, "sink": sinkSearches, "sink ahead": sinkLooksAhead,
}

// apply makes the new file from the ops, and fails unless they cover it once, in
// order, joined, and with ranges that exist.
func apply(ops []Op, file, basis []byte) ([]byte, error) {
	var out []byte
	for i, op := range ops {
		if op.Off != int64(len(out)) || op.Len <= 0 || op.Off+op.Len > int64(len(file)) {
			return nil, fmt.Errorf("op %d: %+v does not follow %d bytes", i, op, len(out))
		}
		switch op.Kind {
		case Literal:
			out = append(out, file[op.Off:op.Off+op.Len]...)
			if i > 0 && ops[i-1].Kind == Literal {
				return nil, fmt.Errorf("op %d: two literals in a row", i)
			}
		case Copy:
			if op.Src < 0 || op.Src+op.Len > int64(len(basis)) {
				return nil, fmt.Errorf("op %d: %+v is outside of a basis of %d", i, op, len(basis))
			}
			out = append(out, basis[op.Src:op.Src+op.Len]...)
			if i > 0 && ops[i-1].Kind == Copy && ops[i-1].Src+ops[i-1].Len == op.Src {
				return nil, fmt.Errorf("op %d: two copies could be one", i)
			}
		}
	}
	return out, nil
}

// applyInPlace does the ops on a copy of the basis itself, as --inplace does.
func applyInPlace(ops []Op, file, basis []byte) []byte {
	out := append(slices.Clone(basis), make([]byte, max(0, len(file)-len(basis)))...)
	for _, op := range ops {
		from := file[op.Off : op.Off+op.Len]
		if op.Kind == Copy {
			from = out[op.Src : op.Src+op.Len]
		}
		copy(out[op.Off:], from)
	}
	return out[:len(file)]
}

// literals adds up the literal bytes.
func literals(ops []Op) (n int64) {
	for _, op := range ops {
		if op.Kind == Literal {
			n += op.Len
		}
	}
	return n
}

func randomBytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	r.Read(b)
	return b
}

// drawBasis draws content of a size near a block boundary: random, of few
// letters, of zeros, or of repeated blocks.
func drawBasis(t *rapid.T, block int) []byte {
	size := block*rapid.IntRange(0, 40).Draw(t, "blocks") + rapid.IntRange(-1, 1).Draw(t, "delta")
	size = max(0, size+rapid.SampledFrom([]int{0, 0, block / 2}).Draw(t, "half"))
	data := randomBytes(uint64(rapid.IntRange(0, 999).Draw(t, "content")), size)
	switch rapid.SampledFrom([]string{"random", "letters", "zeros", "blocks", "two"}).Draw(t, "kind") {
	case "letters":
		for i := range data {
			data[i] &= 1
		}
	case "zeros":
		clear(data)
	case "blocks":
		for i := block; i < size; i++ {
			data[i] = data[i-block]
		}
	case "two":
		for i := 2 * block; i < size; i++ {
			data[i] = data[i-2*block]
		}
	}
	return data
}

// drawEdits draws a new file: the basis with bytes changed, inserted, removed,
// moved and repeated.
func drawEdits(t *rapid.T, basis []byte) []byte {
	file := slices.Clone(basis)
	for range rapid.IntRange(0, 5).Draw(t, "edits") {
		at := rapid.IntRange(0, len(file)).Draw(t, "at")
		n := rapid.IntRange(0, min(400, len(file)-at)).Draw(t, "n")
		part := slices.Clone(file[at : at+n])
		switch rapid.SampledFrom([]string{"change", "insert", "remove", "move", "repeat"}).Draw(t, "edit") {
		case "change":
			for i := range part {
				file[at+i] ^= 0x55
			}
		case "insert":
			file = slices.Insert(file, at, randomBytes(uint64(at), n)...)
		case "remove":
			file = slices.Delete(file, at, at+n)
		case "move":
			file = slices.Delete(file, at, at+n)
			file = slices.Insert(file, rapid.IntRange(0, len(file)).Draw(t, "to"), part...)
		case "repeat":
			file = slices.Insert(file, at, bytes.Repeat(part, 3)...)
		}
	}
	return file
}

func drawParams(t *rapid.T) Params {
	p := Params{
		Block:     rapid.SampledFrom([]int{64, 65, 100, 128, 700}).Draw(t, "block"),
		Strong:    Algorithm(rapid.IntRange(0, int(algorithms)-1).Draw(t, "strong")),
		Seed:      rapid.Int32().Draw(t, "seed"),
		SeedFirst: rapid.Bool().Draw(t, "seed first"),
	}
	p.StrongLen = rapid.IntRange(4, p.Strong.Size()).Draw(t, "strong length")
	return p
}

func TestOpsMakeTheNewFile(t *testing.T) {
	for name, search := range directions {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				p := drawParams(rt)
				basis := drawBasis(rt, p.Block)
				file := drawEdits(rt, basis)
				o := Options{InPlace: rapid.Bool().Draw(rt, "in place")}
				o.span = int64(rapid.SampledFrom([]int{0, 512, 1000, 4096}).Draw(rt, "span"))
				ops := search(t, p, file, basis, o)
				for _, o.Workers = range []int{1, 2, 3, 8} {
					if again := search(t, p, file, basis, o); !slices.Equal(ops, again) {
						rt.Fatalf("%d workers find %+v instead of %+v", o.Workers, again, ops)
					}
				}
				got, err := apply(ops, file, basis)
				if err != nil || !bytes.Equal(got, file) {
					rt.Fatalf("wrong file from %+v: %v", ops, err)
				}
				if o.InPlace && !bytes.Equal(applyInPlace(ops, file, basis), file) {
					rt.Fatalf("wrong file in place from %+v", ops)
				}
			})
		})
	}
}

// TestTakenBlocksAreTheNewFiles takes some of what is found, at random, and puts
// the file together of that and of the ops.
func TestTakenBlocksAreTheNewFiles(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawParams(rt)
		basis := drawBasis(rt, p.Block)
		file := drawEdits(rt, basis)
		refused := rapid.Int64Range(1, 4).Draw(rt, "refused") // one in as many blocks; 1: all
		var mu sync.Mutex
		var wrong string
		out, had := make([]byte, len(file)), make([]bool, len(file))
		o := Options{Workers: rapid.IntRange(1, 3).Draw(rt, "workers")}
		o.span = int64(rapid.SampledFrom([]int{0, 512, 1000, 4096}).Draw(rt, "span"))
		o.Take = func(op Op, data []byte) bool {
			mu.Lock()
			defer mu.Unlock()
			if int64(len(data)) != op.Len || !bytes.Equal(data, basis[op.Src:op.Src+op.Len]) {
				wrong = fmt.Sprintf("other bytes than those of %+v", op)
			}
			if op.Off/int64(p.Block)%refused == 0 {
				return false
			}
			for i := range op.Len {
				if had[op.Off+i] {
					wrong = fmt.Sprintf("byte %d is taken twice", op.Off+i)
				}
				had[op.Off+i] = true
			}
			copy(out[op.Off:], data)
			return true
		}
		search := sinkSearches
		if rapid.Bool().Draw(rt, "ahead") {
			search = sinkLooksAhead
		}
		ops := search(t, p, file, basis, o)
		for _, op := range ops {
			for i := op.Off; i < op.Off+op.Len; i++ {
				if had[i] != (op.Kind == Taken) {
					rt.Fatalf("byte %d: taken %v, and it is a %v", i, had[i], op.Kind)
				}
				switch op.Kind {
				case Literal:
					out[i] = file[i]
				case Copy:
					out[i] = basis[op.Src+i-op.Off]
				}
			}
		}
		if wrong != "" || !bytes.Equal(out, file) {
			rt.Fatalf("wrong file from %+v: %s", ops, wrong)
		}
	})
}
