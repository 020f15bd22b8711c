package syncd

import (
	"errors"
	"io/fs"
	"path"

	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// errMaxDelete ends the deletions.
var errMaxDelete = errors.New("the limit of deletions is reached")

// deleteAll removes what the source does not have, and leftovers. Nothing of
// the former is removed if any listing had errors, unless --ignore-errors says so:
// a directory that could not be read would look as if it were empty.
func (k *sink) deleteAll() error {
	keep := k.noDeletes.Load() && !k.opt.IgnoreErrors
	if keep && k.opt.Delete {
		k.note(native.Note{Text: "nothing is deleted, since the listing had errors", Error: true})
	}
	skipped := int64(0)
	visit := k.visit()
	err := k.spool.each(func(kind byte, dir, name string) error {
		if err := k.interrupted(); err != nil {
			return err
		}
		if kind == spoolDelete && (keep || k.spool.limited) {
			if k.spool.limited {
				skipped++
			}
			return nil
		}
		err := k.deleteOne(kind, dir, name, visit)
		switch {
		case errors.Is(err, errMaxDelete):
			k.spool.limited = true
			skipped++
		case errors.Is(err, fs.ErrNotExist), err == nil:
		case errors.Is(err, tree.ErrNotEmpty):
			// A filter protects something in it: no failure, as with rsync.
			k.note(native.Note{Text: "cannot delete non-empty directory: " + Printable(join(dir, name))})
		default:
			k.failed(join(dir, name), err)
		}
		return nil
	})
	if skipped > 0 {
		k.note(native.Note{Text: "deletions stopped by --max-delete; the next run meets what is left", Error: true})
	}
	return err
}

func join(dir, name string) string { return (&node{path: dir}).join(name) }

func (k *sink) interrupted() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// deleteOne removes one name and all below it. The directory keeps the times
// and the mode that it was given.
func (k *sink) deleteOne(kind byte, in, name string, visit tree.Visit) error {
	if kind == spoolLeftover && (k.opt.DryRun || k.isKept(join(in, name))) || kind == spoolDelete && k.backup.isNew(join(in, name)) {
		return nil
	}
	dir, err := k.root.Dir(in)
	if err != nil {
		return err
	}
	defer dir.Close()
	if k.opt.DryRun {
		return k.countTree(dir, join(in, name), name, visit)
	}
	var before wire.Entry
	if err := dir.EntryInto(".", tree.Want{}, &before); err != nil {
		return err
	}
	if before.Mode&0o700 != 0o700 {
		_ = openUp(dir, ".", &before) // the removal says what is missing
	}
	if kind == spoolLeftover {
		err = dir.RemoveLeftover(name)
	} else {
		err = dir.RemoveTree(name, k.opt.OneFS, visit)
	}
	var after wire.Entry
	if e := dir.EntryInto(".", tree.Want{}, &after); e != nil {
		return errors.Join(err, e)
	}
	times := tree.Meta{Times: kind == spoolLeftover || !k.meta.OmitDirTimes, Perms: true}
	return errors.Join(err, times.ApplyAt(dir, ".", &before, &after))
}

// openUp lets the owner of a directory work in it, whatever the run keeps: it
// changes the mode and nothing else.
func openUp(dir *tree.Dir, name string, cur *wire.Entry) error {
	open := *cur
	open.Mode |= 0o700
	return (&tree.Meta{Perms: true}).ApplyAt(dir, name, &open, cur)
}

// protected reports whether a path is kept from being deleted: by a filter, by the
// module, or since backups go there.
func (k *sink) protected(p string, isDir bool) bool {
	return k.rules.Match(p, isDir, filter.Receiver) == filter.Exclude || k.forbidden(p, isDir) || k.backup.holds(p)
}

// forbidden reports whether the module hides a path from every client.
func (k *sink) forbidden(p string, isDir bool) bool {
	return !k.hidden.Empty() && k.hidden.Excluded(path.Join(k.below, p), isDir, filter.Receiver)
}

// visit decides about each entry of a tree that is removed: filters protect,
// and the limit holds.
func (k *sink) visit() tree.Visit {
	var backups besides
	return func(p string, step tree.Step) (bool, error) {
		isDir := step != tree.StepFile
		if k.protected(p, isDir) {
			return false, nil
		}
		if step == tree.StepEnter {
			backups.enter(p)
			return true, nil
		}
		if k.opt.MaxDelete != nil && k.stats.Deleted.Load() >= *k.opt.MaxDelete {
			return false, errMaxDelete
		}
		if isDir && backups.in(p) || k.backup.isNew(p) {
			return false, nil
		}
		if !isDir && !k.opt.DryRun {
			beside, err := k.deletes(p)
			if err != nil {
				k.failed(p, err)
				return false, nil
			}
			if beside {
				backups.got(p)
			}
		}
		k.stats.Deleted.Add(1)
		name := Printable(p)
		if isDir {
			name += "/"
		}
		switch {
		case k.stock != nil && k.stock.server:
			k.stock.showDeleted(p, isDir)
		case k.opt.Itemize:
			k.note(native.Note{Text: "*deleting   " + name, Item: true})
		case k.opt.Names:
			k.note(native.Note{Text: "deleting " + name, Item: true})
		}
		return true, nil
	}
}

// visitBelow is visit for a directory that something takes the place of: as
// with rsync that is no deletion, what was in it is.
func (k *sink) visitBelow(top string) tree.Visit {
	visit := k.visit()
	return func(p string, step tree.Step) (bool, error) {
		if p == top && step == tree.StepDir {
			return true, nil
		}
		return visit(p, step)
	}
}

// makeWay removes a directory that stands where something else must be: an
// empty one always, any with --delete or --force.
func (k *sink) makeWay(n *node, name string) error {
	if !k.opt.Delete && !k.opt.Force {
		if err := n.dir.Remove(name, true); err != nil {
			return inTheWay(n.join(name))
		}
		return nil
	}
	return n.dir.RemoveTree(name, k.opt.OneFS, k.visitBelow(n.join(name)))
}

func inTheWay(p string) error {
	return &fs.PathError{Op: "make way for", Path: p, Err: errors.New("a directory that is not empty stands in its place; --delete or --force would remove it")}
}

// canMakeWay fails if makeWay will: nothing is fetched that has no place. A dry
// run shows what would be deleted.
func (k *sink) canMakeWay(n *node, name string) error {
	if k.opt.Delete || k.opt.Force {
		if !k.opt.DryRun {
			return nil
		}
		p := n.join(name)
		return k.countTree(n.dir, p, name, k.visitBelow(p))
	}
	d, err := n.dir.OpenDir(name)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Names()
	if err == nil && names.Len() > 0 {
		err = inTheWay(n.join(name))
	}
	return err
}

// countTree does for a dry run what RemoveTree does, but the removing: its error
// is tree.ErrNotEmpty where a directory would stay.
func (k *sink) countTree(dir *tree.Dir, p, name string, visit tree.Visit) error {
	e, err := dir.Entry(name, tree.Want{})
	if err != nil {
		return err
	}
	if !e.IsDir() {
		return stays(visit(p, tree.StepFile))
	}
	if err := stays(visit(p, tree.StepEnter)); err != nil {
		return err
	}
	d, err := dir.OpenDir(name)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Names()
	if err != nil {
		return err
	}
	var kept error
	for i := range names.Len() {
		err := k.countTree(d, join(p, names.Name(i)), names.Name(i), visit)
		if err != nil && !errors.Is(err, tree.ErrNotEmpty) {
			return err
		}
		kept = errors.Join(kept, err)
	}
	if kept != nil {
		return tree.ErrNotEmpty
	}
	return stays(visit(p, tree.StepDir))
}

// stays turns what a visit says of an entry into what becomes of its directory.
func stays(removed bool, err error) error {
	if err == nil && !removed {
		err = tree.ErrNotEmpty
	}
	return err
}
