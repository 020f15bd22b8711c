package syncd

import (
	"path"
	"strings"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
)

// inode names a file on the source.
type inode struct{ dev, ino uint64 }

// linkGroup is the names of one file on the source. The first is handled like
// any file; the others wait for it and become links to it. A group is
// forgotten when all of its names were seen and made; those with names outside
// the tree stay until the end of the run, some hundred bytes each.
//
// All fields are guarded by sink.mu.
type linkGroup struct {
	key     inode
	path    string // of the first name
	left    uint32 // names not seen yet
	ready   bool   // the first name is there
	renewed bool   // in a dry run: it would be made anew, so that all links would be
	waiting []follower
}

// follower is another name of a group. It holds a reference to its node.
type follower struct {
	node  *node
	entry wire.Entry
	isNew bool
}

// linkGroup finds the group of e. first says that e is its first name, to be
// handled as any file; otherwise e was taken care of.
func (k *sink) linkGroup(n *node, e, cur *wire.Entry) (g *linkGroup, first bool) {
	key := inode{e.Dev, e.Ino}
	k.mu.Lock()
	g = k.links[key]
	if g == nil {
		g = &linkGroup{key: key, path: n.join(e.Name), left: e.Nlink - 1}
		k.links[key] = g
		k.mu.Unlock()
		return g, true
	}
	if g.left > 0 {
		g.left--
	}
	n.refs++
	n.own++
	f := follower{node: n, entry: *e, isNew: cur == nil}
	if !g.ready {
		g.waiting = append(g.waiting, f)
		k.mu.Unlock()
		return g, false
	}
	k.linkTasks = append(k.linkTasks, linkTask{g.path, g.renewed, f})
	k.forget(g)
	k.mu.Unlock()
	k.wakeCommitter()
	return g, false
}

// forget drops a group that has no names to come. k.mu is held.
func (k *sink) forget(g *linkGroup) {
	if g.ready && g.left == 0 {
		delete(k.links, g.key)
	}
}

// linkTask is one follower whose first name is there.
type linkTask struct {
	path    string // of the first name
	renewed bool   // as the group
	follower
}

// wouldRenew is linkReady of a dry run for a first name that would be made anew.
func (k *sink) wouldRenew(g *linkGroup) {
	if g == nil {
		return
	}
	k.mu.Lock()
	g.renewed = true
	k.mu.Unlock()
	k.linkReady(g)
}

// linkReady lets a group's followers be linked. It may be called by the
// planner and by the committer; the links are made by the committer.
func (k *sink) linkReady(g *linkGroup) {
	if g == nil {
		return
	}
	k.mu.Lock()
	g.ready = true
	for _, f := range g.waiting {
		k.linkTasks = append(k.linkTasks, linkTask{g.path, g.renewed, f})
	}
	g.waiting = nil
	k.forget(g)
	k.mu.Unlock()
	k.wakeCommitter()
}

func (k *sink) wakeCommitter() {
	select {
	case k.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// linkFailed makes the next name of a group its first.
func (k *sink) linkFailed(g *linkGroup) {
	if g == nil {
		return
	}
	k.mu.Lock()
	if len(g.waiting) == 0 {
		delete(k.links, g.key)
		k.mu.Unlock()
		return
	}
	f := g.waiting[0]
	g.waiting = g.waiting[1:]
	g.path = f.node.join(f.entry.Name)
	j := &job{node: f.node, entry: f.entry, link: g, item: item{update: k.arrow(), isNew: f.isNew}}
	k.inflight++
	k.retries = append(k.retries, j)
	k.cond.Signal()
	k.mu.Unlock()
}

// linkAll makes the links that have become possible.
func (k *sink) linkAll() {
	for {
		k.mu.Lock()
		tasks := k.linkTasks
		k.linkTasks = nil
		k.mu.Unlock()
		if len(tasks) == 0 {
			return
		}
		for i := range tasks {
			k.makeLink(&tasks[i])
		}
	}
}

// makeLink makes one link, unless it is there, and reports it.
func (k *sink) makeLink(t *linkTask) {
	n, p := t.node, t.node.join(t.entry.Name)
	defer k.drop(n)
	defer k.disown(n)
	i := item{update: 'h', isNew: true}
	var cur wire.Entry
	if !t.isNew && n.dir.EntryInto(t.entry.Name, k.meta.Want(), &cur) == nil && cur.Type() == t.entry.Type() {
		i.isNew, i.change = false, k.meta.Diff(&cur, &t.entry)
	}
	switch is, err := k.link(t, &cur); {
	case err != nil:
		k.failed(p, err)
	case !is:
		k.touch(n)
		k.item(p, &t.entry, i, t.path)
	}
}

// link makes one link. is says that cur, which has the name, is it already.
func (k *sink) link(t *linkTask, cur *wire.Entry) (is bool, err error) {
	if k.opt.DryRun && (k.root == nil || t.renewed) {
		return false, nil
	}
	var first wire.Entry
	dir, name, err := k.at(t.path)
	if err == nil {
		defer dir.Close()
		first, err = dir.Entry(name, tree.Want{})
	}
	switch {
	case err == nil && cur.Dev == first.Dev && cur.Ino == first.Ino:
		return true, nil
	case k.opt.DryRun:
		return false, nil // the first name may not be there
	case err != nil:
		return false, err
	}
	if cur.IsDir() {
		if err := k.makeWay(t.node, t.entry.Name); err != nil {
			return false, err
		}
	}
	if err := k.replaces(t.node, t.entry.Name); err != nil {
		return false, err
	}
	return false, t.node.dir.Link(dir, name, t.entry.Name)
}

// at opens the directory that holds path now: a staged directory above it has
// a temporary name.
func (k *sink) at(p string) (*tree.Dir, string, error) {
	dirPath, name := path.Split(p)
	dirPath = strings.TrimSuffix(dirPath, "/")
	k.mu.Lock()
	disk := dirPath
	for i := 0; i <= len(dirPath); i++ {
		if i < len(dirPath) && dirPath[i] != '/' {
			continue
		}
		if n := k.staged[dirPath[:i]]; n != nil {
			disk = path.Join(path.Dir(dirPath[:i]), n.staged.StageName(), dirPath[i:])
			break
		}
	}
	k.mu.Unlock()
	d, err := k.root.Dir(disk)
	return d, name, err
}
