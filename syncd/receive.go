package syncd

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// unasked is a protocol error: what came does not answer what was asked.
func unasked(what string, id uint32) error {
	return fmt.Errorf("%w: %s for request %d, which did not ask for it", native.ErrProtocol, what, id)
}

// onPage takes the answer to the oldest LIST; fail is set instead of p if the
// source can't list the directory. The page keeps data.
func (k *stream) onPage(id uint32, data []byte, more bool, flags uint8, fail *native.Failure) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.lists) == 0 || k.lists[0].id != id {
		return unasked("a page", id)
	}
	l := k.lists[0]
	k.lists = k.lists[1:]
	a := arrived{listing: l, fail: fail}
	if fail == nil {
		after := l.node.after
		if l.job != nil {
			after = ""
		}
		a.page = native.NewPage(data, l.node.path == "" && after == "" && l.job == nil, after)
		a.page.More = more
		a.page.OtherFS = flags&native.PageOtherFS != 0
		a.page.HadErrors = flags&native.PageHadErrors != 0
	}
	if l.job != nil {
		k.renewed = append(k.renewed, a)
	} else {
		k.pages = append(k.pages, a)
	}
	k.cond.Signal()
	return nil
}

// current returns the job that an answer is about. Jobs before it have ended.
func (k *stream) current(id, index uint32) (*job, error) {
	k.mu.Lock()
	if len(k.reads) == 0 || k.reads[0].id != id {
		k.mu.Unlock()
		return nil, unasked("content", id)
	}
	b := k.reads[0]
	k.mu.Unlock()
	if int(index) >= len(b.jobs) || int(index) < b.at {
		return nil, unasked("content", id)
	}
	for b.at < int(index) {
		if err := k.received(b); err != nil {
			return nil, err
		}
	}
	j := b.jobs[b.at]
	k.reach(j)
	return j, nil
}

// received hands the batch's current job to the committer.
func (k *stream) received(b *batch) error { return k.receivedAll(b, 1) }

// receivedAll hands the batch's next n jobs to the committer.
func (k *stream) receivedAll(b *batch, n int) error {
	jobs := b.jobs[b.at:][:n]
	for _, j := range jobs {
		k.reach(j)
		whole := j.complete() || j.feed != nil && j.feed.lost.Load()
		if j.phase == asking {
			whole = j.fail != nil || j.search.sums != nil && j.search.sums.Complete()
		}
		if !whole {
			return fmt.Errorf("%w: less of a file than was asked for", native.ErrProtocol)
		}
	}
	k.mu.Lock()
	b.at += n
	k.mu.Unlock()
	// Handing over costs a wake-up, most of the time: small files go together.
	k.arrivals = append(k.arrivals, jobs...)
	if len(k.arrivals) >= handOver || jobs[n-1].entry.Size > plainFile {
		k.handOver()
	}
	return nil
}

// handOver gives what has been received to the committer.
func (k *stream) handOver() {
	if len(k.arrivals) > 0 {
		k.tasks <- task{jobs: k.arrivals}
		k.arrivals = nil
	}
}

// onEnd takes the end of the oldest READ.
func (k *stream) onEnd(id uint32) error {
	k.mu.Lock()
	if len(k.reads) == 0 || k.reads[0].id != id {
		k.mu.Unlock()
		return unasked("an end", id)
	}
	b := k.reads[0]
	k.mu.Unlock()
	for b.at < len(b.jobs) {
		if err := k.received(b); err != nil {
			return err
		}
	}
	k.handOver()
	k.mu.Lock()
	k.reads = k.reads[1:]
	k.load -= b.bytes
	k.cond.Signal()
	k.mu.Unlock()
	return nil
}

// onAnyFailed takes a failure that answers the oldest LIST, or a file of the
// oldest READ; the ids of both come from one sequence.
func (k *stream) onAnyFailed(id, index uint32, fail *native.Failure) error {
	k.mu.Lock()
	listed := len(k.lists) > 0 && k.lists[0].id == id
	k.mu.Unlock()
	if listed {
		return k.onPage(id, nil, false, 0, fail)
	}
	return k.onFailed(id, index, fail)
}

// onFailed takes the source's word that a file can't be had.
func (k *stream) onFailed(id, index uint32, fail *native.Failure) error {
	j, err := k.current(id, index)
	if err != nil {
		return err
	}
	if j.fail != nil || j.phase == fetching && j.complete() {
		return unasked("a failure", id)
	}
	j.fail = fail
	return nil
}

