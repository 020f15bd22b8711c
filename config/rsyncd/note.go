package rsyncd

import "fmt"

// A Note says what of a file has no effect, and why.
type Note struct {
	File   string
	Line   int
	Module string // "" for the global part
	Name   string // of the parameter, "" if it is about something else
	Text   string
	// Unsafe: without it, more is allowed than was meant.
	Unsafe bool
}

// String returns "file:line: [module] name: text".
func (n Note) String() string {
	s := fmt.Sprintf("%s:%d: ", n.File, n.Line)
	if n.Module != "" {
		s += "[" + n.Module + "] "
	}
	if n.Name != "" {
		s += n.Name + ": "
	}
	return s + n.Text
}

// note adds n, which is about the line that is being read.
func (p *parser) note(n Note) {
	n.File, n.Line = p.where.file, p.where.line
	if p.current != nil {
		n.Module = p.current.name
	}
	p.notes = append(p.notes, n)
}
