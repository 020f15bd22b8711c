package syncd

import (
	"path"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// deltaPays reports whether a delta is worth a try, if there is a basis. The last try
// does without: a signature that is wrong every time may be what is wrong.
func (k *sink) deltaPays(j *job) bool {
	if k.opt.WholeFile || k.opt.Append || j.node.dir == nil || j.entry.Size < minDelta || j.tries == maxTries-1 {
		return false
	}
	n, err := delta.EncodedLen(k.params(j.entry.Size), j.entry.Size)
	return err == nil && n <= native.MaxSignature
}

// openBasis opens the file whose blocks to reuse: what an interrupted run has
// kept, else what is there, else a file of that name in another directory,
// else one of a similar name. It returns nil if there is none that is worth it.
func (k *sink) openBasis(j *job) *tree.File {
	try := func(dir *tree.Dir, name string) *tree.File {
		if dir == nil {
			return nil
		}
		f, v, err := dir.Open(name)
		if err != nil {
			return nil // no basis is no error: the file is sent whole
		}
		n, err := delta.EncodedLen(k.params(v.Size), v.Size)
		if v.Size < minDelta || err != nil || n > native.MaxSignature {
			f.Close()
			return nil
		}
		j.size = v.Size
		return f
	}
	n, name := j.node, j.entry.Name
	if n.left(tree.PartialName(name)) || j.tries > 0 {
		if f := try(n.dir, tree.PartialName(name)); f != nil {
			return f
		}
	}
	if in := k.partialDir(n, name, false); in != nil {
		f := try(in, name)
		in.Close()
		if f != nil {
			return f
		}
	}
	if j.cur != nil {
		f := try(n.dir, name)
		j.replaces = f != nil
		return f
	}
	for i := range k.alts {
		if f := try(k.altDir(n, i, name), name); f != nil {
			return f
		}
	}
	if k.opt.Fuzzy {
		if similar := k.similar(n, &j.entry); similar != "" {
			return try(n.dir, similar)
		}
	}
	return nil
}

// partialDir opens the --partial-dir of a directory for a file, nil if there is
// none or the module hides what would be the file's there.
func (k *sink) partialDir(n *node, file string, create bool) *tree.Dir {
	name := string(k.opt.PartialDir)
	if name == "" || n.dir == nil || k.forbidden(path.Join(n.path, name, file), false) {
		return nil
	}
	d, err := n.dir.OpenDir(name)
	if err != nil && create && n.dir.Mkdir(name) == nil {
		d, err = n.dir.OpenDir(name)
	}
	if err != nil {
		return nil
	}
	return d
}

// keep keeps what has arrived of a job that is cut off, if that is worth more to
// the next run than a fresh start.
func (k *sink) keep(j *job) {
	if j.staged == nil || j.inplace || j.assemble || j.phase == asking || j.phase == searching || j.phase == merging && !j.outdoesBasis() {
		return // half a search has found less than its basis has
	}
	if len(k.opt.PartialDir) > 0 {
		if d := k.partialDir(j.node, j.entry.Name, true); d != nil {
			if j.err == nil && j.staged.Keep(d, j.entry.Name) == nil {
				j.staged, j.file = nil, nil
			}
			d.Close()
		}
		return
	}
	if k.opt.Partial && !j.staged.Persisted() && j.err == nil {
		if kept, err := j.staged.Persist(); !kept || err != nil {
			return
		}
	}
	k.leave(j)
}

// outdoesBasis reports whether what has come of a job's ops is a better basis than what
// they were found in. That may have some of what has not come yet, if it was not searched
// for all of it: about as much as it had of the rest, once that is enough to tell.
func (j *job) outdoesBasis() bool {
	if j.isBack() {
		return true
	}
	found, rest := float64(1), float64(j.entry.Size-j.next)
	if j.next >= giveUp {
		found = float64(j.next-j.literal) / float64(j.next)
	}
	return len(j.left) == 0 && float64(j.literal) >= found*rest
}

// dropPartial removes what was kept of a file that is complete now. The one
// under a staging name goes with the leftovers.
func (k *sink) dropPartial(j *job) {
	if j.tries > 0 { // an earlier version's, of this run
		for _, name := range []string{tree.PartialName(j.entry.Name), tree.JournalName(j.entry.Name)} {
			k.dropped(j.path(), j.node.dir.RemoveLeftover(name))
		}
	}
	d := k.partialDir(j.node, j.entry.Name, false)
	if d == nil {
		return
	}
	err := d.Remove(j.entry.Name, false)
	d.Close()
	if err == nil {
		_ = j.node.dir.Remove(string(k.opt.PartialDir), true) // stays while others are in it
	}
}

// similar returns the name of a file in n that is likely an older form of e:
// one of the same size and time, else the one whose name has most in common,
// at its start and end. Only files that are there when the directory is listed
// count.
func (k *sink) similar(n *node, e *wire.Entry) string {
	if n.names == nil {
		return ""
	}
	best, score := "", len(e.Name)/2 // less in common is no relation
	for i := range n.names.Len() {
		name := n.names.Name(i)
		if t := n.names.Type(i); t != fileType && t != unknownType || name == e.Name || k.forbidden(n.join(name), false) {
			continue
		}
		cur, err := n.dir.Entry(name, tree.Want{})
		if err != nil || !cur.IsRegular() {
			continue
		}
		if cur.Size == e.Size && k.meta.SameTime(cur.Mtime, e.Mtime) {
			return name
		}
		if c := common(name, e.Name); c > score && path.Ext(name) == path.Ext(e.Name) {
			best, score = name, c
		}
	}
	return best
}

// common counts the bytes that two names share at their ends.
func common(a, b string) int {
	m := min(len(a), len(b))
	i := 0
	for i < m && a[i] == b[i] {
		i++
	}
	n := 0
	for n < m-i && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return i + n
}
