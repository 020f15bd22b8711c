package tree

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSub(t *testing.T) {
	checkFDs(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a/b/file"), "")
	must(t, os.Symlink("/etc", filepath.Join(dir, "a/link")))
	r, err := OpenRoot(dir, false)
	must(t, err)
	defer r.Close()
	tests := []struct {
		path   string
		create bool
		err    error
	}{
		{"", false, nil}, {".", true, nil}, {"a", true, nil}, {"a/b", false, nil},
		{"a/new", false, fs.ErrNotExist}, {"a/new", true, nil}, {"made", true, nil},

		{"a/link", true, unix.ENOTDIR}, {"a/link/passwd", true, unix.ELOOP}, {"a/link/new", true, unix.ELOOP},
		{"a/b/file", true, unix.ENOTDIR}, {"../x", true, ErrName}, {"/a", true, ErrName}, {"a//b", true, ErrName},
	}
	for _, tt := range tests {
		sub, err := r.Sub(tt.path, tt.create)
		if tt.err != nil {
			wantErr(t, err, tt.err, tt.path)
			continue
		}
		must(t, err)
		if sub.Dev() != r.Dev() || sub.Path() != filepath.Join(dir, tt.path) {
			t.Errorf("%q: device %d, path %s", tt.path, sub.Dev(), sub.Path())
		}
		d, err := sub.Dir("")
		must(t, err)
		var st unix.Stat_t
		must(t, unix.Stat(filepath.Join(dir, tt.path), &st))
		if e := entry(t, d, ".", Want{Names: true}); e.Ino != st.Ino {
			t.Errorf("%q leads to another directory", tt.path)
		}
		must(t, d.Close())
		must(t, sub.Close())
	}
	_, err = r.Sub("a/none/new", true)
	wantErr(t, err, fs.ErrNotExist, "a/none") // what is missing, and is not made
	if info, err := os.Stat(filepath.Join(dir, "a/new")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("made with %v, %v", info.Mode(), err)
	}
}
