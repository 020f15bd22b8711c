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
		if flags&unix.O_NONBLOCK != 0 || flags&unix.O_NOATIME == 0 || flags&unix.O_ACCMODE != unix.O_RDONLY {
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
		_, err = f.WriteString(name)
		must(t, err)
		_, err = f.Seek(0, io.SeekStart)
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
