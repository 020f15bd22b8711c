package syncd

import (
	"errors"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// Directory entry types as tree.Names gives them.
const (
	dirType     = unix.DT_DIR
	fileType    = unix.DT_REG
	unknownType = unix.DT_UNKNOWN
)

// entry decides what one entry of the source needs, and has it done. old is
// the job that asked for the file before, if it had to be asked for anew.
func (k *sink) entry(n *node, e *wire.Entry, exists bool, old *job) error {
	p := n.join(e.Name)
	if old == nil {
		k.stats.Entries.Add(1)
		if e.IsRegular() {
			k.stats.TotalSize.Add(e.Size)
		}
	}
	if k.forbidden(p, e.IsDir()) {
		k.failed(p, errors.New("the module does not take this name"))
		return nil
	}
	if e.IsDir() {
		if err := n.push(e, &k.pushing); err != nil {
			k.failed(p, err)
			return nil
		}
		k.hold(n)
		return nil
	}
	if !k.meta.Makes(e) || k.opt.NoLinks && e.IsSymlink() {
		k.skipped(p)
		return nil
	}
	var cur *wire.Entry
	if exists && n.dir != nil {
		var c wire.Entry
		err := n.dir.EntryInto(e.Name, k.meta.Want(), &c)
		switch {
		case err == nil:
			cur = &c
		case !errors.Is(err, fs.ErrNotExist):
			k.failed(p, err)
			return nil
		}
	}
	if k.passesOver(p, e, cur) {
		return nil
	}
	if cur != nil && cur.IsDir() {
		if err := k.canMakeWay(n, e.Name); err != nil {
			k.failed(p, err)
			return nil
		}
	}
	var g *linkGroup
	if old != nil {
		g = old.link
	} else if k.opt.HardLinks && e.Nlink > 1 {
		var first bool
		if g, first = k.linkGroup(n, e, cur); !first {
			return nil
		}
	}
	if k.newer(e, cur) {
		k.linkFailed(g) // the next name is handled for itself
		return nil
	}
	return k.compare(n, p, e, cur, g, old)
}

// compare decides between leaving an entry, setting its metadata, making it and
// fetching its content. Whatever the way, it ends the group's first name.
func (k *sink) compare(n *node, p string, e, cur *wire.Entry, g *linkGroup, old *job) error {
	if !e.IsRegular() {
		k.nonRegular(n, e, cur)
		k.linkReady(g)
		return nil
	}
	var d tree.Change
	same := cur != nil && cur.IsRegular()
	if same {
		d = k.changes(e, cur)
		same = k.unchanged(e, cur)
		// Setting metadata would reach every name of a file that the source
		// does not link: the link is broken by fetching the file.
		if d != 0 && k.opt.HardLinks && cur.Nlink > 1 && e.Nlink == 1 {
			same = false
		}
	}
	if same && (!k.opt.Checksum || e.Size == 0) {
		k.setMeta(n, e, cur, d)
		k.linkReady(g)
		return nil
	}
	j := k.newJob()
	j.node, j.full, j.entry, j.cur, j.link = n, p, *e, cur, g
	j.item = item{update: k.arrow(), isNew: cur == nil || !cur.IsRegular(), change: d}
	j.item.content = k.opt.Checksum && !j.item.isNew && cur.Size != e.Size
	if old != nil {
		j.tries, j.saved = old.tries, old.saved
	}
	if same {
		if f, _, err := n.dir.Open(e.Name); err == nil {
			j.phase, j.file = comparing, f
			if k.stock != nil {
				return k.compareListed(j)
			}
			return k.ask(j)
		}
	}
	return k.fetch(j)
}

// fetch asks for a file's content, if it has any.
func (k *sink) fetch(j *job) error {
	if k.fromAlt(j) {
		return nil
	}
	j.item = k.timed(j.item, &j.entry)
	switch {
	case k.opt.DryRun:
		k.stats.Transferred.Add(1)
		k.item(j.path(), &j.entry, j.item, "")
		k.wouldRenew(j.link)
		return nil
	}
	if done, err := k.appended(j); done || err != nil {
		return err
	}
	if k.resume(j) {
		return nil
	}
	if k.deltaPays(j) {
		if j.basis = k.openBasis(j); j.basis != nil {
			return k.startDelta(j)
		}
	}
	j.plain = k.stock == nil && j.link == nil && j.tries == 0 && j.entry.Size <= plainFile
	if j.entry.Size > 0 || k.stock != nil { // stock's user sees what is asked for
		return k.ask(j)
	}
	k.begin(j)
	k.tasks <- task{job: j}
	return nil
}

// setMeta makes the metadata of an unchanged entry equal.
func (k *sink) setMeta(n *node, e, cur *wire.Entry, d tree.Change) {
	if d == 0 && (!k.meta.ExactTimes || !e.IsRegular() || cur.Mtime == e.Mtime) {
		return
	}
	if !k.opt.DryRun {
		if err := k.meta.ApplyAt(n.dir, e.Name, e, cur); err != nil {
			k.failed(n.join(e.Name), err)
			return
		}
	}
	if d == 0 {
		return // nobody is told of parts of a second
	}
	k.item(n.join(e.Name), e, item{update: '.', change: d}, "")
}

// nonRegular makes symlinks, devices, fifos and sockets, which have no content
// to fetch.
func (k *sink) nonRegular(n *node, e, cur *wire.Entry) {
	p := n.join(e.Name)
	i := item{update: 'c', isNew: cur == nil || cur.Type() != e.Type()}
	if !i.isNew {
		i.change = k.meta.Diff(cur, e) &^ tree.ChangeSize // a size is a file's
		i.content = cur.Target != e.Target || cur.Rdev != e.Rdev
		if !i.content {
			k.setMeta(n, e, cur, i.change)
			return
		}
	}
	i = k.timed(i, e)
	if !k.opt.DryRun {
		err := k.replaces(n, e.Name)
		if err == nil {
			err = n.dir.MakeNode(e, n.private, k.meta)
		}
		if errors.Is(err, tree.ErrIsDir) {
			if err = k.makeWay(n, e.Name); err == nil {
				err = n.dir.MakeNode(e, n.private, k.meta)
			}
		}
		if err != nil {
			k.failed(p, err)
			return
		}
		k.touch(n)
	}
	k.item(p, e, i, "")
}

// arrow is the direction of content in itemized lines, as the client sees it.
func (k *sink) arrow() byte {
	if k.push {
		return '<'
	}
	return '>'
}

// hold keeps n from being finished.
func (k *sink) hold(n *node) {
	k.mu.Lock()
	n.refs++
	k.mu.Unlock()
}

// release takes back a reference from the planner's side.
func (k *sink) release(n *node) {
	k.mu.Lock()
	n.refs--
	zero := n.refs == 0
	k.mu.Unlock()
	if zero {
		k.tasks <- task{node: n}
	}
}

// disown takes back a listing, a job or a link that keeps n's list with the
// source. When there are none left, the list is done.
func (k *sink) disown(n *node) {
	k.mu.Lock()
	n.own--
	done := n.own == 0
	k.mu.Unlock()
	if done {
		k.listDone(n)
	}
}

// listDone tells a source that wants to know it.
func (k *sink) listDone(n *node) {
	if k.stock != nil {
		k.stock.listDone(n.path)
	}
}

// touch remembers that something was made in n.
func (k *sink) touch(n *node) {
	k.mu.Lock()
	n.touched = true
	k.mu.Unlock()
}

// ask adds a job to a READ.
func (k *sink) ask(j *job) error {
	k.begin(j)
	if err := k.room(); err != nil {
		k.discard(j)
		return err
	}
	return k.add(j)
}

// begin counts a new job; it ends in the committer.
func (k *sink) begin(j *job) {
	k.mu.Lock()
	j.node.refs++
	j.node.own++
	k.inflight++
	k.mu.Unlock()
}

// room waits until fewer jobs than may be are under way, and if it has to, until there
// is room for many: each time costs a wake-up. A job that takes the place of
// another has that one's.
func (k *sink) room() error {
	if k.renewing {
		return nil
	}
	for limit := k.limits.jobs; ; {
		k.mu.Lock()
		full, err := k.inflight > limit, k.err
		if full && err == nil && !k.behind() && k.batches == [2]*batch{} {
			limit = k.limits.roomy
			k.cond.Wait()
		}
		k.mu.Unlock()
		switch {
		case err != nil:
			return err
		case !full:
			return nil
		}
		if err := k.catchUp(); err != nil {
			return err
		}
		if err := k.flush(); err != nil {
			return err
		}
	}
}

// add puts a job into the READ that is being filled.
func (k *sink) add(j *job) error {
	if k.splits(j) {
		return k.split(j)
	}
	i := 0
	if j.phase == comparing {
		i = 1
	}
	if k.batches[i] == nil {
		k.ids++
		k.batches[i] = &batch{id: k.ids}
	}
	b := k.batches[i]
	b.bytes += j.bytes()
	b.size += 64 + len(j.node.path) + 1 + len(j.entry.Name) + 16*len(j.bad)
	b.jobs = append(b.jobs, j)
	if len(b.jobs) >= batchFiles || b.size >= batchSize || b.bytes >= batchBytes {
		return k.send(i)
	}
	return nil
}

// send asks for the content of a batch, once fewer than the READs that a source
// must take are under way.
func (k *sink) send(i int) error {
	b := k.batches[i]
	if b == nil {
		return nil
	}
	k.batches[i] = nil
	req := native.Read{ID: b.id, SumsOnly: i == 1, Files: make([]native.ReadFile, len(b.jobs))}
	for x, j := range b.jobs {
		req.Again = req.Again || j.tries > 0
		req.Files[x] = j.request()
	}
	k.makeAhead(b)
	return k.issue(b, &req, 0)
}

// issue sends a request about files, once there is room for it: for another
// request, and for sig bytes of signature.
func (k *sink) issue(b *batch, req any, sig int64) error {
	k.mu.Lock()
	to := k.freest(b.part, sig)
	for asked := false; to == nil && k.err == nil; to = k.freest(b.part, sig) {
		if asked && (sig == 0 || !slices.ContainsFunc(k.retries, (*job).holds)) {
			k.cond.Wait()
			continue
		}
		asked = true
		k.mu.Unlock()
		if err := k.askBefore(sig); err != nil {
			return err
		}
		k.mu.Lock()
	}
	err := k.err
	if err == nil {
		to.reads = append(to.reads, b)
		to.load += b.bytes
		b.on = to
		k.sigs += sig
	}
	k.mu.Unlock()
	if err != nil {
		k.dropBatch(b)
		return errAborted
	}
	if k.stock != nil {
		return k.stock.ask(b, req)
	}
	return k.sent(to, to.up.Ask(req))
}

// askBefore sends what there is before the planner waits. Who waits for room for a
// signature asks first for what those files lack that hold one: they give it back
// when that has come.
func (k *sink) askBefore(sig int64) error {
	if sig == 0 || k.stock != nil {
		return k.flushStreams()
	}
	for {
		k.mu.Lock()
		i := slices.IndexFunc(k.retries, (*job).holds)
		if i < 0 {
			k.mu.Unlock()
			return k.flush()
		}
		j := k.retries[i]
		k.retries = slices.Delete(k.retries, i, i+1)
		k.mu.Unlock()
		if err := k.retryOne(j); err != nil {
			return err
		}
	}
}

// dropBatch drops the jobs of a batch that the end of the run keeps from being
// asked for.
func (k *sink) dropBatch(b *batch) {
	for _, j := range b.jobs {
		k.reach(j)
		if j.feed != nil {
			k.toFed(j) // the worker may be at it
			continue
		}
		k.discard(j)
	}
}

// flush sends all that was asked for.
func (k *sink) flush() error {
	for i := range k.batches {
		if err := k.send(i); err != nil {
			return err
		}
	}
	return k.flushStreams()
}

// retryAll asks again for what arrived wrong or changed.
func (k *sink) retryAll() error {
	for {
		k.mu.Lock()
		i := k.due()
		if i < 0 {
			k.mu.Unlock()
			return nil
		}
		j := k.retries[i]
		k.retries = slices.Delete(k.retries, i, i+1) // of the rest, issue may have to take some first
		k.mu.Unlock()
		if err := k.retryOne(j); err != nil {
			return err
		}
	}
}

func (k *sink) retryOne(j *job) error {
	if j.tries > 0 {
		k.stats.Redone.Add(1)
	}
	switch {
	case j.redo:
		return k.redo(j)
	case j.fail != nil:
		return k.list(listing{node: j.node, job: j})
	case j.entry.Size == 0 && k.stock == nil:
		k.tasks <- task{job: j}
		return nil
	case j.phase == merging:
		return k.askDelta(j)
	case j.phase == asking:
		return k.askSign(j)
	}
	return k.add(j)
}

// again takes the new metadata of a file that had changed.
func (k *sink) again(a arrived) error {
	j, e := a.job, new(wire.Entry) // buf may be in use, see room
	if a.fail != nil {
		j.fail = a.fail
		k.tasks <- task{job: j}
		return nil
	}
	ok, err := a.page.Next(e)
	var bad *native.EntryError
	switch {
	case errors.As(err, &bad):
		j.err = bad
	case err != nil:
		return err
	case !ok || e.Name != j.entry.Name:
		j.fail = &native.Failure{Status: native.StatusGone}
	case e.IsDir():
		j.err = errors.New("became a directory while it was read; the next run will take it")
	}
	if j.err == nil && j.fail.Status == native.StatusChanged {
		k.present(e)
		// The new job takes references of its own before this one's are gone.
		k.renewing = true
		err = k.entry(j.node, e, true, j)
		k.renewing = false
		j.superseded = true
	}
	k.tasks <- task{job: j}
	return err
}
