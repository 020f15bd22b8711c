package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMkdirAndRemove(t *testing.T) {
	d, path := testDir(t)
	for _, name := range oddNames {
		must(t, d.Mkdir(name))
		if e := entry(t, d, name, Want{}); e.Mode != unix.S_IFDIR|0o700 {
			t.Errorf("%q has mode %o", name, e.Mode)
		}
		wantErr(t, d.Mkdir(name), fs.ErrExist, name)
		wantErr(t, d.Remove(name, false), ErrIsDir, name)
		must(t, d.Remove(name, true))
		write(t, filepath.Join(path, name), "")
		wantErr(t, d.Remove(name, true), unix.ENOTDIR, name)
		must(t, d.Remove(name, false))
		wantErr(t, d.Remove(name, false), fs.ErrNotExist, name)
	}
	write(t, filepath.Join(path, "dir/file"), "")
	wantErr(t, d.Remove("dir", true), ErrNotEmpty, "dir")
}

// grow makes a tree with all types, odd names, and links to what must stay.
func grow(t *testing.T, path string) {
	t.Helper()
	for _, name := range oddNames {
		write(t, filepath.Join(path, "top/odd", name), "")
	}
	write(t, filepath.Join(path, "stays/file"), "")
	must(t, os.Symlink("../stays", filepath.Join(path, "top/link")))
	must(t, os.Symlink("/", filepath.Join(path, "top/odd/abs")))
	must(t, unix.Mkfifo(filepath.Join(path, "top/fifo"), 0))
	must(t, unix.Mknod(filepath.Join(path, "top/socket"), unix.S_IFSOCK, 0))
	must(t, os.MkdirAll(filepath.Join(path, "top/a/b/c/d/e"), 0))
	write(t, filepath.Join(path, "top/a/b/"+stagingName()), "dead")
	write(t, filepath.Join(path, "top/a/"+stagingDirName("x")+"/y/z"), "dead")
}

func TestRemoveTree(t *testing.T) {
	d, path := testDir(t)
	grow(t, path)
	var seen []string
	must(t, d.RemoveTree("top", false, func(path string, step Step) (bool, error) {
		seen = append(seen, fmt.Sprint(step, path))
		return true, nil
	}))
	if got := names(t, d); !slices.Equal(got, []string{"stays"}) {
		t.Errorf("left: %q", got)
	}
	_ = content(t, filepath.Join(path, "stays/file"))
	for _, pair := range [][2]string{{"0top", "0top/a"}, {"0top/a/b", "2top/a/b"}, {"2top/a/b/c", "2top/a/b"},
		{"1top/odd/-rf", "2top/odd"}, {"1top/link", "2top"}} {
		i, j := slices.Index(seen, pair[0]), slices.Index(seen, pair[1])
		if i < 0 || j < i {
			t.Errorf("%q is asked about at %d, %q at %d", pair[0], i, pair[1], j)
		}
	}
	if slices.ContainsFunc(seen, func(s string) bool { return strings.Contains(s, stagingPrefix) }) {
		t.Errorf("asked about staging names: %q", seen)
	}
}

func TestRemoveTreeOfOtherTypes(t *testing.T) {
	d, path := testDir(t)
	for name := range occupy(t, path) {
		must(t, d.RemoveTree(name, false, nil)) // "nothing" is no failure
	}
	if got := names(t, d); !slices.Equal(got, []string{"target"}) {
		t.Errorf("left: %q", got)
	}
}

func TestRemoveTreeVetoes(t *testing.T) {
	tests := []struct {
		name, veto string // a veto is a step and a path
		left       []string
		err        error
	}{
		{"a file below", "1top/a/file", []string{"top", "top/a", "top/a/file"}, ErrNotEmpty},
		{"a directory below, whole", "0top/a", []string{"top", "top/a", "top/a/file", "top/a/z"}, ErrNotEmpty},
		{"a directory below, emptied", "2top/a", []string{"top", "top/a"}, ErrNotEmpty},
		{"the top, whole", "0top", []string{"top", "top/a", "top/a/file", "top/a/z", "top/b"}, ErrNotEmpty},
		{"the top, emptied", "2top", []string{"top"}, ErrNotEmpty},
		{"nothing", "", nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, path := testDir(t)
			write(t, filepath.Join(path, "top/a/file"), "")
			write(t, filepath.Join(path, "top/a/z"), "")
			write(t, filepath.Join(path, "top/b"), "")
			err := d.RemoveTree("top", false, func(path string, step Step) (bool, error) {
				return fmt.Sprint(step, path) != tt.veto, nil
			})
			if tt.err == nil {
				must(t, err)
			} else {
				wantErr(t, err, tt.err, "top")
			}
			if got := walk(t, path); !slices.Equal(got, tt.left) {
				t.Errorf("left: %q, want %q", got, tt.left)
			}
		})
	}
	d, path := testDir(t)
	write(t, filepath.Join(path, "file"), "")
	must(t, d.RemoveTree("file", false, func(string, Step) (bool, error) { return false, nil }))
	_ = content(t, filepath.Join(path, "file"))
}

