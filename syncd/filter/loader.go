package filter

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	// maxTotal bounds the memory of a list, and of the rules that one
	// directory adds: a peer or a tree may hold any number of rules. A pattern
	// costs its text and, with wildcards, typically 0.5 KiB.
	maxTotal = 64 << 20
	// maxMerges bounds the dir-merge rules in force: each is an open(2) for
	// every directory.
	maxMerges = 64
	// maxNesting bounds "." rules inside the files of "." rules, which may
	// name themselves.
	maxNesting = 16
)

// ErrTooManyRules is returned for rules beyond the limits of memory, of
// per-directory files and of nesting.
var ErrTooManyRules = errors.New("too many filter rules")

// origin is where rules come from: it decides what else they may read.
type origin uint8

const (
	fromUser origin = iota // any file, and the environment
	fromTree               // a per-directory file: files of the same directory
	fromPeer               // nothing
)

// loader adds rules to one set.
type loader struct {
	set    *ruleSet
	merges []*dirMerge // all dir-merge rules in force, in the order of their making
	used   *int        // bytes taken out of maxTotal
	anchor anchor      // where leading slashes point
	from   origin
	open   opener // for "." rules
	nul    bool   // lines of files end with NUL
	depth  int    // of "." rules
}

// add adds one rule. It mirrors parse_filter_str in exclude.c.
func (ld *loader) add(text string, in modifiers, n notation) error {
	if text == "" {
		return nil
	}
	d, err := parse(text, in, n)
	if err != nil {
		return err
	}
	return ld.addDirective(d)
}

func (ld *loader) addDirective(d directive) error {
	switch {
	case d.verb == '!':
		ld.clear()
		return nil
	case d.verb == '.' || d.verb == ':':
		return ld.addMerge(d)
	case d.mods.has(cvs):
		ignores, err := ld.cvsIgnores(d.mods)
		if err != nil {
			return err
		}
		return ld.append(&rule{mods: d.mods, ignores: ignores}, 0)
	}
	return ld.addPattern(d.arg, d.mods)
}

func (ld *loader) addPattern(text string, mods modifiers) error {
	r := &rule{mods: mods, pattern: compile(text, mods, ld.anchor)}
	return ld.append(r, r.pattern.size())
}

// addMerge reads the file of a "." rule, or makes the place of a ":" rule.
func (ld *loader) addMerge(d directive) error {
	switch {
	case d.verb == ':':
	case ld.from == fromPeer:
		return syntaxError("a peer cannot have files of this host merged")
	case ld.from == fromTree && strings.Contains(d.arg, "/"):
		return syntaxError("a per-directory file cannot merge files of other directories")
	}
	name := d.arg[strings.LastIndexByte(d.arg, '/')+1:]
	if d.mods.has(excludeSelf) {
		d.mods &^= excludeSelf
		if err := ld.addPattern(name, 0); err != nil {
			return err
		}
	}
	if d.verb == '.' {
		return ld.file(d.arg, d.mods)
	}
	// Stock reads a file of one name once, for the first rule that has it.
	if slices.ContainsFunc(ld.merges, func(m *dirMerge) bool { return m.name == name }) {
		return nil
	}
	if len(ld.merges) == maxMerges {
		return fmt.Errorf("%w: more than %d per-directory files", ErrTooManyRules, maxMerges)
	}
	m := &dirMerge{mods: d.mods, path: d.arg, name: name}
	ld.merges = append(ld.merges, m)
	return ld.append(&rule{mods: d.mods, merge: m}, len(m.path))
}

// append puts r, of about n bytes beside itself, at the end of the set.
func (ld *loader) append(r *rule, n int) error {
	const ruleSize = 256
	if *ld.used += n + ruleSize; *ld.used > maxTotal {
		return fmt.Errorf("%w: more than %d MiB", ErrTooManyRules, maxTotal>>20)
	}
	ld.set.rules = append(ld.set.rules, r)
	return nil
}

// clear empties the set, of what it inherits too, and forgets the dir-merge
// rules that were made in it.
func (ld *loader) clear() {
	for _, r := range ld.set.rules {
		if i := slices.Index(ld.merges, r.merge); r.merge != nil && i >= 0 {
			ld.merges = slices.Delete(ld.merges, i, i+1)
		}
	}
	*ld.set = ruleSet{}
}

// file reads the merge file of a "." rule. It has to be there.
func (ld *loader) file(name string, in modifiers) error {
	if ld.depth == maxNesting {
		return fmt.Errorf("%w: merge file %s: nested %d deep", ErrTooManyRules, name, maxNesting)
	}
	f, err := ld.open(name)
	if err != nil {
		return fmt.Errorf("merge file: %w", err)
	}
	defer f.Close()
	ld.depth++
	defer func() { ld.depth-- }()
	if err := ld.read(f, in, filterNotation); err != nil {
		return fmt.Errorf("merge file %s: %w", name, err)
	}
	return nil
}

// read adds the rules of a file. It mirrors parse_filter_file in exclude.c.
func (ld *loader) read(r io.Reader, in modifiers, n notation) error {
	t := texts{r: bufio.NewReader(r), nul: ld.nul && !in.has(wordSplit), words: in.has(wordSplit), line: 1}
	for {
		text, err := t.next()
		if err == io.EOF {
			return nil
		}
		line := t.at
		if err == nil && t.words && n == filterNotation {
			text, err = t.join(text, in, n)
		}
		if err == nil {
			err = ld.add(text, in, n)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// texts splits a file into the texts of rules.
type texts struct {
	r     *bufio.Reader
	nul   bool // NUL ends a text, otherwise newline or carriage return
	words bool // white space ends a text, and there are no comments
	line  int  // where the next byte is
	at    int  // where the text that was returned began
}

// next returns the next text that is neither empty nor a comment; io.EOF
// behind the last one.
func (t *texts) next() (string, error) {
	for {
		text, err := t.token()
		if text != "" && (t.words || text[0] != ';' && text[0] != '#') {
			if err == io.EOF {
				err = nil // the text before the end; the next call meets it again
			}
			return text, err
		}
		if err != nil {
			return "", err
		}
	}
}

// token returns the bytes up to a separator, or up to the end with io.EOF.
// What is too long for a rule is cut, so that a file without separators takes
// no memory: the length is still too long for parse.
func (t *texts) token() (string, error) {
	var text []byte
	t.at = t.line
	for {
		b, err := t.r.ReadByte()
		if err != nil {
			return string(text), err
		}
		if b == '\n' {
			t.line++
		}
		if t.ends(b) {
			return string(text), nil
		}
		if len(text) <= maxText {
			text = append(text, b)
		}
	}
}

func (t *texts) ends(b byte) bool {
	switch {
	case t.words:
		return isSpace(b)
	case t.nul:
		return b == 0
	}
	return b == '\n' || b == '\r'
}

// join adds the next word to one that is a rule's name and nothing else:
// "- foo" in a word-split file is one rule.
func (t *texts) join(text string, in modifiers, n notation) (string, error) {
	if in.has(noPrefixes) {
		return text, nil
	}
	if d, err := parseNew(text); err != nil || !d.open || d.verb == '!' || d.mods.has(cvs) {
		return text, nil // an error is add's to report
	}
	arg, err := t.next()
	if err == io.EOF {
		return text, nil
	}
	return text + " " + arg, err
}
