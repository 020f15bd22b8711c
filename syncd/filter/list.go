package filter

import (
	"io"
	"os"
	"slices"
	"strings"
)

// List is an ordered list of filter rules. Its zero value has none. Set the
// fields before the first rule is added, or DeleteExcluded before the first Match.
type List struct {
	// Root is the absolute path of the transfer's root: what rules with the
	// "/" modifier see in front of a path, and what dir-merge rules with a
	// slash in the file's name scan from. A daemon gives the path inside its
	// module, with a leading slash.
	Root string
	// DeleteExcluded makes rules that name no side rules for the sender only
	// (--delete-excluded).
	DeleteExcluded bool
	// From0 ends the lines of merge files with NUL instead of newline
	// (--from0).
	From0 bool
	// Open opens the file of a "." rule, and may return fs.ErrNotExist; nil is
	// for the files of this host.
	Open func(name string) (io.ReadCloser, error)

	set    ruleSet
	merges []*dirMerge
	used   int // bytes taken out of maxTotal
}

// AddRule adds a rule in the notation of --filter. A "." rule reads its file,
// relative to the working directory; "-" is standard input. Empty text adds
// nothing.
func (l *List) AddRule(text string) error {
	return l.add(text, 0, filterNotation, fromUser)
}

// AddExclude adds a rule in the notation of --exclude: a pattern, or "- " or
// "+ " and a pattern, or "!".
func (l *List) AddExclude(text string) error {
	return l.add(text, 0, patternNotation, fromUser)
}

// AddInclude adds a rule in the notation of --include.
func (l *List) AddInclude(text string) error {
	return l.add(text, include, patternNotation, fromUser)
}

// AddFrom adds the rules of --exclude-from, or of --include-from if inc. They
// end with newline or carriage return, or with NUL if nul. Empty ones and
// those that begin with ";" or "#" are skipped. Errors have the line's number.
func (l *List) AddFrom(r io.Reader, inc, nul bool) error {
	var in modifiers
	if inc {
		in = include
	}
	ld := l.loader(fromUser)
	ld.nul = nul
	err := ld.read(r, in, patternNotation)
	l.merges = ld.merges
	return err
}

// Empty reports whether the list, which may be nil, has no rule of its own: then
// Match says None to everything.
func (l *List) Empty() bool { return l == nil || len(l.set.rules) == 0 }

// Match returns the verdict on path, which is relative to the root of the
// transfer and has no slash at its start. Per-directory rules are not known
// here; see Scope.Match. The root itself, "" or ".", matches no rule.
func (l *List) Match(path string, isDir bool, side Side) Verdict {
	return l.ask(query{path: path, isDir: isDir, side: side})
}

// Excluded reports whether path is excluded or lies in a directory that is:
// for one who has not come through the directories above, a daemon that is
// given a path.
func (l *List) Excluded(path string, isDir bool, side Side) bool {
	for i := range len(path) {
		if path[i] == '/' && l.Match(path[:i], true, side) == Exclude {
			return true
		}
	}
	return l.Match(path, isDir, side) == Exclude
}

// HasXattrRules reports whether the list has rules with the "x" modifier.
// Without them stock rsync has rules of its own for attributes, see --xattrs.
func (l *List) HasXattrRules() bool {
	return slices.ContainsFunc(l.set.rules, func(r *rule) bool { return r.mods.has(xattr) })
}

// PerDirectory returns the name of the first file that a dir-merge rule looks for
// in each directory, "" without such a rule.
func (l *List) PerDirectory() string {
	if len(l.merges) == 0 {
		return ""
	}
	return l.merges[0].path
}

// ask completes q and returns the verdict.
func (l *List) ask(q query) Verdict {
	if q.path == "" || q.path == "." {
		return None
	}
	q.root, q.delExcluded = strings.Trim(l.Root, "/"), l.DeleteExcluded
	return q.verdict(&l.set)
}

// add adds the rule of text, which is quoted in the error.
func (l *List) add(text string, in modifiers, n notation, from origin) error {
	ld := l.loader(from)
	err := ld.add(text, in, n)
	l.merges = ld.merges
	if e, ok := err.(*SyntaxError); ok { // not one inside a file, which is wrapped
		e.Rule = text[:min(len(text), maxText)]
	}
	return err
}

func (l *List) loader(from origin) *loader {
	open := openLocal
	if l.Open != nil {
		open = l.Open
	}
	return &loader{set: &l.set, merges: l.merges, used: &l.used, from: from, open: open, nul: l.From0}
}

// opener opens the file of a "." rule. It may return fs.ErrNotExist.
type opener func(name string) (io.ReadCloser, error)

func openLocal(name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	return os.Open(name)
}