// walk returns all paths below path.
func walk(t *testing.T, path string) (list []string) {
	t.Helper()
	must(t, filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		if rel := strings.TrimPrefix(p, path+"/"); p != path {
			list = append(list, rel)
		}
		return err
	}))
	return list
}

func TestRemoveTreeEndsWithTheVisitsError(t *testing.T) {
	for _, at := range []string{"0top", "0top/a", "1top/a/1", "1top/a/2", "2top/a", "2top"} {
		d, path := testDir(t)
		write(t, filepath.Join(path, "top/a/1"), "")
		write(t, filepath.Join(path, "top/a/2"), "")
		limit := errors.New("enough")
		asked := ""
		err := d.RemoveTree("top", false, func(path string, step Step) (bool, error) {
			asked = fmt.Sprint(step, path)
			if asked == at {
				return true, limit
			}
			return true, nil
		})
		if !errors.Is(err, limit) || asked != at {
			t.Errorf("at %s: %v, asked last about %s", at, err, asked)
		}
		if _, err := os.Lstat(filepath.Join(path, "top")); err != nil {
			t.Errorf("at %s: %v", at, err)
		}
	}
}

func TestRemoveTreeGoesOnAfterFailures(t *testing.T) {
	d, path := testDir(t)
	count := maxFailures + 3
	for i := range count {
		p := filepath.Join(path, fmt.Sprintf("top/%02d", i))
		mount(t, "ramfs", p) // rmdir of a mount point fails, even for root
	}
	write(t, filepath.Join(path, "top/zz"), "")
	err := d.RemoveTree("top", false, nil)
	if !errors.Is(err, unix.EBUSY) || strings.Count(err.Error(), "top/") != maxFailures ||
		!strings.Contains(err.Error(), "and 3 more failures") {
		t.Errorf("error: %v", err)
	}
	if got := walk(t, path); len(got) != count+1 {
		t.Errorf("left: %q", got)
	}
}

func TestRemoveTreeStaysOnItsFileSystem(t *testing.T) {
	d, path := testDir(t)
	write(t, filepath.Join(path, "top/a/file"), "")
	mount(t, "ramfs", filepath.Join(path, "top/a/mnt"))
	write(t, filepath.Join(path, "top/a/mnt/file"), "elsewhere")
	wantErr(t, d.RemoveTree("top", true, nil), ErrNotEmpty, "top")
	if got := walk(t, path); !slices.Equal(got, []string{"top", "top/a", "top/a/mnt", "top/a/mnt/file"}) {
		t.Errorf("left: %q", got)
	}
	if err := d.RemoveTree("top", false, nil); !errors.Is(err, unix.EBUSY) {
		t.Errorf("a mount point is removed: %v", err)
	}
	if got := walk(t, path); !slices.Equal(got, []string{"top", "top/a", "top/a/mnt"}) {
		t.Errorf("left: %q", got)
	}
}

func TestRemoveTreeSparesLiveRuns(t *testing.T) {
	d, _ := testDir(t)
	must(t, d.Mkdir("top"))
	top, err := d.OpenDir("top")
	must(t, err)
	defer top.Close()
	s, err := top.Stage("x")
	must(t, err)
	wantErr(t, d.RemoveTree("top", false, nil), ErrNotEmpty, "top")
	must(t, s.Commit())
	must(t, d.RemoveTree("top", false, nil))
}

func TestRemoveTreeOfADeepOne(t *testing.T) {
	d, path := testDir(t)
	cur := d
	for range 500 {
		must(t, cur.Mkdir("d"))
		next, err := cur.OpenDir("d")
		must(t, err)
		if cur != d {
			cur.Close()
		}
		cur = next
	}
	cur.Close()
	must(t, d.RemoveTree("d", false, nil))
	if got := walk(t, path); len(got) != 0 {
		t.Errorf("left: %d", len(got))
	}
}
