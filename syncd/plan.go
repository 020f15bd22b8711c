package syncd

import (
	"errors"
	"io/fs"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// plan runs until every directory is finished.
func (k *sink) plan() error {
	root := &node{refs: 1, own: 1}
	k.entered(root)
	if k.root != nil {
		var err error
		if root.dir, err = k.root.Dir(""); err != nil {
			return err
		}
		if root.names, err = root.dir.Names(); err != nil {
			return err
		}
		k.leftovers(root)
	}
	if err := k.list(listing{node: root}); err != nil {
		return err
	}
	for {
		k.mu.Lock()
		for !k.ready() {
			k.mu.Unlock()
			if err := k.flush(); err != nil {
				return err
			}
			k.mu.Lock()
			if !k.ready() {
				k.cond.Wait()
			}
		}
		if k.err != nil || k.done {
			err := k.err
			k.mu.Unlock()
			return err
		}
		a, ok := k.takePage()
		k.mu.Unlock()
		if err := k.step(a, ok); err != nil {
			return err
		}
	}
}

// ready reports whether the planner has something to do. k.mu is held.
func (k *sink) ready() bool {
	return k.err != nil || k.done || len(k.pages) > 0 || k.behind() ||
		len(k.scanned) > 0 || len(k.stack) > 0 && k.mayEnter()
}

// behind reports whether catchUp has something to do. k.mu is held.
func (k *sink) behind() bool {
	return k.due() >= 0 || len(k.renewed) > 0 || len(k.listings) > 0 && k.unanswered() < native.MaxLists
}

// mayEnter reports whether one more LIST may be under way. Stock's come in an
// order of their own, that of the planner if it enters one at a time. k.mu is
// held.
func (k *sink) mayEnter() bool {
	if k.stock != nil {
		return k.listing()+len(k.pages) == 0
	}
	return k.listing()+len(k.scanned)+k.scanning < native.MaxLists
}

func (k *sink) takePage() (arrived, bool) {
	if len(k.pages) == 0 {
		return arrived{}, false
	}
	a := k.pages[0]
	k.pages = k.pages[1:]
	return a, true
}

// step does one thing: retries first, since they hold resources, then pages,
// which bring work, then new directories.
func (k *sink) step(a arrived, page bool) error {
	if err := k.catchUp(); err != nil {
		return err
	}
	if err := k.listScanned(); err != nil {
		return err
	}
	switch {
	case page && a.fail != nil:
		return k.listFailed(a)
	case page && a.same:
		return k.same(a.node)
	case page:
		if a.digest {
			k.misses++
			a.node.mine = nil
		}
		return k.page(a.node, a.page)
	}
	for len(k.stack) > 0 && k.mayList() {
		if err := k.enter(); err != nil {
			return err
		}
	}
	return nil
}

func (k *sink) mayList() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mayEnter()
}

// catchUp goes on with what is under way: listings that had to wait, jobs to be
// asked for again, and those whose file had changed.
func (k *sink) catchUp() error {
	if err := k.listMore(); err != nil {
		return err
	}
	if err := k.retryAll(); err != nil {
		return err
	}
	k.mu.Lock()
	renewed := k.renewed
	k.renewed = nil
	k.mu.Unlock()
	for _, a := range renewed {
		if err := k.again(a); err != nil {
			return err
		}
	}
	return nil
}

// list asks for a page of l.node, or for the entry of l.job, as soon as the source
// has to take one more LIST.
func (k *sink) list(l listing) error {
	k.mu.Lock()
	k.listings = append(k.listings, l)
	k.mu.Unlock()
	return k.listMore()
}

// listMore asks for what is to be listed, in order, up to native.MaxLists at a time.
func (k *sink) listMore() error {
	for {
		k.mu.Lock()
		if len(k.listings) == 0 || k.unanswered() >= native.MaxLists {
			k.mu.Unlock()
			return nil
		}
		s := k.primary()
		if s == nil || k.err != nil {
			k.mu.Unlock()
			return errAborted
		}
		l := k.listings[0]
		k.listings = k.listings[1:]
		req := k.listRequest(&l)
		s.lists = append(s.lists, l)
		k.mu.Unlock()
		if err := k.sent(s, s.up.Ask(req)); err != nil {
			return err
		}
		if k.lists++; k.lists%flushLists == 0 {
			if err := k.sent(s, s.up.Flush()); err != nil {
				return err
			}
		}
	}
}

