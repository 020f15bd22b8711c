package syncd

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// randomContent is the same for the same seed.
func randomContent(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// encodedSignature is the encoding of the signature of data, in blocks of 2 KiB.
func encodedSignature(t *testing.T, data []byte) []byte {
	t.Helper()
	p := delta.Params{Block: 2048, Strong: delta.XXH3128, StrongLen: 16}
	sig, err := delta.Sign(t.Context(), bytes.NewReader(data), int64(len(data)), p, delta.Options{})
	if err != nil {
		t.Fatal(err)
	}
	encoded, _ := sig.AppendBinary(nil)
	return encoded
}

// TestDeltaWhileTheSignatureComes sends the signature of a basis in pieces, all of it, or
// a part, or something else. Behind some of them it waits for what the source finds.
func TestDeltaWhileTheSignatureComes(t *testing.T) {
	const size = 20 << 20
	content := randomContent(1, size)
	basis := slices.Concat(content[:5<<20], []byte("only here"), content[5<<20+100:])
	encoded := encodedSignature(t, basis)
	large := encodedSignature(t, nil)
	large[8+4+2], large[16+4] = 0x80, 0x04 // 2^23 blocks, 2^34 bytes
	third := len(encoded) / 3
	for _, c := range []struct {
		name    string
		pieces  [][]byte
		waits   bool // behind the last piece but one, for a COPY
		cut     bool
		code    int // of a FATAL
		nothing bool
	}{
		{name: "all at once", pieces: [][]byte{encoded}},
		{name: "in pieces", waits: true, pieces: [][]byte{encoded[:10], encoded[10 : 2*third], encoded[2*third:]}},
		{name: "and an end behind all", waits: true, pieces: [][]byte{encoded, nil}},
		{name: "cut short at once", pieces: [][]byte{nil}, cut: true, nothing: true},
		{name: "cut short", waits: true, pieces: [][]byte{encoded[:2*third], nil}, cut: true},
		{name: "nothing", pieces: [][]byte{nil}, code: ExitProtocol},
		{name: "garbage", pieces: [][]byte{bytes.Repeat([]byte("x"), 1000)}, code: ExitProtocol},
		{name: "less than all", waits: true, pieces: [][]byte{encoded[:2*third], encoded[2*third : len(encoded)-1]}, code: ExitProtocol},
		{name: "more than all", pieces: [][]byte{encoded, encoded}, code: ExitProtocol},
		{name: "more blocks than may be", pieces: [][]byte{large}, code: ExitProtocol},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := t.TempDir()
			if err := os.WriteFile(filepath.Join(path, "f"), content, 0o644); err != nil {
				t.Fatal(err)
			}
			file := native.ReadFile{Path: "f", Version: versionOf(t, path, "f")}
			asker, end := serveTree(t, path)
			copied := make(chan struct{}, 1)
			sent := make(chan error, 1)
			go func() {
				var err error
				for i, piece := range c.pieces {
					last := i == len(c.pieces)-1
					if last && c.waits {
						<-copied
					}
					err = errors.Join(err, asker.Ask(&native.Delta{ID: 1, File: file, Sig: piece, More: !last, Cut: last && c.cut}), asker.Flush())
				}
				sent <- err
			}()
			got := make([]byte, size)
			covered, order := int64(0), 0
			next := int64(0)
			for {
				ans, err := asker.Next()
				if fatal := (*native.FatalError)(nil); c.code != 0 && errors.As(err, &fatal) && fatal.Code == c.code {
					return
				}
				if err != nil || c.code != 0 && ans.Type == native.TypeEnd {
					t.Fatalf("a frame of type %d, %v", ans.Type, err)
				}
				if ans.Type == native.TypeEnd {
					break
				}
				if ans.Off < next {
					order++
				}
				next = ans.Off + ans.N
				covered += ans.N
				switch ans.Type {
				case native.TypeCopy:
					copy(got[ans.Off:], basis[ans.CopySource():][:ans.N])
					select {
					case copied <- struct{}{}:
					default:
					}
				case native.TypeData:
					f := tempFile(t)
					err := asker.RecvFile(f, 0, ans.N)
					if _, terr := asker.Trailer(); err != nil || terr != nil {
						t.Fatal(err, terr)
					}
					if _, err := f.ReadAt(got[ans.Off:][:ans.N], 0); err != nil {
						t.Fatal(err)
					}
				default:
					t.Fatalf("a frame of type %d", ans.Type)
				}
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			switch {
			case c.nothing && covered > 0:
				t.Errorf("%d bytes are answered", covered)
			case !c.cut && (covered != size || !bytes.Equal(got, content)):
				t.Errorf("the ops make another file, of %d bytes", covered)
			case order > 1 || (order == 1) != (c.waits && !c.cut):
				t.Errorf("the ops go back %d times", order)
			}
			end()
		})
	}
}

