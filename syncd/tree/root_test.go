package tree

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenRoot(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "real"), 0o700))
	must(t, os.Symlink("real", filepath.Join(dir, "link")))
	write(t, filepath.Join(dir, "file"), "")
	tests := []struct {
		name, path string
		create     bool
		err        error
	}{
		{"a directory", "real", false, nil},
		{"through the operator's symlink", "link", false, nil},
		{"missing", "new", false, fs.ErrNotExist},
		{"missing and created", "new", true, nil},
		{"there and created", "real", true, nil},
		{"its parent is missing too", "no/new", true, fs.ErrNotExist},
		{"a file", "file", true, unix.ENOTDIR},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkFDs(t)
			path := filepath.Join(dir, tt.path)
			r, err := OpenRoot(path, tt.create)
			if tt.err != nil {
				wantErr(t, err, tt.err, path)
				return
			}
			must(t, err)
			if r.Path() != path {
				t.Errorf("Path is %q, want %q", r.Path(), path)
			}
			must(t, r.Syncfs())
			d, err := r.Dir(".")
			must(t, err)
			if e := entry(t, d, ".", Want{}); e.Dev != r.Dev() || e.Name != "." || !e.IsDir() {
				t.Errorf("the root is %+v, Dev %d", e, r.Dev())
			}
			must(t, d.Sync())
			must(t, d.Close())
			must(t, r.Close())
		})
	}
	if info, err := os.Stat(filepath.Join(dir, "new")); err != nil || info.Mode() != fs.ModeDir|0o755 {
		t.Errorf("the created root is %v, %v", info.Mode(), err)
	}
}

func TestRootDir(t *testing.T) {
	checkFDs(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a/b/c/file"), "")
	must(t, os.Symlink("b", filepath.Join(dir, "a/link")))
	must(t, os.Symlink("/", filepath.Join(dir, "abs")))
	r, err := OpenRoot(dir, false)
	must(t, err)
	defer r.Close()
	tests := []struct {
		path string
		err  error
	}{
		{"", nil}, {".", nil}, {"a", nil}, {"a/b", nil}, {"a/b/c", nil},
		{"a/b/c/file", unix.ENOTDIR}, {"a/none", fs.ErrNotExist},
		{"a/link", unix.ENOTDIR}, {"a/link/c", unix.ELOOP}, {"abs/etc", unix.ELOOP},
		{"..", ErrName}, {"a/..", ErrName}, {"a/../a", ErrName}, {"/", ErrName}, {"/a", ErrName},
		{"a/", ErrName}, {"a//b", ErrName}, {"a/./b", ErrName}, {"./a", ErrName}, {"a\x00", ErrName},
		{strings.Repeat("x", 256), ErrName},
	}
	for _, tt := range tests {
		d, err := r.Dir(tt.path)
		if tt.err != nil {
			wantErr(t, err, tt.err, tt.path)
			continue
		}
		must(t, err)
		want := tt.path
		if want == "" {
			want = "."
		}
		if d.Path() != want {
			t.Errorf("Path of %q is %q", tt.path, d.Path())
		}
		must(t, d.Close())
	}
}

// A path longer than the kernel takes in one call.
func TestRootDirOfAnyLength(t *testing.T) {
	d, path := testDir(t)
	r, err := OpenRoot(path, false)
	must(t, err)
	defer r.Close()
	name := strings.Repeat("x", 250)
	long, cur := "", d
	for range 40 {
		must(t, cur.Mkdir(name))
		next, err := cur.OpenDir(name)
		must(t, err)
		if cur != d {
			must(t, cur.Close())
		}
		cur = next
		long = strings.TrimPrefix(long+"/"+name, "/")
		far, err := r.Dir(long)
		must(t, err)
		if a, b := entry(t, far, ".", Want{}), entry(t, cur, ".", Want{}); a.Ino != b.Ino || far.Path() != cur.Path() {
			t.Fatalf("%d bytes lead to another directory", len(long))
		}
		must(t, far.Close())
	}
	must(t, cur.Close())
	must(t, d.RemoveTree(name, false, nil))
}

// Paths of which a step is cut at each place around the limit.
func TestOpenLongDirAtTheLimit(t *testing.T) {
	d, _ := testDir(t)
	must(t, d.Mkdir("x"))
	must(t, d.Mkdir("y"))
	for _, size := range []int{pathMax - 2, pathMax - 1, pathMax, pathMax + 1, 2*pathMax - 1, 2 * pathMax} {
		// "./././x" is not a path for Dir, but one of any length for the steps.
		path := strings.Repeat("./", size/2)[:size-size%2] + "x"
		fd, err := openLongDir(d.fd, path)
		must(t, err)
		unix.Close(fd)
	}
}

func TestBadNamesAreRefusedEverywhere(t *testing.T) {
	d, _ := testDir(t)
	must(t, d.Mkdir("sub"))
	var m Meta
	for _, name := range badNames {
		e := entry(t, d, "sub", Want{})
		e.Name, e.Mode = name, unix.S_IFIFO|0o600
		calls := map[string]func() error{
			"OpenDir":        func() error { _, err := d.OpenDir(name); return err },
			"Open":           func() error { _, _, err := d.Open(name); return err },
			"Create":         func() error { _, err := d.Create(name, 0o600); return err },
			"Stage":          func() error { _, err := d.Stage(name); return err },
			"StageDir":       func() error { _, err := d.StageDir(name); return err },
			"MakeNode":       func() error { return d.MakeNode(&e, false, &m) },
			"Link from":      func() error { return d.Link(d, name, "x") },
			"Link to":        func() error { return d.Link(d, "sub", name) },
			"Mkdir":          func() error { return d.Mkdir(name) },
			"Remove":         func() error { return d.Remove(name, true) },
			"RemoveTree":     func() error { return d.RemoveTree(name, false, nil) },
			"RemoveLeftover": func() error { return d.RemoveLeftover(name) },
		}
		if name != "." {
			calls["Entry"] = func() error { _, err := d.Entry(name, Want{}); return err }
			calls["ApplyAt"] = func() error { return m.ApplyAt(d, name, &e, nil) }
		}
		for call, fn := range calls {
			t.Run(call, func(t *testing.T) { wantErr(t, fn(), ErrName, d.join(name)) })
		}
	}
}

func TestClosedDirDoesNothing(t *testing.T) {
	d, _ := testDir(t)
	must(t, d.Mkdir("sub"))
	sub, err := d.OpenDir("sub")
	must(t, err)
	must(t, sub.Close())
	wantErr(t, sub.Mkdir("x"), unix.EBADF, "sub/x")
	wantErr(t, sub.Close(), unix.EBADF, "sub")
	_, err = sub.Names()
	wantErr(t, err, unix.EBADF, "sub")
}
