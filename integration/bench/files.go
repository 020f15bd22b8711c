package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// dataName is the only file of rows that have one.
const dataName = "data"

// Modification times of files: a basis is older than its source, so that the
// quick check takes them for different.
var (
	sourceTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	basisTime  = sourceTime.Add(-time.Hour)
)

// copyBuffer is large enough that making files costs little beside what is
// in them.
const copyBuffer = mib

// writeData makes the file of dir from the first n bytes of r, or all if n < 0.
func writeData(dir string, r io.Reader, n int64, mtime time.Time) error {
	path := filepath.Join(dir, dataName)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if n >= 0 {
		r = io.LimitReader(r, n)
	}
	// The wrapper hides ReadFrom: it would share blocks with the source.
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, r, make([]byte, copyBuffer)); err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Chtimes(path, mtime, mtime)
}

// randomBytes never ends, and is the same for a seed on all machines.
func randomBytes(seed uint64) io.Reader {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	return rand.NewChaCha8(key)
}

// randomBlock is the first n bytes of randomBytes.
func randomBlock(seed uint64, n int) []byte {
	block := make([]byte, n)
	if _, err := io.ReadFull(randomBytes(seed), block); err != nil {
		panic("bench: random bytes ended: " + err.Error())
	}
	return block
}

// repeated is a block again and again.
type repeated struct {
	block []byte
	at    int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		k := copy(p[n:], r.block[r.at:])
		r.at = (r.at + k) % len(r.block)
		n += k
	}
	return n, nil
}

// An edit replaces cut bytes at off by insert new ones.
type edit struct {
	off, cut, insert int64
}

// Lengths of an edit in bytes.
const (
	minEdit = 4 * kib
	maxEdit = 64 * kib
)

// editList scatters n edits over a file: in turn bytes are replaced, inserted
// and deleted. They are in order and do not overlap; where a file is too small
// for that, some are left out. Offsets and lengths are multiples of step.
func editList(seed uint64, size int64, n int, step int64) []edit {
	rng := rand.New(rand.NewPCG(seed, 0))
	offsets := make([]int64, n)
	for i := range offsets {
		offsets[i] = rng.Int64N(max(1, size)) / step * step
	}
	slices.Sort(offsets)
	var edits []edit
	end := int64(0)
	for i, off := range offsets {
		length := (minEdit + rng.Int64N(maxEdit-minEdit+1)) / step * step
		e := edit{off: off}
		switch i % 3 {
		case 0:
			e.cut, e.insert = length, length
		case 1:
			e.insert = length
		case 2:
			e.cut = length
		}
		if off < end || off+e.cut > size {
			continue
		}
		end = off + e.cut
		edits = append(edits, e)
	}
	return edits
}

// applyEdits is base with the edits made. What is inserted depends on the seed
// and is nowhere in base.
func applyEdits(base io.Reader, edits []edit, seed uint64) io.Reader {
	fresh := randomBytes(seed + insertSeed)
	var parts []io.Reader
	at := int64(0)
	for _, e := range edits {
		parts = append(parts, io.LimitReader(base, e.off-at), &skip{base, e.cut}, io.LimitReader(fresh, e.insert))
		at = e.off + e.cut
	}
	return io.MultiReader(append(parts, base)...)
}

// insertSeed keeps inserted bytes apart from those of other seeds.
const insertSeed = 1 << 32

// skip is an empty part that takes n bytes away from r.
type skip struct {
	r io.Reader
	n int64
}

func (s *skip) Read([]byte) (int, error) {
	if _, err := io.CopyN(io.Discard, s.r, s.n); err != nil {
		return 0, err
	}
	return 0, io.EOF
}

// touch writes and deletes a file of n bytes in dir. Memory that a virtual
// machine gave back to its host while idle is slow at its next first touch: it
// should not be the timed run that touches it.
func touch(dir string, n int64) error {
	path := filepath.Join(dir, "touch")
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer os.Remove(path)
	defer f.Close()
	_, err = io.CopyBuffer(struct{ io.Writer }{f}, io.LimitReader(&repeated{block: make([]byte, copyBuffer)}, n), make([]byte, copyBuffer))
	return err
}
