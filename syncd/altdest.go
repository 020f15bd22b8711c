package syncd

import (
	"path"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
)

// alt is an open AltDest. The planner uses it.
type alt struct {
	kind  AltKind
	root  *tree.Root
	below string    // its path below the module, as sink.below
	dir   *tree.Dir // of the node at hand
	node  *node
}

// altDir returns the directory of alt i that corresponds to n, nil if there is
// none or the module hides name in it: a client learns much of a file from what
// need not be sent. It stays open until the next node's is asked for.
func (k *sink) altDir(n *node, i int, name string) *tree.Dir {
	a := &k.alts[i]
	if !k.hidden.Empty() && k.hidden.Excluded(path.Join(a.below, n.path, name), false, filter.Receiver) {
		return nil
	}
	if a.node != n {
		if a.dir != nil {
			a.dir.Close()
		}
		a.node = n
		a.dir, _ = a.root.Dir(n.path) // that it lacks a directory is no error
	}
	return a.dir
}

// closeAlts closes the AltDests.
func (k *sink) closeAlts() {
	for i := range k.alts {
		if k.alts[i].dir != nil {
			k.alts[i].dir.Close()
		}
		k.alts[i].root.Close()
	}
}

// fromAlt looks for a file that is missing in the destination in the AltDests,
// in order. It reports whether one had it, unchanged, and the file was taken
// care of.
func (k *sink) fromAlt(j *job) bool {
	if j.cur != nil {
		return false
	}
	for i := range k.alts {
		dir := k.altDir(j.node, i, j.entry.Name)
		if dir == nil {
			continue
		}
		var e wire.Entry
		if dir.EntryInto(j.entry.Name, k.meta.Want(), &e) != nil || !e.IsRegular() ||
			e.Size != j.entry.Size || !k.opt.SizeOnly && (k.opt.IgnoreTimes || !k.meta.SameTime(e.Mtime, j.entry.Mtime)) {
			continue
		}
		if k.takeAlt(j, &k.alts[i], dir, k.meta.Diff(&e, &j.entry) == 0) {
			return true
		}
	}
	return false
}

// takeAlt takes the file from one AltDest; exact says that its metadata are
// equal too.
func (k *sink) takeAlt(j *job, a *alt, dir *tree.Dir, exact bool) bool {
	switch {
	case a.kind == CompareDest && exact:
		k.linkReady(j.link)
		return true
	case a.kind == CompareDest:
		return false
	case k.opt.DryRun:
		update := byte('c')
		if a.kind == LinkDest && exact {
			update = 'h'
		}
		k.item(j.path(), &j.entry, item{update: update, isNew: true}, "")
		k.linkReady(j.link)
		return true
	case a.kind == LinkDest && exact:
		if j.node.dir.Link(dir, j.entry.Name, j.entry.Name) == nil {
			k.touch(j.node)
			if k.opt.Itemize {
				k.item(j.path(), &j.entry, item{update: 'h', isNew: true}, path.Join(a.root.Path(), j.path()))
			}
			k.linkReady(j.link)
			return true
		}
		// Another file system, or too many links: a copy does as well.
	}
	f, v, err := dir.Open(j.entry.Name)
	if err != nil {
		return false
	}
	if v.Size != j.entry.Size {
		f.Close()
		return false
	}
	j.basis, j.size, j.phase, j.item.update = f, v.Size, copying, 'c'
	k.begin(j)
	k.toWorker(j)
	return true
}

// copyAll makes the job's file a copy of its basis.
func (k *sink) copyAll(j *job) {
	if j.size > 0 && k.openTarget(j) {
		k.copyBasis(j, delta.Op{Kind: delta.Copy, Len: j.size})
	}
	k.built(j)
	if len(j.bad) > 0 && j.err == nil {
		k.fetchWhole(j)
		return
	}
	j.mixed = false // there is no digest of the source's to check it against
	k.tasks <- task{job: j}
}
