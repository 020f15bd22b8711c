package rsync

import (
	"fmt"
	"path"
)

// MatchName reports whether a name, of a host, a user or an option, matches a
// wildcard pattern of an rsyncd.conf (wildmatch.c). A pattern that CheckPattern
// refuses matches nothing.
func MatchName(pattern, name string) bool {
	p, err := goPattern(pattern)
	if err != nil {
		return false
	}
	ok, _ := path.Match(p, name) // goPattern has checked it
	return ok
}

// CheckPattern returns what is wrong with a pattern for MatchName.
func CheckPattern(pattern string) error {
	_, err := goPattern(pattern)
	return err
}

// goPattern returns the pattern in the notation of package path, which negates a
// class by "^" only, and has no named classes.
func goPattern(pattern string) (string, error) {
	p := []byte(pattern)
	inClass := false
	for i := 0; i < len(p); i++ {
		next := byte(0)
		if i+1 < len(p) {
			next = p[i+1]
		}
		switch {
		case p[i] == '\\':
			i++
		case !inClass && p[i] == '[':
			inClass = true
			if next == '!' {
				p[i+1] = '^'
			}
		case inClass && p[i] == '[' && next == ':':
			return "", fmt.Errorf("%q has a named class such as [:alpha:], which is not supported; list its characters", pattern)
		case inClass && p[i] == ']':
			inClass = false
		}
	}
	if _, err := path.Match(string(p), ""); err != nil {
		return "", fmt.Errorf("%q is no pattern: %w", pattern, err)
	}
	return string(p), nil
}
