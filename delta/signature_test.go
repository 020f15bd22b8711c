package delta

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"errors"
	"os"
	"testing"
)

var _ encoding.BinaryAppender = (*Signature)(nil)

// encoded returns the encoding of the signature of n random bytes.
func encoded(t testing.TB, n int, p Params) []byte {
	t.Helper()
	data, err := sign(t, randomBytes(1, n), p).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSignatureSurvivesEncoding(t *testing.T) {
	for _, p := range []Params{
		NativeParams(0, XXH3128),
		{Block: 700, Strong: MD5, StrongLen: 2, Seed: -5, SeedFirst: true},
		{Block: MinBlock, Strong: BLAKE3, StrongLen: 32, Seed: 1},
	} {
		for _, n := range []int{0, 1, p.Block - 1, p.Block, p.Block + 1, 10 * p.Block} {
			want := sign(t, randomBytes(1, n), p)
			data, err := want.AppendBinary([]byte("before"))
			if err != nil || !bytes.HasPrefix(data, []byte("before")) {
				t.Fatalf("%+v: %x, %v", p, data, err)
			}
			data = data[len("before"):]
			if l, err := EncodedLen(p, int64(n)); l != int64(len(data)) || err != nil {
				t.Errorf("%+v: EncodedLen %d, %v; want %d", p, l, err, len(data))
			}
			got, err := ParseSignature(data)
			if err != nil {
				t.Fatalf("%+v: %v", p, err)
			}
			if got.Params() != p || got.Size() != int64(n) || got.Blocks() != want.Blocks() {
				t.Fatalf("%+v of %d bytes: %+v, %d bytes, %d blocks", p, n, got.Params(), got.Size(), got.Blocks())
			}
			for i := range got.Blocks() {
				if got.Weak(i) != want.Weak(i) || !bytes.Equal(got.Strong(i), want.Strong(i)) {
					t.Fatalf("%+v: block %d differs", p, i)
				}
			}
		}
	}
}

// TestSignatureComesInPieces decodes a signature of several groups that is cut into
// pieces of any length, and uses what has come.
func TestSignatureComesInPieces(t *testing.T) {
	p := Params{Block: MinBlock, Strong: MD5, StrongLen: 3}
	size := int64(2*Group*MinBlock + 100)
	want := sign(t, randomBytes(1, int(size)), p)
	data, _ := want.AppendBinary(nil)
	if got := append(want.AppendGroups(nil, 0, Group), want.AppendGroups(nil, Group, want.Blocks())...); !bytes.Equal(got, data) {
		t.Error("the groups are not the encoding")
	}
	for _, step := range []int{1, 23, 24, 25, 1000, Group * 7, len(data) - 1, len(data)} {
		d, err := NewDecoder(p, size)
		if err != nil {
			t.Fatal(err)
		}
		if step%2 == 1 {
			d = NewAnyDecoder(int64(len(data)))
		}
		for off := 0; off < len(data); off += step {
			if d.Complete() {
				t.Fatalf("complete after %d of %d bytes", off, len(data))
			}
			if n, err := d.Write(data[off:min(off+step, len(data))]); n != min(step, len(data)-off) || err != nil {
				t.Fatalf("%d bytes at %d: %d, %v", step, off, n, err)
			}
			if n := d.Blocks(); n > 0 && !bytes.Equal(d.Signature().Strong(n-1), want.Strong(n-1)) {
				t.Fatalf("block %d is not there when it is said to be", n-1)
			}
		}
		if got, _ := d.Signature().AppendBinary(nil); !d.Complete() || !bytes.Equal(got, data) {
			t.Errorf("pieces of %d: complete %v, or another signature", step, d.Complete())
		}
		if _, err := d.Write([]byte{0}); !errors.Is(err, ErrSignature) {
			t.Errorf("a byte behind the end: %v", err)
		}
	}
	for name, other := range map[string]*Decoder{
		"size":   {sig: &Signature{params: p, size: size - 1, weak: want.weak, strong: want.strong}},
		"params": {sig: &Signature{params: Params{Block: MinBlock, Strong: MD5, StrongLen: 4}, size: size, weak: want.weak}},
	} {
		if _, err := other.Write(data); !errors.Is(err, ErrSignature) {
			t.Errorf("a signature of another %s: %v", name, err)
		}
	}
	d := NewAnyDecoder(int64(len(data)) - 1)
	if _, err := d.Write(data); !errors.Is(err, ErrSignature) || d.Signature() != nil {
		t.Errorf("a signature that is too long: %v", err)
	}
}

// TestPartIsOfItsBlocks holds parts of a signature against signatures of parts.
func TestPartIsOfItsBlocks(t *testing.T) {
	p := Params{Block: 100, Strong: XXH3128, StrongLen: 16}
	data := randomBytes(1, 1050)
	sig := sign(t, data, p)
	for _, r := range [][2]int{{0, 0}, {0, 11}, {3, 5}, {5, 11}, {10, 11}} {
		got, _ := sig.part(r[0], r[1]).AppendBinary(nil)
		want, _ := sign(t, data[100*r[0]:min(100*r[1], len(data))], p).AppendBinary(nil)
		if !bytes.Equal(got, want) {
			t.Errorf("blocks %d to %d: %x, want %x", r[0], r[1], got, want)
		}
	}
}

// TestEncodingIsPinned fails if the layout changes without its version.
func TestEncodingIsPinned(t *testing.T) {
	sig, err := NewSignature(Params{Block: 0x100, Strong: MD5, StrongLen: 2, Seed: -2, SeedFirst: true}, 0x101,
		[]uint32{0x04030201, 0x08070605}, []byte{0xa, 0xb, 0xc, 0xd})
	if err != nil {
		t.Fatal(err)
	}
	got, _ := sig.AppendBinary(nil)
	want := []byte{2, 4, 2, 1, 0xfe, 0xff, 0xff, 0xff, 0, 1, 0, 0, 2, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0,
		1, 2, 3, 4, 5, 6, 7, 8, 0xa, 0xb, 0xc, 0xd}
	if !bytes.Equal(got, want) {
		t.Errorf("encoded as\n%x, want\n%x", got, want)
	}
}

func TestParseSignatureRefuses(t *testing.T) {
	p := Params{Block: 1024, Strong: MD5, StrongLen: 16}
	le := binary.LittleEndian
	for name, spoil := range map[string]func([]byte) []byte{
		"nothing":               func(b []byte) []byte { return nil },
		"half a header":         func(b []byte) []byte { return b[:encodingHeader-1] },
		"a header alone":        func(b []byte) []byte { return b[:encodingHeader] },
		"a byte less":           func(b []byte) []byte { return b[:len(b)-1] },
		"a byte more":           func(b []byte) []byte { return append(b, 0) },
		"another version":       func(b []byte) []byte { b[0]++; return b },
		"an unknown hash":       func(b []byte) []byte { b[1] = 200; return b },
		"no strong sums":        func(b []byte) []byte { b[2] = 0; return b },
		"too long strong sums":  func(b []byte) []byte { b[2] = 17; return b },
		"shorter strong sums":   func(b []byte) []byte { b[2] = 15; return b },
		"an unknown flag":       func(b []byte) []byte { b[3] |= 2; return b },
		"a block of 0":          func(b []byte) []byte { le.PutUint32(b[8:], 0); return b },
		"a block too large":     func(b []byte) []byte { le.PutUint32(b[8:], MaxBlock+1); return b },
		"a block of 4 GiB":      func(b []byte) []byte { le.PutUint32(b[8:], 1<<32-1); return b },
		"another block size":    func(b []byte) []byte { le.PutUint32(b[8:], 512); return b },
		"a block more":          func(b []byte) []byte { b[12]++; return b },
		"a negative size":       func(b []byte) []byte { b[23] = 0x80; return b },
		"a size of 8 EiB":       func(b []byte) []byte { le.PutUint64(b[16:], 1<<63-1); return b },
		"a size a block larger": func(b []byte) []byte { le.PutUint64(b[16:], 4097); return b },
		"a claim without bytes": func(b []byte) []byte {
			le.PutUint32(b[12:], MaxBlocks)
			le.PutUint64(b[16:], 1024*MaxBlocks)
			return b
		},
	} {
		if sig, err := ParseSignature(spoil(encoded(t, 4096, p))); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v, %v", name, sig, err)
		}
	}
}

