package filter

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPatternMatchesPaths(t *testing.T) {
	dir, file := true, false
	tests := []struct {
		name, pattern string
		path          string
		isDir         bool
		want          bool
	}{
		{"a bare name matches the last element", "foo", "a/b/foo", file, true},
		{"a bare name does not match inside an element", "foo", "a/xfoo", file, false},
		{"a slash inside matches the last elements", "foo/bar", "a/foo/bar", file, true},
		{"a slash inside needs whole elements", "foo/bar", "xfoo/bar", file, false},
		{"a slash inside needs enough elements", "foo/bar", "bar", file, false},
		{"a leading slash anchors", "/foo", "foo", file, true},
		{"a leading slash does not match below", "/foo", "a/foo", file, false},
		{"a trailing slash matches a directory", "foo/", "a/foo", dir, true},
		{"a trailing slash matches no file", "foo/", "a/foo", file, false},
		{"only the last slash counts as trailing", "foo//", "foo", dir, false},
		{"a star matches nothing", "a*b", "ab", file, true},
		{"a star stops at a slash", "/a*b", "a/b", file, false},
		{"a trailing star stops at a slash", "/a/*", "a/b/c", file, false},
		{"two stars pass slashes", "/a**c", "a/b/c", file, true},
		{"two stars need their slashes", "/foo/**/bar", "foo/bar", file, false},
		{"two stars match several elements", "/foo/**/bar", "foo/x/y/bar", file, true},
		{"leading two stars match at the start", "**/foo", "foo", file, true},
		{"leading two stars match below", "**/foo", "a/b/foo", file, true},
		{"two stars inside may start after any slash", "b**d", "a/b/c/d", file, true},
		{"two stars inside start at an element", "b**d", "ab/c/d", file, false},
		{"three stars match the directory itself", "/foo/***", "foo", dir, true},
		{"three stars do not match a file of that name", "/foo/***", "foo", file, false},
		{"three stars match the contents", "/foo/***", "foo/a/b", file, true},
		{"a question mark is one byte", "fo?", "foo", file, true},
		{"a question mark is not a slash", "/a?b", "a/b", file, false},
		{"a question mark is not nothing", "foo?", "foo", file, false},
		{"a suffix", "*.o", "a/foo.o", file, true},
		{"a suffix may be all", "*.o", ".o", file, true},
		{"a suffix that is not there", "*.o", "a.o/foo", file, false},
		{"a class", "[abc]", "b", file, true},
		{"a range", "[a-c]", "d", file, false},
		{"a range whose end is escaped", `[a-\]]`, "b", file, false},
		{"a class negated by an exclamation mark", "[!a]", "b", file, true},
		{"a class negated by a caret", "[^a]", "a", file, false},
		{"a negated class is not a slash", "/a[!b]c", "a/c", file, false},
		{"a bracket first in a class is a member", "[]a]", "]", file, true},
		{"a dash last in a class is a member", "[a-]", "-", file, true},
		{"a dash after a range is a member", "[a-c-e]", "d", file, false},
		{"a named class", "[[:digit:]]", "5", file, true},
		{"a named class among others", "[[:upper:]_]", "_", file, true},
		{"a name that is not closed is a set", "[[:]", ":", file, true},
		{"an unknown class matches nothing", "[[:x:]]", "x", file, false},
		{"a class without end matches nothing", "[a", "[a", file, false},
		{"a backslash escapes in a pattern with wildcards", `\*[b]`, "*b", file, true},
		{"a backslash is literal without wildcards", `a\b`, `a\b`, file, true},
		{"a backslash before a letter vanishes beside wildcards", `a\b*`, "ab", file, true},
		{"a backslash at the end matches nothing beside wildcards", `*\`, `a\`, file, false},
		{"bytes that are not UTF-8", "[\x80-\xff]?", "\xc3\xa4", file, true},
		{"the slash alone", "/", "a", dir, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := compile(test.pattern, 0, anchor{})
			if got := p.match("", test.path, test.isDir); got != test.want {
				t.Errorf("pattern %q, path %q, directory %v: got %v, want %v", test.pattern, test.path, test.isDir, got, test.want)
			}
		})
	}
}

func TestPatternSeesRoot(t *testing.T) {
	tests := []struct {
		name, pattern, root, path string
		want                      bool
	}{
		{"anchored", "/srv/data/a", "srv/data", "a", true},
		{"anchored elsewhere", "/data/a", "srv/data", "a", false},
		{"the last elements", "data/a", "srv/data", "a", true},
		{"a bare name sees no root", "data", "srv/data", "a", false},
		{"stars", "/srv/**/b", "srv/data", "a/b", true},
		{"leading stars need a slash before them", "**/srv/data/a", "srv/data", "a", false},
		{"leading stars", "**/data/a", "srv/data", "a", true},
		{"no root", "/a", "", "a", true},
		{"leading stars and no root", "**/a", "", "a", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := compile(test.pattern, absolute, anchor{})
			if got := p.match(test.root, test.path, false); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestPatternSizesAroundAWord matches patterns of n tokens for the n around
// which the sets of states get another word.
func TestPatternSizesAroundAWord(t *testing.T) {
	for _, n := range []int{1, 2, 62, 63, 64, 65, 126, 127, 128, 129, 191, 192, 193, 4095} {
		for _, star := range []string{"*", "**"} {
			for at := range 3 {
				literal := strings.Repeat("ab", n)[:n-1]
				cut := at * len(literal) / 2
				pattern := literal[:cut] + star + literal[cut:]
				if len(pattern) > maxPattern {
					continue
				}
				tokens, ok := tokenize(pattern)
				if !ok || len(tokens) != n {
					t.Fatalf("%d tokens, want %d", len(tokens), n)
				}
				a := newAutomaton(pattern, false)
				for text, want := range map[string]bool{
					literal:                                     true,
					literal[:cut] + "xyz" + literal[cut:]:       true,
					literal[:cut] + "x/z" + literal[cut:]:       star == "**",
					literal[:cut] + "xyz" + literal[cut:] + "!": cut == len(literal),
					"!" + literal:                               cut == 0,
				} {
					if got := a.match(false, text, false); got != want {
						t.Errorf("%d tokens, %s at %d, text of %d bytes: got %v, want %v", n, star, cut, len(text), got, want)
					}
				}
			}
		}
	}
}

// TestPatternIsNeverExponential runs the patterns that a matcher with
// backtracking does not finish.
func TestPatternIsNeverExponential(t *testing.T) {
	name := strings.Repeat("a", 4095)
	for _, pattern := range []string{
		strings.Repeat("*a", 2000) + "b",
		strings.Repeat("**a", 1300) + "b",
		strings.Repeat("a*", 2000) + "b",
		"**" + strings.Repeat("a", 2000) + "b**" + strings.Repeat("a", 2000),
		strings.Repeat("**[ab]*", 500) + "[!a]",
	} {
		t.Run(fmt.Sprintf("%.12s of %d bytes", pattern, len(pattern)), func(t *testing.T) {
			start := time.Now()
			p := compile(pattern, 0, anchor{})
			if p.match("", name, false) {
				t.Error("matched")
			}
			// Some 300,000 word operations; the limit is for a loaded machine.
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	path := "usr/share/doc/package-1.2.3/examples/configuration.example.gz"
	for _, pattern := range []string{"*.o", "configuration.*", "/usr/share/**/ex*/*.xz", "doc/*/examples/*", "core"} {
		b.Run(pattern, func(b *testing.B) {
			p := compile(pattern, 0, anchor{})
			for b.Loop() {
				p.match("", path, false)
			}
		})
	}
}