// listRequest makes the LIST of a listing, under a new id.
func (k *sink) listRequest(l *listing) *native.List {
	k.ids++
	l.id = k.ids
	req := &native.List{ID: l.id, Want: k.want(), Path: l.node.path, After: l.node.after}
	switch mine := l.node.mine; {
	case l.job != nil:
		req.Want |= native.WantOne
		req.After = l.job.entry.Name
	case mine != nil && req.After == "":
		req.Digest, l.digest = &mine.digest, true
	}
	return req
}

// want is what listings are asked for with.
func (k *sink) want() (want uint8) {
	w := k.meta.Want()
	for _, x := range []struct {
		bit uint8
		on  bool
	}{{native.WantXattrs, w.Xattrs}, {native.WantACLs, w.ACLs}, {native.WantNames, w.Names}, {native.WantLinks, k.opt.HardLinks && k.scans != nil}} {
		if x.on {
			want |= x.bit
		}
	}
	return want
}

// listFailed handles a directory that the source can't list.
func (k *sink) listFailed(a arrived) error {
	n := a.node
	n.virtual = true
	if a.fail.Status == native.StatusGone {
		k.stats.Vanished.Add(1)
		k.note(native.Note{Text: "directory has vanished: " + Printable(n.path), Error: true})
	} else {
		k.noDeletes.Store(true)
		k.failed(n.path, a.fail)
	}
	if n.parent == nil {
		return &ExitError{Code: ExitPartial, Err: a.fail}
	}
	return k.listed(n)
}

// page compares one page of n with what is there.
func (k *sink) page(n *node, p *native.Page) error {
	if p.HadErrors && n.parent != nil {
		k.noDeletes.Store(true)
	}
	n.virtual = n.virtual || p.HadErrors && !(k.opt.IgnoreErrors && n.entry.Name != "")
	n.otherFS = p.OtherFS
	first := n.after == ""
	for {
		e := &k.buf
		ok, err := p.Next(e)
		var bad *native.EntryError
		switch {
		case errors.As(err, &bad):
			k.extraneous(n, e.Name)
			k.takeName(n, e.Name)
			k.noDeletes.Store(true)
			k.failed(n.join(e.Name), bad)
			continue
		case err != nil:
			return err
		case !ok:
			return k.pageEnd(n, p)
		}
		if n.parent == nil && first {
			first = false
			if e.Name == "." {
				e.Mode = k.chmod.Apply(e, e.Mode)
				if err := k.rootEntry(n, e); err != nil {
					return err
				}
				continue
			}
			n.virtual = true
		}
		k.present(e)
		k.extraneous(n, e.Name)
		exists := k.takeName(n, e.Name)
		if err := k.entry(n, e, exists, nil); err != nil {
			return err
		}
	}
}

// present makes of an entry what this side is to have: symlinks of which lead
// nowhere if the module says so.
func (k *sink) present(e *wire.Entry) {
	e.Mode = k.chmod.Apply(e, e.Mode)
	if k.munge && e.IsSymlink() {
		e.Target = mungePrefix + e.Target
	}
}

func (k *sink) pageEnd(n *node, p *native.Page) error {
	if p.More {
		if p.Last() == n.after {
			return errors.Join(native.ErrProtocol, errors.New("a page without entries says that there are more"))
		}
		n.after = p.Last()
		return k.list(listing{node: n})
	}
	k.extraneous(n, "")
	return k.listed(n)
}

// listed ends the listing of n: its children may be entered.
func (k *sink) listed(n *node) error {
	n.names = nil
	if len(n.at) > 0 {
		if k.stock != nil {
			n.sortChildren()
		}
		k.stack = append(k.stack, n)
	}
	k.disown(n)
	k.release(n)
	return nil
}

// rootEntry takes the root's own entry.
func (k *sink) rootEntry(n *node, e *wire.Entry) error {
	n.entry = *e
	n.virtual = n.virtual && !k.opt.IgnoreErrors // this root is a directory: what it lacks may be deleted
	if n.dir == nil {
		k.item("", e, item{update: 'c', isNew: true}, "")
		return nil
	}
	var cur wire.Entry
	if err := n.dir.EntryInto(".", k.meta.Want(), &cur); err != nil {
		return err
	}
	n.cur = &cur
	if d := k.meta.Diff(&cur, e); d != 0 {
		n.touched = true
		k.item("", e, item{update: '.', change: d}, "")
	}
	return nil
}

// takeName moves past name in what is there and reports whether it is there.
func (k *sink) takeName(n *node, name string) bool {
	if n.names != nil && n.next < n.names.Len() && n.names.Name(n.next) == name {
		n.next++
		return true
	}
	return false
}