// onHole takes a range without data.
func (k *stream) onHole(id, index uint32, off, n int64, status native.Status) error {
	j, err := k.current(id, index)
	if err != nil {
		return err
	}
	if j.fail != nil || !j.expect(off, n) {
		return unasked("a hole", id)
	}
	if k.openTarget(j) {
		j.holes = true
		switch {
		case j.phase == merging && !j.assemble:
			j.err = k.buildHole(j, off, n)
		case j.taken: // and more was allocated than that
			j.err = tree.Unallocate(j.file, off, n)
		case j.punched():
			j.err = tree.Punch(j.file, off, n)
		}
	}
	j.got = off + n
	return k.ended(j, status, 0, id)
}

// onData takes a body into the job's file and checks it against the digest.
func (k *stream) onData(id, index uint32, off, n int64, b bodies) error {
	return k.onRange(id, index, off, n, b, func(j *job) error { return k.body(j, off, n, b) })
}

// onRange takes a range of a file, by body, and checks it against the digest
// that follows.
func (k *stream) onRange(id, index uint32, off, n int64, b bodies, body func(*job) error) error {
	j, err := k.current(id, index)
	if err != nil {
		return err
	}
	if j.fail != nil || !j.expect(off, n) {
		return unasked("a range", id)
	}
	k.hash.start()
	if !k.push { // else the signature is that of the basis
		k.hash.check = j.against(off)
	}
	if j.phase == comparing {
		// What shrank or can't be read differs, and is fetched.
		j.differs = k.hash.add(j.file, off, n) != nil || j.differs
	} else if err := body(j); err != nil {
		return err
	}
	t, err := b.Trailer()
	if err != nil {
		return err
	}
	switch {
	case j.err != nil || t.Digest == nil:
	case bytes.Equal(t.Digest, k.hash.digest()):
		if j.phase == fetching {
			j.err = k.record(j, off, n, t.Digest)
		}
	case j.phase == comparing:
		j.differs = true
	default:
		j.bad = append(j.bad, native.Range{Off: off, N: n})
	}
	j.got = off + n
	if j.phase == merging {
		j.literal += n
	}
	return k.ended(j, t.Status, int(t.Errno), id)
}

// body moves one body, in pieces that are hashed while they are in the
// processor's cache.
func (k *stream) body(j *job, off, n int64, b bodies) error {
	if !k.openTarget(j) {
		return b.Discard(n)
	}
	k.stats.Literal.Add(n)
	k.allocate(j, off, n)
	for n > 0 {
		m := min(n, recvPiece)
		err := b.RecvFile(j.content(), off, m)
		if err != nil {
			if _, ok := errors.AsType[*wire.FileError](err); !ok {
				return err
			}
			j.err = err
		}
		off, n = off+m, n-m
		if j.err == nil {
			j.err = k.hash.add(j.file, off-m, m)
		}
		if j.err != nil {
			return b.Discard(n)
		}
	}
	return nil
}

// openTarget makes the file that the job's content goes to. It reports
// whether there is one.
func (k *sink) openTarget(j *job) bool {
	if j.file != nil || j.err != nil {
		return j.err == nil
	}
	switch {
	case j.whole != nil:
		return k.openPart(j)
	case j.assemble:
	case k.inPlace(j):
		if j.err = k.rewrites(j); j.err == nil {
			j.file, _, j.err = j.node.dir.Rewrite(j.entry.Name)
		}
		j.inplace = j.err == nil
		return j.err == nil
	case j.node.private && !k.isResumable(j):
		j.file, j.err = j.node.dir.Create(j.entry.Name, j.entry.Mode)
		if !errors.Is(j.err, os.ErrExist) {
			return j.err == nil
		}
		// A killed run has left the file of an adopted directory.
	}
	if j.staged, j.err = j.node.dir.Stage(j.entry.Name); j.err == nil {
		j.file = j.staged.File
	}
	return j.err == nil
}

// allocate prepares a large range of a new file for being written.
func (k *sink) allocate(j *job, off, n int64) {
	if n >= allocateFrom && !j.inplace && tree.Allocate(j.file, off, n) {
		j.allocated = true
	}
}

// ended looks at the status that came with a range.
func (k *stream) ended(j *job, s native.Status, errno int, id uint32) error {
	last := j.complete()
	switch {
	case s == native.StatusMore && (!last || j.phase == merging), s == native.StatusOK && last:
		return nil
	case s == native.StatusChanged, s == native.StatusGone:
		j.fail = &native.Failure{Status: native.StatusChanged}
		return nil
	case s == native.StatusError:
		j.fail = &native.Failure{Status: s, Errno: errnoOf(errno)}
		return nil
	}
	return unasked(fmt.Sprintf("status %d", s), id)
}
