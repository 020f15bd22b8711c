package syncd

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// newMover returns a mover of a file with that content.
func newMover(t rapid.TB, content []byte, size int64) (m *mover, done func() []byte) {
	t.Helper()
	dir, err := os.MkdirTemp("", "syncd-mover-*")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "f")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := tree.OpenRoot(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	d, err := root.Dir("")
	if err != nil {
		t.Fatal(err)
	}
	f, _, err := d.Rewrite("f")
	if err != nil {
		t.Fatal(err)
	}
	stash, err := d.Stage("f")
	if err != nil {
		t.Fatal(err)
	}
	k := &sink{stats: NewStats()}
	m = &mover{k: k, j: &job{file: f, size: int64(len(content)), entry: wire.Entry{Size: size}}, stash: stash}
	return m, func() []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := stash.Discard(); err != nil {
			t.Fatal(err)
		}
		f.Close()
		d.Close()
		root.Close()
		k.copier.Close()
		os.RemoveAll(dir)
		return b
	}
}

// checkMoves makes the moves and compares with what they mean.
func checkMoves(t rapid.TB, old []byte, ops []delta.Op) {
	size := int64(0)
	for _, op := range ops {
		size = max(size, op.Off+op.Len)
	}
	want := append(bytes.Clone(old), make([]byte, max(size-int64(len(old)), 0))...)
	for _, op := range ops {
		copy(want[op.Off:op.Off+op.Len], old[op.Src:op.Src+op.Len])
	}
	m, done := newMover(t, old, size)
	err := m.moveAll(ops)
	got := done()
	if err != nil {
		t.Fatalf("moveAll(%v): %v", ops, err)
	}
	if !bytes.Equal(got, want[:len(got)]) || len(got) < int(size) {
		t.Fatalf("moveAll(%v) made something else", ops)
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b) // never fails
	return b
}

func TestMovesInPlace(t *testing.T) {
	op := func(off, src, n int64) delta.Op { return delta.Op{Kind: delta.Copy, Off: off, Src: src, Len: n} }
	tests := []struct {
		name string
		ops  []delta.Op
	}{
		{"nothing moved", []delta.Op{op(0, 0, 1000)}},
		{"all towards the start", []delta.Op{op(0, 100, 900)}},
		{"all towards the end", []delta.Op{op(100, 0, 900)}},
		{"by one byte", []delta.Op{op(1, 0, 999)}},
		{"two halves that change places", []delta.Op{op(0, 500, 500), op(500, 0, 500)}},
		{"a circle of three", []delta.Op{op(0, 300, 300), op(300, 600, 300), op(600, 0, 300)}},
		{"one block to many places", []delta.Op{op(0, 500, 100), op(100, 500, 100), op(500, 500, 100), op(600, 500, 100)}},
		{"two circles that share a block", []delta.Op{op(0, 100, 200), op(200, 0, 200), op(400, 150, 300)}},
		{"a reader of itself and of another", []delta.Op{op(0, 50, 400), op(400, 0, 300), op(700, 350, 300)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { checkMoves(t, randomBytes(1000), tt.ops) })
	}
}

// TestLongMovesInPlace moves more than the buffers of a mover hold, by less.
func TestLongMovesInPlace(t *testing.T) {
	const size = 5*movePiece + 1
	old := randomBytes(size)
	for _, shift := range []int64{1, 4096, movePiece - 1, movePiece, movePiece + 1, 3 * movePiece} {
		for _, op := range []delta.Op{{Kind: delta.Copy, Src: shift, Len: size - shift}, {Kind: delta.Copy, Off: shift, Len: size - shift}} {
			checkMoves(t, old, []delta.Op{op})
		}
	}
}

func TestMovesInPlaceAreCopies(t *testing.T) {
	old := randomBytes(4096)
	rapid.Check(t, func(t *rapid.T) {
		var ops []delta.Op
		for off := int64(0); off < 4096; {
			off += rapid.Int64Range(0, 300).Draw(t, "gap")
			n := rapid.Int64Range(1, 1500).Draw(t, "len")
			src := rapid.Int64Range(0, 4096-n).Draw(t, "src")
			ops = append(ops, delta.Op{Kind: delta.Copy, Off: off, Src: src, Len: n})
			off += n
		}
		checkMoves(t, old, ops)
	})
}

func TestLiteralsAreWhatOpsLeaveOut(t *testing.T) {
	ops := []delta.Op{{Off: 5, Len: 5}, {Off: 10, Len: 5}, {Off: 20, Len: 5}}
	got := literalsOf(ops, 30)
	want := []native.Range{{Off: 0, N: 5}, {Off: 15, N: 5}, {Off: 25, N: 5}}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %v, want %v", got, want)
		}
	}
}
