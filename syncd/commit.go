package syncd

import (
	"errors"
	"io/fs"
	"syscall"
	"time"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// With FsyncCommit, staged files wait for one sync of the file system
// together: it costs about as much for a thousand files as for one. They wait
// no longer than syncDelay, and no longer than there is other work.
const (
	syncBatch = 1000
	syncDelay = 5 * time.Second
	syncCheck = 50 * time.Millisecond
)

func errnoOf(n int) syscall.Errno { return syscall.Errno(n) }

// commitAll is the committer: it ends jobs and nodes until there will be no
// more.
func (k *sink) commitAll() {
	tick := time.NewTicker(syncCheck)
	defer tick.Stop()
	var since time.Time
	for {
		select {
		case t, ok := <-k.tasks:
			if !ok {
				k.dropHeld()
				return
			}
			if len(k.held) == 0 {
				since = time.Now()
			}
			switch {
			case t.node != nil:
				k.finish(t.node)
			case t.job != nil:
				k.end(t.job)
			}
			for _, j := range t.jobs {
				k.end(j)
			}
		case <-k.wake:
		case <-tick.C:
		}
		k.linkAll()
		if n := len(k.held); n > 0 && (n >= k.limits.held || len(k.tasks) == 0 && k.quiet() || time.Since(since) > syncDelay) {
			k.commitHeld()
		}
	}
}

// quiet reports whether nothing is under way but what the committer holds.
func (k *sink) quiet() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.inflight == k.heldJobs && k.listing() == 0 && len(k.pages) == 0 && k.scanning == 0 && len(k.scanned) == 0 && len(k.stack) == 0
}

// end ends a job that the receiver or the planner is done with.
func (k *sink) end(j *job) {
	if j.aheadBegun() {
		k.toSearch(j) // the worker may be at it
		return
	}
	if j.feed != nil {
		k.toFed(j) // likewise
		return
	}
	if j.stale && j.fail == nil {
		j.fail = &native.Failure{Status: native.StatusChanged}
	}
	if j.sigLen > 0 && !j.signs() {
		k.freeSig(j) // a retry waits for room for another
	}
	switch {
	case j.whole != nil:
		k.partEnded(j)
		return
	case j.superseded:
	case j.err != nil:
		k.failed(j.path(), j.err)
	case j.fail != nil && j.fail.Status == native.StatusChanged && j.tries+1 < maxTries:
		if j.journal != nil {
			k.leave(j) // as a basis of the new version
		}
		k.discard(j)
		j.tries++
		k.retry(j)
		return
	case j.fail != nil:
		k.lost(j)
	case j.phase == comparing:
		if k.compared(j) {
			return
		}
	case j.phase == asking:
		k.toSearch(j)
		return
	case len(j.rest) > 0:
		j.bad, j.rest, j.phase = append(j.bad, j.rest...), nil, fetching
		k.retry(j)
		return
	case len(j.bad) > 0 && j.tries+1 < maxTries && k.stock != nil:
		k.discard(j)
		j.tries++
		j.redo = true
		k.retry(j)
		return
	case len(j.bad) > 0 && j.tries+1 < maxTries:
		j.tries++
		j.phase = fetching
		k.retry(j)
		return
	case len(j.bad) > 0:
		k.failed(j.path(), errors.New("what arrived does not match the source's digest, after several tries"))
	case j.assemble:
		j.phase = assembling
		k.toWorker(j)
		return
	case (j.mixed || j.builder != nil) && j.phase != verifying: // a builder may have had nothing but holes
		j.phase = verifying
		if j.builder != nil {
			j.builder.finish() // its workers need not wait for the one that verifies
		}
		k.toWorker(j)
		return
	default:
		k.publish(j)
		return
	}
	k.discard(j)
	if !j.superseded {
		k.linkFailed(j.link)
	}
	k.settled(j)
}

// lost reports a file that the source could not give.
func (k *sink) lost(j *job) {
	if j.told {
		return
	}
	if j.fail.Status == native.StatusGone {
		k.stats.Vanished.Add(1)
		k.note(native.Note{Text: "file has vanished: " + Printable(j.path()), Error: true})
		return
	}
	k.failed(j.path(), j.fail)
}

