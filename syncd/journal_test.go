package syncd

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// memoryFile is a journalFile that can be full.
type memoryFile struct {
	b     []byte
	limit int
}

func (f *memoryFile) Name() string { return "f" }

func (f *memoryFile) WriteAt(p []byte, off int64) (int, error) {
	n := min(len(p), f.limit-int(off))
	f.b = append(f.b[:off], p[:n]...)
	if n < len(p) {
		return n, &fs.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}
	}
	return n, nil
}

var testJournal = journalOf{path: "dir/f", alg: delta.XXH3128,
	version: wire.Version{Size: 64 << 20, Mtime: wire.Time{Sec: 1, Nsec: 2}, Ctime: wire.Time{Sec: 3, Nsec: 4}, Ino: 5}}

// writeJournal makes a journal of n records of a MiB.
func writeJournal(t testing.TB, of journalOf, n int) []byte {
	t.Helper()
	f := &memoryFile{limit: 1 << 20}
	j, err := startJournal(f, of)
	for i := range n {
		if err == nil {
			err = j.add(int64(i)<<20, 1<<20, bytes.Repeat([]byte{byte(i)}, of.alg.Size()))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return f.b
}

// offsets returns which MiB a journal has.
func offsets(b []byte, of journalOf) (at []int, end int64, damaged bool, err error) {
	end, damaged, err = readJournal(bytes.NewReader(b), of, func(r journaled) bool {
		if r.N != 1<<20 || !bytes.Equal(r.digest, bytes.Repeat([]byte{byte(r.Off >> 20)}, of.alg.Size())) {
			panic("a record that was never written")
		}
		at = append(at, int(r.Off>>20))
		return true
	})
	return at, end, damaged, err
}

func TestJournal(t *testing.T) {
	cut := func(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:n] } }
	flip := func(i int) func([]byte) []byte { return func(b []byte) []byte { b[i] ^= 1; return b } }
	other := testJournal
	other.version.Ctime.Nsec++
	for _, c := range []struct {
		name    string
		change  func([]byte) []byte
		of      journalOf
		want    []int
		damaged bool
		err     error
	}{
		{"whole", cut(128 + 3*64), testJournal, []int{0, 1, 2}, false, nil},
		{"no records", cut(128), testJournal, nil, false, nil},
		{"record cut short", cut(128 + 2*64 + 63), testJournal, []int{0, 1}, true, nil},
		{"header cut short", cut(127), testJournal, nil, false, errNoJournal},
		{"empty", cut(0), testJournal, nil, false, errNoJournal},
		{"header flipped", flip(20), testJournal, nil, false, errNoJournal},
		{"record flipped", flip(128 + 64 + 7), testJournal, []int{0, 2}, true, nil},
		{"padding flipped", flip(128 + 2*64 - 10), testJournal, []int{0, 2}, true, nil},
		{"another version", cut(128 + 3*64), other, nil, false, errOtherVersion},
		{"zeros at the end", func(b []byte) []byte { return append(b, make([]byte, 128)...) }, testJournal, []int{0, 1, 2}, true, nil},
		{"records of another journal", func(b []byte) []byte {
			return append(b, writeJournal(t, other, 1)[128:]...)
		}, testJournal, []int{0, 1, 2}, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.change(writeJournal(t, testJournal, 3))
			at, end, damaged, err := offsets(b, c.of)
			if !slices.Equal(at, c.want) || damaged != c.damaged || !errors.Is(err, c.err) {
				t.Errorf("records %v, damaged: %t, error %v", at, damaged, err)
			}
			if err == nil && (end-journalHeader)%journalRecord != 0 {
				t.Errorf("the next record goes to %d", end)
			}
		})
	}
}

// TestJournalGoesOn appends behind a record that was cut short.
func TestJournalGoesOn(t *testing.T) {
	f := &memoryFile{b: writeJournal(t, testJournal, 3)[:128+2*64+5], limit: 1 << 20}
	_, end, _, err := offsets(f.b, testJournal)
	if err != nil {
		t.Fatal(err)
	}
	j := goOnJournal(f, testJournal, end)
	if err := j.add(7<<20, 1<<20, bytes.Repeat([]byte{7}, 16)); err != nil {
		t.Fatal(err)
	}
	if at, _, damaged, err := offsets(f.b, testJournal); !slices.Equal(at, []int{0, 1, 7}) || damaged || err != nil {
		t.Errorf("records %v, damaged: %t, error %v", at, damaged, err)
	}
}

// TestJournalFull has no room for a record: that is an error, and what is there
// stays of use.
func TestJournalFull(t *testing.T) {
	f := &memoryFile{limit: 128 + 64 + 10}
	j, err := startJournal(f, testJournal)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.add(0, 1<<20, make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	if err := j.add(1<<20, 1<<20, bytes.Repeat([]byte{1}, 16)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error %v", err)
	}
	if at, _, damaged, err := offsets(f.b, testJournal); !slices.Equal(at, []int{0}) || !damaged || err != nil {
		t.Errorf("records %v, damaged: %t, error %v", at, damaged, err)
	}
}

func TestMissing(t *testing.T) {
	for _, c := range []struct {
		name       string
		have, want []native.Range
	}{
		{"nothing is there", nil, []native.Range{{Off: 0, N: 10}}},
		{"all is there", []native.Range{{Off: 0, N: 10}}, nil},
		{"the start", []native.Range{{Off: 0, N: 3}}, []native.Range{{Off: 3, N: 7}}},
		{"the end", []native.Range{{Off: 9, N: 1}}, []native.Range{{Off: 0, N: 9}}},
		{"the middle", []native.Range{{Off: 2, N: 2}, {Off: 6, N: 1}}, []native.Range{{Off: 0, N: 2}, {Off: 4, N: 2}, {Off: 7, N: 3}}},
	} {
		if got := missing(c.have, 10); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// FuzzJournal reads what may be left on a disk: no record that counts is outside
// the file, and what is read of a whole journal is what was written.
func FuzzJournal(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		end, _, err := readJournal(bytes.NewReader(b), testJournal, func(r journaled) bool {
			if r.N <= 0 || r.Off < 0 || r.Off > testJournal.version.Size-r.N || len(r.digest) != testJournal.alg.Size() {
				t.Fatalf("a record of %d+%d", r.Off, r.N)
			}
			n++
			return true
		})
		if err == nil && (end > int64(len(b)) || int64(n) > (end-journalHeader)/journalRecord) {
			t.Fatalf("%d records up to %d of %d bytes", n, end, len(b))
		}
	})
}

// A fuzz target whose seeds have vanished tests nothing.
func TestJournalCorpusIsThere(t *testing.T) {
	if names, err := filepath.Glob("testdata/fuzz/FuzzJournal/*"); err != nil || len(names) < 5 {
		t.Errorf("the corpus: %q, %v", names, err)
	}
}
