package tree

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNames(t *testing.T) {
	d, path := testDir(t)
	want := slices.Clone(oddNames)
	for i := range 3000 { // several buffers of getdents64
		want = append(want, fmt.Sprintf("file-%d-%s", i, strings.Repeat("x", i%100)))
	}
	for _, name := range want {
		write(t, filepath.Join(path, name), "")
	}
	slices.Sort(want)
	left := []string{stagingName(), stagingDirName("x")}
	for _, name := range left {
		write(t, filepath.Join(path, name), "")
	}
	slices.Sort(left)
	for range 2 { // the second listing begins anew
		n, err := d.Names()
		must(t, err)
		var got []string
		for i := range n.Len() {
			got = append(got, n.Name(i))
			if n.Type(i) != unix.DT_REG {
				t.Fatalf("%q has type %d", n.Name(i), n.Type(i))
			}
			if at, ok := n.Search(n.Name(i)); !ok || at != i {
				t.Fatalf("%q is found at %d, %v; want %d", n.Name(i), at, ok, i)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d names, want %d", len(got), len(want))
		}
		if !slices.Equal(n.Leftovers(), left) {
			t.Errorf("leftovers %q, want %q", n.Leftovers(), left)
		}
	}
}

func TestNamesTypes(t *testing.T) {
	d, path := testDir(t)
	must(t, os.Mkdir(filepath.Join(path, "dir"), 0o700))
	must(t, os.Symlink("nowhere", filepath.Join(path, "symlink")))
	write(t, filepath.Join(path, "file"), "")
	must(t, unix.Mkfifo(filepath.Join(path, "fifo"), 0o600))
	must(t, unix.Mknod(filepath.Join(path, "socket"), unix.S_IFSOCK|0o600, 0))
	must(t, unix.Mknod(filepath.Join(path, "null"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	must(t, unix.Mknod(filepath.Join(path, "loop"), unix.S_IFBLK|0o600, int(unix.Mkdev(7, 0))))
	want := map[string]uint8{"dir": unix.DT_DIR, "symlink": unix.DT_LNK, "file": unix.DT_REG, "fifo": unix.DT_FIFO,
		"socket": unix.DT_SOCK, "null": unix.DT_CHR, "loop": unix.DT_BLK}
	n, err := d.Names()
	must(t, err)
	if n.Len() != len(want) {
		t.Errorf("%d names, want %d", n.Len(), len(want))
	}
	for i := range n.Len() {
		if n.Type(i) != want[n.Name(i)] {
			t.Errorf("%s has type %d, want %d", n.Name(i), n.Type(i), want[n.Name(i)])
		}
	}
}

func TestNamesSearchForWhatIsNotThere(t *testing.T) {
	d, path := testDir(t)
	n, err := d.Names()
	must(t, err)
	if at, ok := n.Search("a"); n.Len() != 0 || at != 0 || ok {
		t.Errorf("in an empty directory: %d names, found at %d, %v", n.Len(), at, ok)
	}
	for _, name := range []string{"b", "d"} {
		write(t, filepath.Join(path, name), "")
	}
	n, err = d.Names()
	must(t, err)
	for name, want := range map[string]int{"": 0, "a": 0, "b\x00": 1, "c": 1, "e": 2} {
		if at, ok := n.Search(name); at != want || ok {
			t.Errorf("%q: %d, %v; want %d, false", name, at, ok, want)
		}
	}
}

func TestNamesOfARemovedDirectory(t *testing.T) {
	d, path := testDir(t)
	must(t, d.Mkdir("sub"))
	sub, err := d.OpenDir("sub")
	must(t, err)
	defer sub.Close()
	must(t, os.Remove(filepath.Join(path, "sub")))
	_, err = sub.Names()
	wantErr(t, err, os.ErrNotExist, "sub")
}

// Names above 255 bytes come from vfat and FUSE; damaged records do not crash.
func TestNamesOfStrangeFileSystems(t *testing.T) {
	record := func(reclen int, name string) []byte {
		b := make([]byte, direntName, direntName+len(name)+1)
		b[direntReclen], b[direntReclen+1], b[direntType] = byte(reclen), byte(reclen>>8), unix.DT_REG
		return append(append(b, name...), 0)
	}
	long := strings.Repeat("x", 765)
	var n Names
	must(t, n.add(append(record(direntName+766, long), record(direntName+2, "a")...)))
	if n.Len() != 2 || n.Name(0) != long || n.Name(1) != "a" {
		t.Errorf("%d names, the first has %d bytes", n.Len(), len(n.Name(0)))
	}
	for _, reclen := range []int{0, direntName, direntName + 3, 65535} {
		if err := n.add(record(reclen, "b")); err != unix.EIO {
			t.Errorf("a record of %d bytes: %v, want EIO", reclen, err)
		}
	}
}

func TestIsStagingName(t *testing.T) {
	tests := map[string]bool{
		stagingName():                        true,
		stagingDirName("a"):                  true,
		randomStagingDirName():               true,
		".~syncd~0123456789abv":              true,
		".~syncd~d0123456789abv":             true,
		PartialName("a"):                     true,
		JournalName("a"):                     true,
		".~syncd~0123456789ab":               false, // one less
		".~syncd~0123456789abvv":             false, // one more
		".~syncd~d0123456789abvv":            false,
		".~syncd~x0123456789abv":             false,
		".~syncd~0123456789abw":              false, // beyond the alphabet
		".~syncd~0123456789abV":              false,
		".~syncd~":                           false,
		".~sync":                             false,
		"":                                   false,
		"x.~syncd~0123456789abv":             false,
		stagingName() + "\n":                 false,
		".~syncd~" + strings.Repeat("/", 13): false,
	}
	for name, want := range tests {
		if IsStagingName(name) != want {
			t.Errorf("IsStagingName(%q) is not %v", name, want)
		}
	}
	if a, b := stagingDirName("a"), stagingDirName("b"); a == b || a != stagingDirName("a") {
		t.Errorf("names of staged directories: %s, %s", a, b)
	}
}

func BenchmarkNames(b *testing.B) {
	path := b.TempDir()
	for i := range 20000 {
		if err := os.WriteFile(filepath.Join(path, fmt.Sprintf("file%06d", i)), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	r, err := OpenRoot(path, false)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	d, err := r.Dir("")
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	b.Run("list", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Names(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("stat", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Entry("file000000", Want{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