// compared ends a job that compared digests. It reports whether the job goes
// on, as one that fetches.
func (k *sink) compared(j *job) bool {
	k.discard(j)
	j.phase = fetching
	if j.differs {
		j.item.content = true
		j.item = k.timed(j.item, &j.entry)
		if k.opt.DryRun {
			k.stats.Transferred.Add(1)
			k.item(j.path(), &j.entry, j.item, "")
			k.wouldRenew(j.link)
			return false
		}
		j.redo = k.stock != nil // what is there serves as the basis
		k.retry(j)
		return true
	}
	k.setMeta(j.node, &j.entry, j.cur, j.item.change)
	k.linkReady(j.link)
	j.link = nil
	return false
}

// retry gives a job back to the planner.
func (k *sink) retry(j *job) {
	k.mu.Lock()
	defer k.mu.Unlock()
	j.plain = false
	k.retries = append(k.retries, j)
	k.cond.Signal()
}

// settled takes one job off the counts, and its reference off its node.
func (k *sink) settled(j *job) { k.settle(j, false) }

// settle is settled; made says that something was made in the node.
func (k *sink) settle(j *job, made bool) {
	if j.sigLen > 0 {
		k.freeSig(j)
	}
	n, done := j.node, false
	k.mu.Lock()
	if k.inflight--; k.inflight == k.limits.roomy {
		k.cond.Signal()
	}
	if made && j.reusable() {
		k.ended = append(k.ended, j)
	}
	n.touched = n.touched || made
	if !j.offList {
		j.offList = true
		n.own--
		done = n.own == 0
	}
	n.refs--
	zero := n.refs == 0
	k.mu.Unlock()
	if done {
		k.listDone(n)
	}
	if zero {
		k.finish(n)
	}
}

// unlisted has a job keep its directory's list no longer.
func (k *sink) unlisted(j *job) {
	if !j.offList {
		j.offList = true
		k.disown(j.node)
	}
}

// drop takes back a reference from the committer's side.
func (k *sink) drop(n *node) {
	k.mu.Lock()
	n.refs--
	zero := n.refs == 0
	k.mu.Unlock()
	if zero {
		k.finish(n)
	}
}

// publish gives a complete and verified file its metadata and its name.
func (k *sink) publish(j *job) {
	err := k.complete(j)
	if err == nil && j.staged != nil && k.fsync == FsyncCommit {
		k.unlisted(j) // it waits long, and asks for nothing more
		k.held = append(k.held, task{job: j})
		k.mu.Lock()
		k.heldJobs++
		k.mu.Unlock()
		return
	}
	if err == nil && k.fsync == FsyncFile {
		err = j.file.Sync()
	}
	k.rename(j, err)
}

// complete brings a staged file to its size and metadata.
func (k *sink) complete(j *job) error {
	if !k.openTarget(j) { // an empty file
		return j.err
	}
	if j.holes || j.inplace {
		// A hole at the end is not there until the size says so.
		if err := j.file.Truncate(j.entry.Size); err != nil {
			return err
		}
	}
	if k.opt.Sparse {
		if err := punchZeros(j.file, j.entry.Size); err != nil {
			return err
		}
	}
	old := j.cur
	if old != nil && !old.IsRegular() {
		old = nil // its permissions are no file's (receiver.c:recv_files)
	}
	return k.meta.Apply(j.file, &j.entry, old)
}

// rename makes the file visible, unless err says why not, and ends the job.
func (k *sink) rename(j *job, err error) {
	if err == nil {
		err = k.place(j)
	}
	if err != nil {
		k.failed(j.path(), err)
		k.discard(j)
		k.linkFailed(j.link)
	} else {
		k.stats.Transferred.Add(1)
		k.dropPartial(j)
		k.item(j.path(), &j.entry, j.item, "")
		k.linkReady(j.link)
	}
	k.settle(j, err == nil)
}

