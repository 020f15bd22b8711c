package syncd

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire/native"
)

// TestSignatureGoesOutAsItIsMade signs files of none, some and many blocks: what was
// sent is the signature, in pieces that can be used.
func TestSignatureGoesOutAsItIsMade(t *testing.T) {
	const size = 20<<20 + 1
	path, files := groupTree(t, 0, 1, 10_000, size)
	root, err := tree.OpenRoot(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	stop := errors.New("the stream ended")
	for _, c := range []struct {
		name   string
		file   int
		block  uint32
		pieces int
		harm   func(n int) error // before the nth piece is sent
		failed error
		err    error
	}{
		{name: "nothing", file: 0, block: 2048, pieces: 1},
		{name: "a byte", file: 1, block: 2048, pieces: 1},
		{name: "some blocks", file: 2, block: 2048, pieces: 1},
		{name: "blocks that make no group for long", file: 3, block: 64 << 10, pieces: 1},
		{name: "some groups", file: 3, block: 2048, pieces: 3},
		{name: "many groups", file: 3, block: 64, pieces: 3},
		{name: "a stream that ends", file: 3, block: 2048, pieces: 2, err: stop, harm: func(n int) error {
			if n == 1 {
				return stop
			}
			return nil
		}},
		{name: "a file that changes", file: 3, block: 2048, pieces: 2, failed: errChanged, harm: func(n int) error {
			return os.Chmod(filepath.Join(path, groupName(3)), 0o600)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &source{view: &view{root: root}, rules: new(filter.List), alg: delta.XXH3128, stats: new(Stats)}
			defer s.Close()
			var got []byte
			pieces := 0
			failed, err := s.sign(context.Background(), &native.Sign{File: files[c.file], Block: c.block}, func(piece []byte, more bool) error {
				got = append(got, piece...)
				if more != (pieces < c.pieces-1) && c.harm == nil {
					t.Errorf("piece %d: more %v", pieces, more)
				}
				if pieces++; c.harm != nil {
					return c.harm(pieces - 1)
				}
				return nil
			})
			if !errors.Is(failed, c.failed) || !errors.Is(err, c.err) || pieces != c.pieces {
				t.Fatalf("failed %v, error %v, %d pieces; want %v, %v and %d", failed, err, pieces, c.failed, c.err, c.pieces)
			}
			if c.harm != nil {
				return
			}
			p := delta.Params{Block: int(c.block), Strong: delta.XXH3128, StrongLen: 16}
			content := groupContent(c.file, int(files[c.file].Version.Size))
			want, err := delta.Sign(context.Background(), bytes.NewReader(content), int64(len(content)), p, delta.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if data, _ := want.AppendBinary(nil); !bytes.Equal(got, data) {
				t.Error("what was sent is another signature")
			}
		})
	}
}
