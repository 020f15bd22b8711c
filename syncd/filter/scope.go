package filter

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Scope is a list as it stands in one directory: with the rules of the merge
// files there and above. It is immutable.
type Scope struct {
	list *List
	// merges are the dir-merge rules in force: those of the list, then those
	// that merge files made. sets[i] are the rules of merges[i].
	merges []*dirMerge
	sets   []*ruleSet
}

// Match returns the verdict on an entry of the scope's directory. path is
// relative to the root of the transfer, as for List.Match.
func (s *Scope) Match(path string, isDir bool, side Side) Verdict {
	return s.list.ask(query{path: path, isDir: isDir, side: side, scope: s})
}

// MatchXattr returns the verdict of the rules with the "x" modifier on the name
// of an extended attribute of an entry in the scope's directory.
func (s *Scope) MatchXattr(name string, side Side) Verdict {
	return s.list.ask(query{path: name, xattr: true, side: side, scope: s})
}

// rules returns the rules that stand at the place of m.
func (s *Scope) rules(m *dirMerge) *ruleSet {
	if s != nil {
		if i := slices.Index(s.merges, m); i >= 0 {
			return s.sets[i]
		}
	}
	return nil
}

// Enter returns the scope of the directory dir, whose path is relative to the
// root of the transfer ("" or "." for the root). parent is the scope of the
// directory above, nil for the first directory of a walk. Without dir-merge
// rules, or where the directory adds nothing to them, it is parent again.
//
// open opens a merge file and returns fs.ErrNotExist if there is no such
// regular file. name is one element, a file in dir. For the first directory of
// a walk it is also called with the absolute paths of files in the directories
// above, if a dir-merge rule names such a directory ("dir-merge
// /.rsync-filter"); one who serves a module answers these with
// fs.ErrNotExist, and so the names that the module's own rules exclude: a peer
// chooses name and could read such a file by its effects.
//
// An error means that rules are missing, so nothing in dir is to be sent or
// deleted.
func (l *List) Enter(parent *Scope, dir string, open func(name string) (io.ReadCloser, error)) (*Scope, error) {
	first := parent == nil
	if first {
		parent = &Scope{list: l, merges: l.merges, sets: make([]*ruleSet, len(l.merges))}
	}
	if len(parent.merges) == 0 {
		return parent, nil
	}
	if dir == "." {
		dir = ""
	}
	e := entering{
		loader: loader{merges: slices.Clone(parent.merges), used: new(int), from: fromTree, open: open, nul: l.From0},
		root:   l.Root,
		dir:    dir,
	}
	changed := false
	sets := make([]*ruleSet, 0, len(e.merges))
	// The loop meets the rules that the files add to e.merges.
	for i := 0; i < len(e.merges); i++ {
		var before *ruleSet
		if i < len(parent.sets) {
			before = parent.sets[i]
		}
		set, err := e.merge(e.merges[i], before, first)
		if err != nil {
			return nil, fmt.Errorf("filter rules of directory %q: %w", dir, err)
		}
		sets = append(sets, set)
		changed = changed || set != before
	}
	if !changed {
		return parent, nil
	}
	return &Scope{list: l, merges: e.merges, sets: sets}, nil
}

// entering is the work of one Enter. It mirrors push_local_filters in
// exclude.c.
type entering struct {
	loader
	root string
	dir  string
}

// merge returns the rules of m in the directory, given those in the directory
// above.
func (e *entering) merge(m *dirMerge, before *ruleSet, first bool) (*ruleSet, error) {
	inherited := before
	if m.mods.has(noInherit) {
		inherited = nil
	}
	if first && strings.Contains(m.path, "/") {
		var err error
		if inherited, err = e.scanParents(m); err != nil {
			return nil, err
		}
	}
	return e.readFile(m, m.name, anchor{dir: e.dir}, inherited)
}

// scanParents reads m's file in the directories from the one that it names
// down to the parent of the first directory. It mirrors setup_merge_file in
// exclude.c.
func (e *entering) scanParents(m *dirMerge) (*ruleSet, error) {
	if e.root == "" {
		return nil, nil
	}
	here := path.Join("/", e.root, e.dir)
	from := path.Dir(m.path)
	if !path.IsAbs(from) {
		from = path.Join(here, from)
	}
	from = path.Clean(from)
	below, ok := strings.CutPrefix(here, strings.TrimSuffix(from, "/")+"/")
	if !ok || below == "" {
		return nil, nil // not a directory above
	}
	var set *ruleSet
	for dir := from; ; {
		if m.mods.has(noInherit) {
			set = nil
		}
		var err error
		at := anchor{dir: strings.Trim(dir, "/"), absolute: true}
		if set, err = e.readFile(m, path.Join(dir, m.name), at, set); err != nil {
			return nil, err
		}
		next, rest, more := strings.Cut(below, "/")
		if !more {
			break
		}
		dir, below = path.Join(dir, next), rest
	}
	if m.mods.has(noInherit) {
		set = nil
	}
	return set, nil
}

// readFile returns the rules of one merge file in front of those it inherits;
// just these if there is no such file.
func (e *entering) readFile(m *dirMerge, name string, at anchor, inherited *ruleSet) (*ruleSet, error) {
	f, err := e.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return inherited, nil
	}
	if err != nil {
		return nil, fmt.Errorf("merge file: %w", err)
	}
	defer f.Close()
	set := &ruleSet{inherited: inherited}
	e.set, e.anchor = set, at
	if err := e.read(f, m.mods, filterNotation); err != nil {
		return nil, fmt.Errorf("merge file %s: %w", name, err)
	}
	return set, nil
}