func TestNewSignatureRefuses(t *testing.T) {
	p := Params{Block: 1024, Strong: MD5, StrongLen: 2}
	for name, fn := range map[string]func() (*Signature, error){
		"a weak sum less":   func() (*Signature, error) { return NewSignature(p, 2048, make([]uint32, 1), make([]byte, 4)) },
		"a weak sum more":   func() (*Signature, error) { return NewSignature(p, 2048, make([]uint32, 3), make([]byte, 4)) },
		"a strong sum less": func() (*Signature, error) { return NewSignature(p, 2048, make([]uint32, 2), make([]byte, 2)) },
		"half a strong sum": func() (*Signature, error) { return NewSignature(p, 2048, make([]uint32, 2), make([]byte, 3)) },
	} {
		if _, err := fn(); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewSignature(Params{}, 0, nil, nil); !errors.Is(err, ErrParams) {
		t.Errorf("no params: %v", err)
	}
}

// FuzzParseSignature checks that whatever parses encodes to the same bytes, and
// can be searched with.
func FuzzParseSignature(f *testing.F) {
	f.Add(encoded(f, 5000, Params{Block: 1024, Strong: MD5, StrongLen: 2}))
	f.Fuzz(func(t *testing.T, data []byte) {
		sig, err := ParseSignature(data)
		if err != nil {
			return
		}
		again, err := sig.AppendBinary(nil)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x parses but encodes as %x, %v", data, again, err)
		}
		newIndex(sig).release()
		d := NewAnyDecoder(int64(len(data)))
		for _, b := range data {
			if _, err := d.Write([]byte{b}); err != nil {
				t.Fatalf("%x parses, but not in pieces: %v", data, err)
			}
		}
		if again, _ := d.Signature().AppendBinary(nil); !d.Complete() || !bytes.Equal(again, data) {
			t.Fatalf("%x is another signature in pieces: %x", data, again)
		}
	})
}

// TestFuzzCorporaExist fails if the seeds of a fuzz target have got lost.
func TestFuzzCorporaExist(t *testing.T) {
	for _, target := range []string{"FuzzParseSignature", "FuzzSearch"} {
		entries, err := os.ReadDir("testdata/fuzz/" + target)
		if err != nil || len(entries) == 0 {
			t.Errorf("%s has no corpus: %v", target, err)
		}
	}
}
