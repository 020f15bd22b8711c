package rsync_test

import (
	"testing"

	"github.com/seed9553035b/syncd/wire/rsync"
)

// TestMatchName covers stock's notation of patterns.
func TestMatchName(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"*.example", "a.example", true},
		{"a?", "ab", true},
		{"[ab]", "b", true},
		{"[a-c]x", "bx", true},
		{"[!ab]", "c", true},
		{"[!ab]", "a", false},
		{"[!ab]", "!", true},
		{"[^ab]", "a", false},
		{"[a!]", "!", true},
		{"[a[!]", "!", true}, // a bracket inside is one of the characters
		{`\[!a]`, "[!a]", true},
		{`[\]!]`, "!", true},
		{"[!a][!b]", "ba", true},
		{"[!a][!b]", "bb", false},
	} {
		if got := rsync.MatchName(c.pattern, c.name); got != c.want || rsync.CheckPattern(c.pattern) != nil {
			t.Errorf("%s for %s: got %v, %v", c.pattern, c.name, got, rsync.CheckPattern(c.pattern))
		}
	}
	for _, bad := range []string{"[", "[!", "[a", "[]", "a[!]", `a\`, "[[:alpha:]]", "x[![:digit:]]", "[a[:"} {
		if rsync.CheckPattern(bad) == nil {
			t.Errorf("%s is taken", bad)
		}
		for _, name := range []string{"", "a", "1", bad} {
			if rsync.MatchName(bad, name) {
				t.Errorf("%s matches %q", bad, name)
			}
		}
	}
}
