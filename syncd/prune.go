package syncd

import (
	"errors"
	"io/fs"
	"path"

	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
)

// With --prune-empty-dirs a directory is no part of the transfer unless there is
// something in it, at any depth, that is no directory, or a rule protects one
// (flist.c:flist_sort_and_clean). A source of ours does not list it; the lists of
// a stock source are cut by its sink.

// prunes reports whether the directory e, which is name in dir and p in the view,
// is left out. What can't be read is kept: its listing says why.
func (s *source) prunes(dir *tree.Dir, name, p string, e *wire.Entry) bool {
	if s.rules.Match(p, true, filter.Receiver) == filter.Exclude {
		return false
	}
	if s.oneFS && e.Dev != s.view.dev(p) {
		return true
	}
	d, err := dir.OpenDir(name)
	if err != nil {
		return false
	}
	defer d.Close()
	names, err := d.Names()
	if err != nil {
		return false
	}
	var sub wire.Entry
	for i := range names.Len() {
		name := names.Name(i)
		switch err := d.EntryInto(name, tree.Want{}, &sub); {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return false
		}
		below := path.Join(p, name)
		if s.excluded(below, sub.IsDir()) || sub.IsDir() && s.prunes(d, name, below, &sub) {
			continue
		}
		return false
	}
	return true
}

// prunesArg is prunes for an argument.
func (s *source) prunesArg(a arg, e *wire.Entry) bool {
	dir, err := a.root.Dir("")
	if err != nil {
		return false
	}
	defer dir.Close()
	return s.prunes(dir, a.base, a.name, e)
}

// pruneLists takes the directories without content out of the lists of a stock
// source, the root's first, each behind that of the directory it is in.
func pruneLists(all []*stockList, rules *filter.List) {
	kept := make(map[string]bool, len(all))
	for i := len(all) - 1; i >= 0; i-- {
		l := all[i]
		names := l.names[:0]
		for _, n := range l.names {
			p := path.Join(l.path, n.name)
			dir := l.File(int(n.ndx)).IsDir()
			if n.name == "." || !dir || kept[p] || rules != nil && rules.Match(p, true, filter.Receiver) == filter.Exclude {
				names = append(names, n)
				kept[l.path] = kept[l.path] || n.name != "."
			}
		}
		l.names = names
	}
}
