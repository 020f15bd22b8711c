package syncd

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
)

// view is the tree that a source shows. With one argument "dir/" that is the
// directory's content; with any others, as with rsync, a root that has one
// entry for each argument. That root stands for no directory: its metadata
// are not sent, and nothing beside its entries may be deleted.
type view struct {
	root *tree.Root // the content, nil if args are shown
	args []arg      // sorted by name
}

// arg is one argument as an entry of the view's root.
type arg struct {
	name string // how it is shown
	root *tree.Root
	base string // its name in root
	path string // as it was given
}

// opener opens a path that was given as an argument: its directory as a root.
type opener func(path string) (*tree.Root, error)

// openView builds the view of paths. The error says which path can't be had.
func openView(paths []string, open opener) (_ *view, err error) {
	v := &view{}
	defer func() {
		if err != nil {
			v.Close()
		}
	}()
	if len(paths) == 1 && isContent(paths[0]) {
		v.root, err = open(paths[0])
		return v, err
	}
	for _, p := range paths {
		if isContent(p) {
			return v, Exitf(ExitUsage, "%s: the content of a directory can only be sent alone: give one source, or leave out the trailing slash", p)
		}
		root, err := open(path.Dir(p))
		if err != nil {
			return v, err
		}
		a := arg{name: path.Base(p), root: root, base: path.Base(p), path: p}
		v.args = append(v.args, a)
		dir, err := root.Dir("")
		if err != nil {
			return v, err
		}
		_, err = dir.Entry(a.base, tree.Want{})
		dir.Close()
		if err != nil {
			return v, Exitf(ExitPartial, "%s: %w", p, cause(err))
		}
	}
	slices.SortFunc(v.args, func(a, b arg) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(v.args); i++ {
		if v.args[i].name == v.args[i-1].name {
			return v, Exitf(ExitUsage, "two sources are called %q", v.args[i].name)
		}
	}
	return v, nil
}

// isContent reports whether a path means the content of a directory.
func isContent(p string) bool {
	return p == "" || strings.HasSuffix(p, "/") || path.Base(p) == "." || path.Base(p) == ".."
}

// single reports whether the view shows one entry that is no directory.
func (v *view) single() bool {
	if len(v.args) != 1 {
		return false
	}
	dir, err := v.args[0].root.Dir("")
	if err != nil {
		return false
	}
	defer dir.Close()
	e, err := dir.Entry(v.args[0].base, tree.Want{})
	return err == nil && !e.IsDir()
}

// rename shows the single entry under another name.
func (v *view) rename(name string) { v.args[0].name = name }

// arg returns the argument that is shown as name.
func (v *view) arg(name string) (arg, bool) {
	i, ok := slices.BinarySearchFunc(v.args, name, func(a arg, name string) int { return strings.Compare(a.name, name) })
	if !ok {
		return arg{}, false
	}
	return v.args[i], true
}

// given returns the path p of a view of arguments as it would be given as one.
func (v *view) given(p string) string {
	first, rest, _ := strings.Cut(p, "/")
	a, _ := v.arg(first)
	return path.Join(a.path, rest)
}

// dir opens the directory at a path of the view. It is an error for the root
// of a view of arguments, which is none.
func (v *view) dir(p string) (*tree.Dir, error) {
	if v.root != nil {
		return v.root.Dir(p)
	}
	first, rest, _ := strings.Cut(p, "/")
	a, ok := v.arg(first)
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
	}
	return a.root.Dir(path.Join(a.base, rest))
}

// parent opens the directory that holds p and returns p's name in it.
func (v *view) parent(p string) (*tree.Dir, string, error) {
	dir, name := path.Split(p)
	if v.root == nil && dir == "" {
		a, ok := v.arg(p)
		if !ok {
			return nil, "", &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
		}
		d, err := a.root.Dir("")
		return d, a.base, err
	}
	d, err := v.dir(strings.TrimSuffix(dir, "/"))
	return d, name, err
}

// entry returns the metadata of an argument under the name it is shown by.
func (v *view) entry(a arg, w tree.Want, e *wire.Entry) error {
	dir, err := a.root.Dir("")
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.EntryInto(a.base, w, e); err != nil {
		return err
	}
	e.Name = a.name
	return nil
}

// dev is the file system that OneFS keeps to.
func (v *view) dev(p string) uint64 {
	if v.root != nil {
		return v.root.Dev()
	}
	first, _, _ := strings.Cut(p, "/")
	a, ok := v.arg(first)
	if !ok {
		return 0
	}
	var e wire.Entry
	if err := v.entry(a, tree.Want{}, &e); err != nil {
		return 0
	}
	return e.Dev
}

// Close closes the roots.
func (v *view) Close() {
	if v.root != nil {
		v.root.Close()
	}
	for _, a := range v.args {
		a.root.Close()
	}
}

// cause takes the path out of an error, for callers that name a better one.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