// extraneous moves through the names that are there up to before; all of them
// if that is empty. The source has none of them.
func (k *sink) extraneous(n *node, before string) {
	if n.names == nil {
		return
	}
	for ; n.next < n.names.Len(); n.next++ {
		name := n.names.Name(n.next)
		if before != "" && name >= before {
			return
		}
		if !k.opt.Delete || n.virtual || n.otherFS {
			continue
		}
		isDir := n.names.Type(n.next) == dirType
		if n.names.Type(n.next) == unknownType {
			e, err := n.dir.Entry(name, tree.Want{})
			if err != nil {
				k.failed(n.join(name), err)
				continue
			}
			isDir = e.IsDir()
		}
		if k.protected(n.join(name), isDir) {
			continue
		}
		if err := k.spool.add(spoolDelete, n.path, name); err != nil {
			k.failed(n.join(name), err)
		}
	}
}

// leftovers remembers what killed runs have left in a directory, so that it
// is removed at the end unless this run has used it. In a directory that is
// not visible yet nobody else can be at work.
func (k *sink) leftovers(n *node) {
	for _, name := range n.names.Leftovers() {
		var err error
		switch {
		case k.opt.DryRun:
		case n.private && !tree.IsResumable(name):
			err = n.dir.RemoveLeftover(name)
		default:
			err = k.spool.add(spoolLeftover, n.path, name)
		}
		if err != nil {
			k.failed(n.join(name), err)
		}
	}
}

// enter takes the next waiting child and asks for its listing.
func (k *sink) enter() error {
	n := k.stack[len(k.stack)-1]
	var e wire.Entry
	n.pop(&e)
	if len(n.at) == 0 {
		k.stack = k.stack[:len(k.stack)-1]
	}
	// The reference of the waiting child becomes that of the node.
	c := &node{parent: n, path: n.join(e.Name), entry: e, private: n.private, refs: 1, own: 1}
	k.entered(c)
	if err := k.openNode(c); err != nil {
		if !errors.Is(err, errPassedOver) {
			k.failed(c.path, err)
			if !k.opt.Existing || !errors.Is(err, errStays) {
				k.noDeletes.Store(true)
			}
		}
		c.entry.Name = "" // nothing to finish
		k.release(c)
		return nil
	}
	if !k.mayBeSame(c) {
		return k.list(listing{node: c})
	}
	k.mu.Lock()
	k.scanning++
	k.mu.Unlock()
	k.scans <- c // has room for as many as may be under way
	return nil
}

// entered notes a node until it is finished.
func (k *sink) entered(n *node) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.nodes[n] = true
}

// openNode opens or makes the directory of c.
func (k *sink) openNode(c *node) error {
	parent, name := c.parent.dir, c.entry.Name
	if parent == nil {
		if err := k.passesDir(nil); err != nil {
			return err
		}
		k.item(c.path, &c.entry, item{update: 'c', isNew: true}, "")
		return nil
	}
	var cur wire.Entry
	err := parent.EntryInto(name, k.meta.Want(), &cur)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = k.passesDir(nil)
	case err == nil && cur.IsDir():
		c.cur = &cur
		return k.openExisting(c)
	case err == nil:
		err = k.passesDir(&cur)
	}
	if err != nil {
		return err
	}
	k.item(c.path, &c.entry, item{update: 'c', isNew: true}, "")
	if k.opt.DryRun {
		return nil
	}
	if c.private {
		if err := parent.Mkdir(name); err != nil {
			return err
		}
		c.dir, err = parent.OpenDir(name)
		return err
	}
	if c.staged, err = parent.StageDir(name); err != nil {
		return err
	}
	c.dir, c.private = c.staged.Dir, true
	if c.staged.Adopted {
		if c.names, err = c.dir.Names(); err != nil {
			return err
		}
		k.leftovers(c)
	}
	k.mu.Lock()
	k.staged[c.path] = c
	k.mu.Unlock()
	return nil
}

// openExisting opens a directory that is there.
func (k *sink) openExisting(c *node) (err error) {
	d := k.meta.Diff(c.cur, &c.entry)
	if d != 0 {
		c.touched = true
		k.item(c.path, &c.entry, item{update: '.', change: d}, "")
	}
	if !k.opt.DryRun && c.cur.Mode&0o700 != 0o700 {
		// A directory that its owner can't write to: finishMeta gives its own
		// mode back. Without the right to do so, what is done in it fails and
		// says why.
		c.touched = openUp(c.parent.dir, c.entry.Name, c.cur) == nil || c.touched
	}
	if c.dir, err = c.parent.dir.OpenDir(c.entry.Name); err != nil {
		return err
	}
	if c.names, err = c.dir.Names(); err != nil {
		return err
	}
	k.leftovers(c)
	return nil
}
