package syncd

import (
	"errors"
	"strings"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// Which entries a sink passes over, and when it takes a file for unchanged, by
// its options: the order is that of generator.c:recv_generator. Both dialects
// come here, and so do local copies.

// errPassedOver says that a directory is left alone, with all in it.
var errPassedOver = errors.New("the options pass over it")

// passesOver reports whether an entry is left as it is, whatever its content.
// cur is what is there, nil if nothing is.
func (k *sink) passesOver(p string, e, cur *wire.Entry) bool {
	switch {
	case e.IsSymlink() && k.opt.SafeLinks && leadsOut(e.Target, p):
		return true
	case k.opt.Existing && cur == nil, k.opt.IgnoreExisting && cur != nil:
		return true
	case !e.IsRegular():
		return false
	}
	return e.Size < k.opt.MinSize || k.opt.MaxSize != nil && e.Size > *k.opt.MaxSize
}

// errStays says that a directory can't be made, since what stands in its place is
// to stay. That is a failure, but with --existing nothing new was to be made in any
// case: such a run is there to delete, and does.
var errStays = errors.New("what is no directory stands in its place, and --ignore-existing keeps that")

// passesDir is passesOver for a directory; cur is what has its name.
func (k *sink) passesDir(cur *wire.Entry) error {
	switch {
	case k.opt.Existing && cur == nil:
		return errPassedOver
	case k.opt.IgnoreExisting && cur != nil && !cur.IsDir():
		return errStays
	}
	return nil
}

// newer reports whether --update leaves a file alone, since cur, which is there,
// is newer. With a window to modify in, one that is no older is.
func (k *sink) newer(e, cur *wire.Entry) bool {
	switch {
	case !k.opt.Update || !e.IsRegular() || cur == nil || !cur.IsRegular():
		return false
	case k.meta.ModifyWindow > 0:
		return e.Mtime.Sec-cur.Mtime.Sec < k.meta.ModifyWindow
	}
	return e.Mtime.Before(cur.Mtime) && !k.meta.SameTime(e.Mtime, cur.Mtime)
}

// unchanged reports whether cur, a regular file, passes for e without a look at
// its content (generator.c:quick_check_ok). With --checksum the look follows.
func (k *sink) unchanged(e, cur *wire.Entry) bool {
	switch {
	case cur.Size != e.Size:
		return false
	case k.opt.Checksum, k.opt.SizeOnly:
		return true
	}
	return !k.opt.IgnoreTimes && k.meta.SameTime(cur.Mtime, e.Mtime)
}

// changes returns how cur, a regular file, differs from e in what is shown.
func (k *sink) changes(e, cur *wire.Entry) tree.Change {
	d := k.meta.Diff(cur, e)
	if cur.Size != e.Size {
		d |= tree.ChangeSize
	}
	return d
}

// leadsOut reports whether a symlink is unsafe to --safe-links: if its target is
// absolute, or goes further up than the link at p is deep, or goes up anywhere but
// at its beginning, or ends in going up (util1.c:unsafe_symlink).
func leadsOut(target, p string) bool {
	if target == "" || target[0] == '/' {
		return true
	}
	parts := strings.Split(target, "/")
	depth, leading := strings.Count(p, "/"), true
	for i, part := range parts {
		switch part {
		case "..":
			if depth--; depth < 0 || !leading || i > 0 && i == len(parts)-1 {
				return true
			}
		case "":
		default:
			leading = false
		}
	}
	return false
}

// skipped says that an entry is left out for what it is.
func (k *sink) skipped(p string) {
	switch {
	case k.stock != nil && k.stock.server:
		k.stock.skipped(p)
	case k.opt.Itemize || k.opt.Names:
		k.note(native.Note{Text: "skipping non-regular file \"" + Printable(p) + "\"", Item: true})
	}
}
