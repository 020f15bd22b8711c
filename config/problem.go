package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File string // the file, or the environment variable; "" if from neither
	Line int    // in File; 0 if unknown
	Key  string // "modules[1].path"; "" if no key is to blame
	Text string // what to do
}

func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	return b.String() + p.Text
}

// Error is all that is wrong with a configuration; it is never empty. Its text
// has a line for each problem.
type Error []Problem

func (e Error) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// problems collects what is wrong. A key has only its first problem: later ones
// of it, and those of the keys in it, follow from that.
type problems struct {
	found []Problem
	seen  map[string]bool
}

func (ps *problems) add(key, format string, args ...any) {
	ps.append(Problem{Key: key, Text: fmt.Sprintf(format, args...)})
}

func (ps *problems) append(p Problem) {
	for key := p.Key; key != ""; key = parent(key) {
		if ps.seen[key] {
			return
		}
	}
	if ps.seen == nil {
		ps.seen = make(map[string]bool)
	}
	ps.seen[p.Key] = true
	ps.found = append(ps.found, p)
}

// inFile names the file of all problems that have none.
func (ps *problems) inFile(file string) {
	for i := range ps.found {
		if ps.found[i].File == "" {
			ps.found[i].File = file
		}
	}
}

// parent returns the key around a key: "modules[1]" for "modules[1].name", "" for
// the outermost.
func parent(key string) string { return key[:max(strings.LastIndexAny(key, ".["), 0)] }

// err returns the problems in the order of lines, nil if there are none.
func (ps *problems) err() error {
	if len(ps.found) == 0 {
		return nil
	}
	slices.SortStableFunc(ps.found, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return Error(ps.found)
}