// versionOf is what a source knows a file by.
func versionOf(t *testing.T, path, name string) wire.Version {
	t.Helper()
	root, err := tree.OpenRoot(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	d, err := root.Dir("")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	e, err := d.Entry(name, tree.Want{})
	if err != nil {
		t.Fatal(err)
	}
	return e.Version()
}

// TestCopiesAheadOfWhatPrecedesThem takes ranges in two passes: copies, and then all that
// they have left out.
func TestCopiesAheadOfWhatPrecedesThem(t *testing.T) {
	type step struct {
		copied bool
		off, n int64
		ok     bool
	}
	for name, c := range map[string]struct {
		steps []step
		whole bool
	}{
		"in order":                {[]step{{true, 0, 40, true}, {false, 40, 60, true}}, true},
		"the end first":           {[]step{{true, 60, 40, true}, {false, 0, 30, true}, {true, 30, 30, true}}, true},
		"two gaps":                {[]step{{true, 10, 10, true}, {true, 30, 10, true}, {false, 0, 10, true}, {false, 20, 10, true}, {false, 40, 60, true}}, true},
		"a gap is left":           {[]step{{true, 10, 10, true}, {true, 30, 70, true}, {false, 0, 10, true}}, false},
		"nothing is gone back to": {[]step{{true, 10, 90, true}}, false},
		"content ahead":           {[]step{{true, 10, 10, true}, {false, 30, 10, false}}, false},
		"a gap within a gap":      {[]step{{true, 50, 10, true}, {true, 0, 10, true}, {true, 20, 10, false}}, false},
		"back to the second gap":  {[]step{{true, 10, 10, true}, {true, 30, 10, true}, {false, 20, 10, false}}, false},
		"over the end of a gap":   {[]step{{true, 10, 10, true}, {false, 0, 11, false}}, false},
		"over the end":            {[]step{{true, 10, 91, false}}, false},
		"behind the end":          {[]step{{true, 100, 1, false}}, false},
		"twice":                   {[]step{{true, 10, 90, true}, {false, 0, 10, true}, {false, 0, 10, false}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			j := &job{phase: merging, full: "f"}
			j.entry.Size = 100
			j.request()
			for i, s := range c.steps {
				expect := j.expect
				if s.copied {
					expect = j.expectCopy
				}
				if ok := expect(s.off, s.n); ok != s.ok {
					t.Fatalf("step %d: %v", i, ok)
				}
			}
			if j.complete() != c.whole {
				t.Errorf("whole: %v", j.complete())
			}
		})
	}
}

// TestHalfADeltaAsABasis weighs what has come of a file of 100 MiB against what it was
// found in.
func TestHalfADeltaAsABasis(t *testing.T) {
	for name, c := range map[string]struct {
		copied, literal, ahead int64
		better                 bool
	}{
		"copies alone":            {copied: 50},
		"few literals":            {literal: 10},
		"literals alone":          {literal: 64, better: true},
		"nearly":                  {copied: 2, literal: 62, better: true},
		"some literals":           {copied: 45, literal: 5},
		"more literals":           {copied: 45, literal: 25, better: true},
		"some literals, near all": {copied: 90, literal: 9, better: true},
		"half and half":           {copied: 20, literal: 20},
		"literals, then ahead":    {literal: 50, ahead: 60},
		"back from what was left": {copied: 10, ahead: 90, better: true},
	} {
		j := &job{phase: merging, full: "f"}
		j.entry.Size = 100 << 20
		j.request()
		ok := c.copied == 0 || j.expectCopy(0, c.copied<<20)
		ok = ok && (c.literal == 0 || j.expect(c.copied<<20, c.literal<<20))
		j.literal = c.literal << 20
		ok = ok && (c.ahead == 0 || j.expectCopy(c.ahead<<20, 10<<20))
		if !ok || j.outdoesBasis() != c.better {
			t.Errorf("%s: %v, %v", name, ok, j.outdoesBasis())
		}
	}
}
