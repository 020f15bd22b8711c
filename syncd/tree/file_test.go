package tree

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpen(t *testing.T) {
	d, path := testDir(t)
	for _, name := range append([]string{"plain", "mode 000"}, oddNames...) {
		write(t, filepath.Join(path, name), name)
		must(t, os.Chmod(filepath.Join(path, name), 0))
		f, v, err := d.Open(name)
		must(t, err)
		e := entry(t, d, name, Want{})
		if v != e.Version() {
			t.Errorf("%q: version %+v, want %+v", name, v, e.Version())
		}
		if again, err := VersionOf(f); err != nil || again != v {
			t.Errorf("%q: VersionOf is %+v, %v", name, again, err)
		}
		if got := readAll(t, f); got != name || f.Name() != name {
			t.Errorf("%q: content %q, Name %q", name, got, f.Name())
		}
		flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
		must(t, err)
		if flags&unix.O_NOATIME == 0 || flags&unix.O_ACCMODE != unix.O_RDONLY {
			t.Errorf("%q: flags %#x", name, flags)
		}
		must(t, f.Close())
	}
}

func TestOpenOfWhatIsNoFile(t *testing.T) {
	d, path := testDir(t)
	p := func(name string) string { return filepath.Join(path, name) }
	write(t, p("file"), "")
	must(t, os.Mkdir(p("dir"), 0o755))
	must(t, os.Symlink("file", p("symlink")))
	must(t, unix.Mkfifo(p("fifo"), 0o600))
	must(t, unix.Mknod(p("socket"), unix.S_IFSOCK|0o600, 0))
	must(t, unix.Mknod(p("null"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	must(t, unix.Mknod(p("no driver"), unix.S_IFCHR|0o600, int(unix.Mkdev(4000, 3))))
	for _, name := range []string{"dir", "symlink", "fifo", "socket", "null", "no driver"} {
		_, _, err := d.Open(name)
		wantErr(t, err, ErrNotRegular, name)
	}
	_, _, err := d.Open("none")
	wantErr(t, err, fs.ErrNotExist, "none")
}

func TestVersionChanges(t *testing.T) {
	d, path := testDir(t)
	write(t, filepath.Join(path, "file"), "1")
	f, v, err := d.Open("file")
	must(t, err)
	defer f.Close()
	write(t, filepath.Join(path, "file"), "12")
	if now, err := VersionOf(f); err != nil || now == v || now.Size != 2 {
		t.Errorf("version %+v, %v after %+v", now, err, v)
	}
}

func TestCreate(t *testing.T) {
	d, path := testDir(t)
	for _, name := range oddNames {
		f, err := d.Create(name, 0o600)
		must(t, err)
		_, err = f.WriteAt([]byte(name), 0)
		must(t, err)
		if readAll(t, f) != name {
			t.Errorf("%q can not be read back", name)
		}
		must(t, f.Close())
		info, err := os.Lstat(filepath.Join(path, name))
		must(t, err)
		if info.Mode() != 0o600 {
			t.Errorf("%q has mode %v", name, info.Mode())
		}
		_, err = d.Create(name, 0o600)
		wantErr(t, err, fs.ErrExist, name)
	}
	must(t, os.Symlink("target", filepath.Join(path, "link")))
	_, err := d.Create("link", 0o600)
	wantErr(t, err, fs.ErrExist, "link")
}

// TestFile reads and writes at offsets as an os.File does.
func TestFile(t *testing.T) {
	d, _ := testDir(t)
	f, err := d.Create("f", 0o600)
	must(t, err)
	n, err := f.WriteAt([]byte("abcdef"), 2)
	if n != 6 || err != nil {
		t.Fatalf("wrote %d, %v", n, err)
	}
	for _, c := range []struct {
		name   string
		off    int64
		len, n int
		err    error
	}{
		{"all", 0, 8, 8, nil},
		{"a part", 3, 2, 2, nil},
		{"up to the end and beyond", 4, 8, 4, io.EOF},
		{"at the end", 8, 1, 0, io.EOF},
		{"nothing", 8, 0, 0, nil},
	} {
		n, err := f.ReadAt(make([]byte, c.len), c.off)
		if n != c.n || err != c.err {
			t.Errorf("%s: read %d, %v; want %d, %v", c.name, n, err, c.n, c.err)
		}
	}
	must(t, f.Truncate(5))
	if size, err := f.Size(); size != 5 || err != nil {
		t.Errorf("size %d, %v", size, err)
	}
	must(t, f.Sync())
	must(t, f.Close())
	_, err = f.ReadAt(make([]byte, 1), 0)
	wantErr(t, err, unix.EBADF, "f")
	_, err = f.WriteAt([]byte("x"), 0)
	wantErr(t, err, unix.EBADF, "f")
	wantErr(t, f.Close(), unix.EBADF, "f")
	wantErr(t, f.Truncate(0), unix.EBADF, "f")
	wantErr(t, f.Sync(), unix.EBADF, "f")
}
