package syncd

import "testing"

// TestLeadsOut has symlinks of a tree lead here and there.
func TestLeadsOut(t *testing.T) {
	for _, c := range []struct {
		path, target string
		unsafe       bool
	}{
		{"l", "", true}, {"l", "/abs", true}, {"l", "a", false}, {"l", "a/b", false}, {"l", "..", true}, {"d/l", "..", false}, {"d/l", "../a", false},
		{"d/l", "../../a", true}, {"d/e/l", "../../a", false}, {"d/e/l", "../..", true}, {"d/e/l", "a/../b", true}, {"d/e/l", "./../b", true},
		{"d/e/l", "a/..", true}, {"l", "...", false}, {"d/l", "..//a", false}, {"d/l", "../a/./b", false},
	} {
		if got := leadsOut(c.target, c.path); got != c.unsafe {
			t.Errorf("%s -> %q: unsafe %t, want %t", c.path, c.target, got, c.unsafe)
		}
	}
}