func (k *sink) place(j *job) error {
	if basis := j.basis; basis != nil {
		j.basis = nil
		if j.replaces {
			defer func() { k.replaced <- basis }()
		} else {
			basis.Close()
		}
	}
	if j.staged == nil {
		err := j.file.Close()
		if err == nil {
			j.file = nil
		}
		return err
	}
	if j.allocated && j.cur != nil && k.fsync == FsyncNone {
		if err := tree.StartWriting(j.file, 0, 0); err != nil {
			return err
		}
	}
	if err := k.replaces(j.node, j.entry.Name); err != nil {
		return err
	}
	err := j.staged.Commit()
	if errors.Is(err, tree.ErrIsDir) {
		if err = k.makeWay(j.node, j.entry.Name); err == nil {
			err = j.staged.Commit()
		}
	}
	if err != nil {
		return err
	}
	j.staged, j.file = nil, nil
	if k.fsync == FsyncFile {
		return j.node.dir.Sync()
	}
	return nil
}

// closeReplaced closes the bases that other files have taken the place of: with its
// last descriptor the file system frees what a file had, which takes as long as
// writing as much on some disks. One of them waits while one is freed, so that a disk
// needs room for no more.
func (k *sink) closeReplaced() {
	for f := range k.replaced {
		f.Close()
	}
}

// commitHeld syncs what is held and makes it visible.
func (k *sink) commitHeld() {
	err := k.root.Syncfs()
	held := k.held
	k.held = nil
	k.mu.Lock()
	k.heldJobs = 0
	k.mu.Unlock()
	for _, t := range held {
		if t.node != nil {
			k.appear(t.node, err)
		} else {
			k.rename(t.job, err)
		}
	}
}

// dropHeld ends what is held when the run was ended.
func (k *sink) dropHeld() {
	for _, t := range k.held {
		if t.job != nil {
			k.discard(t.job)
		}
	}
}

// finish ends a directory: everything in it is done.
func (k *sink) finish(n *node) {
	if n.dir != nil && n.entry.Name != "" && !k.opt.DryRun && !k.aborted() {
		k.mu.Lock()
		touched := n.touched || n.cur == nil
		k.mu.Unlock()
		if touched {
			k.finishMeta(n)
		}
		if n.staged != nil {
			if k.fsync == FsyncCommit {
				k.held = append(k.held, task{node: n})
				return
			}
			k.appear(n, nil)
			return
		}
	}
	k.finished(n)
}

func (k *sink) aborted() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err != nil
}

func (k *sink) finishMeta(n *node) {
	var now *wire.Entry
	var cur wire.Entry
	if n.cur != nil && n.dir.EntryInto(".", k.meta.Want(), &cur) == nil {
		now = &cur
		if n.cur.Mode&0o700 != 0o700 {
			cur.Mode = n.cur.Mode // before openUp: what it has without --perms
		}
	}
	if err := k.meta.ApplyAt(n.dir, ".", &n.entry, now); err != nil {
		k.failed(n.path, err)
	}
}

// appear gives a directory that was built aside its name.
func (k *sink) appear(n *node, err error) {
	if err == nil && k.fsync == FsyncFile {
		err = k.root.Syncfs()
	}
	if err == nil {
		err = n.staged.Commit()
		if errors.Is(err, fs.ErrExist) {
			// Something that is no directory stands there, or came meanwhile.
			if err = k.replaces(n.parent, n.entry.Name); err == nil {
				err = n.parent.dir.Remove(n.entry.Name, false)
			}
			if err == nil {
				err = n.staged.Commit()
			}
		}
	}
	k.mu.Lock()
	delete(k.staged, n.path)
	k.mu.Unlock()
	if err != nil {
		k.failed(n.path, err)
		k.dropped(n.path, n.staged.Discard())
	} else {
		k.touch(n.parent)
	}
	n.dir = nil
	k.finished(n)
}

func (k *sink) finished(n *node) {
	k.mu.Lock()
	delete(k.nodes, n)
	k.mu.Unlock()
	if n.dir != nil {
		n.dir.Close()
		n.dir = nil
	}
	if n.parent != nil {
		k.drop(n.parent)
		return
	}
	k.mu.Lock()
	k.done = true
	k.cond.Signal()
	k.mu.Unlock()
}
