package syncd

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestBesides follows removals: only directories above what is being removed are
// remembered, those with a backup of their own stay, and others go.
func TestBesides(t *testing.T) {
	var s besides
	for i := range 1000 {
		dir := fmt.Sprint("many/", i)
		s.enter(dir)
		s.got(dir + "/file")
		if !s.in(dir) {
			t.Fatalf("%s does not stay", dir)
		}
	}
	if len(s) != 1 {
		t.Errorf("%d directories are remembered", len(s))
	}
	s.enter("a")
	s.enter("a/b")
	s.enter("a/b/c")
	s.got("a/b/file")
	s.got("elsewhere/file")
	s.got("file")
	for dir, stays := range map[string]bool{"a": false, "a/b": true, "a/b/c": false, "elsewhere": false, "": false, ".": false} {
		if s.in(dir) != stays {
			t.Errorf("%q stays: %t", dir, s.in(dir))
		}
	}
	s.enter("a/b2")
	if s.in("a/b") || len(s) != 2 {
		t.Errorf("a sibling has %v", s)
	}
	s.enter("a/b2") // again, the first time was not ended
	s.got("a/b2/file")
	if !s.in("a/b2") || len(s) != 2 {
		t.Errorf("the second time has %v", s)
	}
}

// TestPathInside has directories for backups in the tree and elsewhere.
func TestPathInside(t *testing.T) {
	for _, c := range []struct{ dir, p, want string }{
		{"/dst", "/dst/old", "old"}, {"/dst", "/dst/a/b", "a/b"}, {"/dst", "/dst", ""}, {"/dst", "/dst2/old", ""}, {"/dst/in", "/dst", ""},
		{"/", "/old", "old"}, {"/", "/", ""}, {"", "old/b", "old/b"}, {"", "", ""}, {"in", "in/old", "old"}, {"in", "old", ""}, {"in", "inside", ""},
	} {
		if got := pathInside(c.dir, c.p); got != c.want {
			t.Errorf("%s in %s is %q, want %q", c.p, c.dir, got, c.want)
		}
	}
}

// TestRealPath follows symlinks as far as there is something of a path.
func TestRealPath(t *testing.T) {
	dir := realPath(t.TempDir())
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]string{"": "", "a": "a", "a/b/c": "a/b/c", "link": "", "link/a/b": "a/b", "a/../b": "b"} {
		if got := realPath(dir + "/" + p); got != filepath.Join(dir, want) {
			t.Errorf("%s is %s", p, got)
		}
	}
}
