package rsyncd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Bounds, beyond any configuration that people write.
const (
	maxBytes   = 16 << 20 // of all files
	maxFiles   = 1000
	maxDepth   = 10 // of files that include files
	maxModules = 10000
)

// A setting is the value of a parameter and where it was found.
type setting struct {
	name  string // as written
	value string
	at    place
}

// A place is a line of a file.
type place struct {
	file string
	line int
}

func (p place) errorf(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", p.file, p.line, fmt.Errorf(format, args...))
}

// settings are parameters by their canonical name.
type settings map[string]setting

func (s settings) clone() settings {
	c := make(settings, len(s))
	for name, v := range s {
		c[name] = v
	}
	return c
}

// A section is a module: its own parameters over the defaults that were in
// force where it began.
type section struct {
	name string
	at   place
	set  settings
}

// parser reads files one after the other into sections.
type parser struct {
	global   settings // parameters of the daemon
	defaults settings // for modules that begin from here on
	sections []*section
	current  *section // nil: the global part
	notes    []Note
	read     func(path string) ([]byte, error)
	bytes    int
	files    int
	where    place
}

func newParser() *parser {
	return &parser{global: settings{}, defaults: settings{}, read: os.ReadFile}
}

// file reads one file in place of the line that is being read.
func (p *parser) file(path string, depth int) error {
	from := p.where
	raw, err := p.read(path)
	if err == nil {
		p.files++
		p.bytes += len(raw)
		switch {
		case depth > maxDepth:
			err = fmt.Errorf("%s: files include each other more than %d deep", path, maxDepth)
		case p.files > maxFiles || p.bytes > maxBytes:
			err = fmt.Errorf("%s: more than %d files or %d bytes in all", path, maxFiles, maxBytes)
		}
	}
	if err != nil {
		if from.file != "" {
			return from.errorf("%w", err)
		}
		return err
	}
	if err := p.text(path, raw, depth); err != nil {
		return err
	}
	p.where = from
	return nil
}

// text reads the lines of a file. A backslash at the end of a line joins it
// with the next; of a comment, it does not (params.c:Continuation, EatComment).
func (p *parser) text(path string, raw []byte, depth int) error {
	p.where = place{file: path}
	for len(raw) > 0 {
		p.where.line++
		first := p.where.line
		var line []byte
		line, raw = cutLine(raw)
		line = bytes.TrimLeft(line, blanks)
		if len(line) == 0 || line[0] == '#' || line[0] == ';' {
			continue
		}
		text := string(line)
		for len(raw) > 0 {
			head, continued := strings.CutSuffix(strings.TrimRight(text, blanks), "\\")
			if !continued {
				break
			}
			p.where.line++
			line, raw = cutLine(raw)
			text = head + string(line)
		}
		last := p.where.line
		p.where.line = first
		if err := p.statement(text, depth); err != nil {
			return err
		}
		p.where.line = last
	}
	return nil
}

const blanks = " \t\r\v\f"

// cutLine cuts off the first line, without its newline.
func cutLine(raw []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(raw, []byte("\n"))
	return line, rest
}

// statement takes one line, joined with those that continue it.
func (p *parser) statement(text string, depth int) error {
	if i := strings.IndexByte(text, 0); i >= 0 {
		return p.where.errorf("a NUL byte in %q", text[:i])
	}
	switch text[0] {
	case '[':
		return p.header(text)
	case '&':
		return p.directive(text, depth)
	}
	name, value, ok := strings.Cut(text, "=")
	name = strings.Join(strings.Fields(name), " ")
	switch {
	case !ok:
		p.note(Note{Text: fmt.Sprintf("the line has neither \"=\" nor a meaning: %.100q", strings.TrimSpace(text))})
		return nil
	case name == "":
		return p.where.errorf("a value without a parameter in front of the \"=\"")
	}
	p.parameter(setting{name: name, value: strings.Trim(value, blanks), at: p.where})
	return nil
}

// header begins a module, goes on with one that is there already, or goes back
// to the global part (loadparm.c:do_section).
func (p *parser) header(text string) error {
	name, rest, ok := strings.Cut(text[1:], "]")
	name = strings.Join(strings.Fields(name), " ")
	switch {
	case !ok:
		return p.where.errorf("the name of a module has no \"]\" behind it")
	case name == "":
		return p.where.errorf("the name of the module is empty")
	case strings.Contains(name, "/"):
		return p.where.errorf("the name of a module can't have a \"/\": %q", name)
	}
	if rest = strings.TrimSpace(rest); rest != "" {
		p.note(Note{Text: fmt.Sprintf("text behind the name of a module has no meaning: %.100q", rest)})
	}
	if p.current = nil; canonical(name) == "global" {
		return nil
	}
	for _, s := range p.sections {
		if canonical(s.name) == canonical(name) {
			p.current = s
			return nil
		}
	}
	if len(p.sections) == maxModules {
		return p.where.errorf("more than %d modules", maxModules)
	}
	p.current = &section{name: name, at: p.where, set: p.defaults.clone()}
	p.sections = append(p.sections, p.current)
	return nil
}

// parameter files a setting away.
func (p *parser) parameter(s setting) {
	name := canonical(s.name)
	if other, ok := aliases[name]; ok {
		name = other
	}
	global, known := known(name)
	switch {
	case !known:
		p.note(Note{Name: s.name, Text: "unknown parameter"})
	case global && p.current != nil:
		p.note(Note{Name: s.name, Text: "it belongs into the global part, and has no effect in a module"})
	case global:
		p.global[name] = s
	case p.current != nil:
		p.current.set[name] = s
	default:
		p.defaults[name] = s
	}
}

// directive reads the files of &include or &merge. What is included begins in
// the global part and changes no defaults behind it; what is merged is as if it
// stood there (params.c:include_config).
func (p *parser) directive(text string, depth int) error {
	name, arg, _ := strings.Cut(text[1:], " ")
	if i := strings.IndexAny(name, "\t="); i >= 0 {
		name, arg = name[:i], name[i:]+" "+arg
	}
	arg = strings.Trim(arg, blanks+"=")
	var ending string
	switch name {
	case "include":
		ending = ".conf"
	case "merge":
		ending = ".inc"
	default:
		return p.where.errorf("&%s is neither &include nor &merge", name)
	}
	if arg == "" {
		return p.where.errorf("&%s names no file or directory", name)
	}
	files, err := includedFiles(arg, ending)
	if err != nil {
		return p.where.errorf("%w", err)
	}
	for _, file := range files {
		before := p.defaults
		if name == "include" {
			p.defaults, p.current = before.clone(), nil
		}
		if err := p.file(file, depth+1); err != nil {
			return err
		}
		if name == "include" {
			p.defaults, p.current = before, nil
		}
	}
	return nil
}

// includedFiles returns path, or the files of that ending if it is a directory.
func includedFiles(path, ending string) (files []string, err error) {
	st, err := os.Stat(path)
	if err != nil || !st.IsDir() {
		return []string{path}, err
	}
	entries, err := os.ReadDir(path) // in order
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ending) {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	return files, err
}

// canonical is a name as it is compared: without case and blanks
// (loadparm.c:strwicmp).
func canonical(name string) string {
	return strings.ToLower(strings.Join(strings.Fields(name), ""))
}
