package tree

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// openIn opens a file in a directory until the end of the test.
func openIn(t *testing.T, top, name string) *File {
	t.Helper()
	root, err := OpenRoot(top, false)
	must(t, err)
	defer root.Close()
	dir, err := root.Dir("")
	must(t, err)
	t.Cleanup(func() { dir.Close() })
	f, _, err := dir.Open(name)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// TestUnwritten has a file open to be written, and mapped so, by somebody else.
func TestUnwritten(t *testing.T) {
	top := t.TempDir()
	name := filepath.Join(top, "f")
	must(t, os.WriteFile(name, make([]byte, 4096), 0o600))
	f := openIn(t, top, "f")
	want := func(what string, unwritten bool) {
		t.Helper()
		if Unwritten(f) != unwritten {
			t.Errorf("%s: unwritten is not %t", what, unwritten)
		}
	}
	want("a file that is only read", true)
	w, err := os.OpenFile(name, os.O_RDWR, 0)
	must(t, err)
	want("a file open to be written", false)
	m, err := unix.Mmap(int(w.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	must(t, w.Close())
	want("a file mapped to be written", false)
	must(t, unix.Munmap(m))
	want("a file that nobody writes any more", true)
	w, err = os.OpenFile(name, os.O_WRONLY, 0) // the lease was given back
	must(t, err)
	must(t, w.Close())
}

// TestMap looks at a file whose pages are in the page cache, at any offset, and not
// once they are gone.
func TestMap(t *testing.T) {
	top := t.TempDir()
	want := bytes.Repeat([]byte("some bytes. "), 100_000)
	name := filepath.Join(top, "f")
	must(t, os.WriteFile(name, want, 0o600))
	f := openIn(t, top, "f")
	for _, off := range []int{0, 1, 4095, 4096, 4097, 700_001} {
		for _, n := range []int{1, 4096, 4097, len(want) - 700_001} {
			got, unmap, err := f.Map(int64(off), n)
			must(t, err)
			if !bytes.Equal(got, want[off:off+n]) {
				t.Errorf("%d bytes at %d are others", n, off)
			}
			unmap()
		}
	}
	// A file system on a disk gives up clean pages that nobody uses.
	must(t, f.Sync())
	must(t, unix.Fadvise(f.num(), 0, 0, unix.FADV_DONTNEED))
	var fs unix.Statfs_t
	must(t, unix.Fstatfs(f.num(), &fs))
	if _, _, err := f.Map(0, len(want)); !errors.Is(err, ErrNotCached) && fs.Type != unix.TMPFS_MAGIC {
		t.Errorf("mapped what has to be read from the disk: %v", err)
	}
}
