package syncd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire/native"
)

// Resuming. A file of more than one segment has a journal from the first range
// on that was verified. Whatever ends a run, the next one finds the staged file
// under a name of its own (tree.PartialName):
//
//  1. the source's file is the version of the journal: each range in it is hashed
//     again, and what holds is kept; the rest is asked for. The digests are the
//     source's, of that version, so nothing need be compared with it again.
//  2. it is another version, or there is no journal: the file is a basis like any
//     other, see openBasis.
//
// A file that is put together of a basis has no journal: what is copied is checked by
// the signature, which the next run does not have. On a pull, it is kept as a basis from the
// moment on that it has all that its own basis could give.

// isResumable reports whether what arrives of a job is worth a journal.
func (k *sink) isResumable(j *job) bool {
	return j.entry.Size > native.Segment && k.stock == nil && !k.inPlace(j)
}

// journalOf says what the journal of a job is about.
func (k *sink) journalOf(j *job) journalOf {
	return journalOf{path: j.path(), version: j.entry.Version(), alg: k.alg}
}

// record writes down that a range has arrived as the source has it.
func (k *sink) record(j *job, off, n int64, digest []byte) (err error) {
	if j.whole != nil {
		j = j.whole
		j.opening.Lock()
		defer j.opening.Unlock()
	}
	if j.journal == nil {
		if j.unkept || j.staged == nil || j.mixed || j.taken || !k.isResumable(j) {
			return nil
		}
		kept, err := j.staged.Persist()
		if kept && err == nil {
			err = j.staged.AddJournal()
		}
		if err != nil {
			return err
		}
		if j.staged.Journal == nil {
			j.unkept = true // another run is at it
			return nil
		}
		if j.journal, err = startJournal(j.staged.Journal, k.journalOf(j)); err != nil {
			return err
		}
	}
	return j.journal.add(off, n, digest)
}

// keepCopies keeps a file that was put together for the next run, if this one
// should be cut off.
func (k *sink) keepCopies(j *job) {
	if j.staged != nil && (j.mixed || j.taken) && !j.assemble && k.isResumable(j) {
		_, j.err = j.staged.Persist()
	}
}

// leave leaves the staged file of a job for the next run, or for a later job of
// this one. It does nothing if it was not persisted.
func (k *sink) leave(j *job) {
	if !j.staged.Persisted() {
		return
	}
	var err error
	if j.journal != nil {
		err = j.journal.flush() // without the last records, a little is sent again
	}
	k.mu.Lock()
	k.kept[j.node.join(tree.PartialName(j.entry.Name))] = true
	k.kept[j.node.join(tree.JournalName(j.entry.Name))] = true
	k.mu.Unlock()
	if err = errors.Join(err, j.staged.Release()); err != nil {
		k.note(native.Note{Text: "not all is kept for the next run: " + describe(j.path(), err), Error: true})
	}
	j.staged, j.file, j.journal = nil, nil, nil
}

// isKept reports whether a leftover is one of this run, for the next.
func (k *sink) isKept(path string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept[path]
}

// resume goes on with what an earlier run has left of this version of a file. It
// reports whether the job was taken care of.
func (k *sink) resume(j *job) bool {
	if !k.isResumable(j) || !j.node.left(tree.JournalName(j.entry.Name)) {
		return false
	}
	staged := j.node.dir.Resume(j.entry.Name)
	if staged == nil {
		return false
	}
	_, _, err := readJournal(io.NewSectionReader(staged.Journal, 0, math.MaxInt64), k.journalOf(j), func(journaled) bool { return false })
	if err != nil {
		if errors.Is(err, errNoJournal) {
			k.damaged(j, "it is not resumed")
		}
		k.dropped(j.path(), staged.Release())
		return false
	}
	j.staged, j.file, j.phase, j.resumed = staged, staged.File, resuming, true
	k.begin(j)
	k.toWorker(j)
	return true
}

// damaged says that a journal, or a part of it, is of no use.
func (k *sink) damaged(j *job, so string) {
	k.note(native.Note{Text: "the journal of what had arrived of " + Printable(j.path()) + " is damaged: " + so, Error: true})
}

// recheck hashes what a journal says has arrived, and asks for the rest. The disk
// need not have what a run wrote before the power went.
func (k *sink) recheck(ctx context.Context, j *job) {
	size := j.entry.Size
	h := newHasher(k.alg, k.stats)
	var have []native.Range
	merge := 2 * native.MaxRanges // when to join what touches
	todo := 2 * size              // records of a range that was sent twice are two
	of := k.journalOf(j)
	r := bufio.NewReader(io.NewSectionReader(j.staged.Journal, 0, math.MaxInt64))
	end, damaged, err := readJournal(r, of, func(r journaled) bool {
		if todo -= r.N; todo < 0 || ctx.Err() != nil || k.aborted() {
			return false
		}
		h.start()
		if h.add(j.file, r.Off, r.N) == nil && bytes.Equal(h.digest(), r.digest) {
			if have = append(have, r.Range); len(have) > merge {
				have = mergeRanges(have)
				merge = max(merge, 2*len(have))
			}
		}
		return true
	})
	switch {
	case ctx.Err() != nil || k.aborted():
		k.leave(j)
		k.discard(j)
		return
	case err != nil: // it could be read a moment ago
		j.err = err
		k.tasks <- task{job: j}
		return
	case damaged:
		k.damaged(j, "what it does not say is sent again")
	}
	have = mergeRanges(have)
	for _, g := range have {
		k.stats.Matched.Add(g.N)
	}
	j.journal = goOnJournal(j.staged.Journal, of, end)
	j.phase, j.holes = fetching, true // the size may not be right yet
	if j.bad = missing(have, size); len(j.bad) > 0 {
		k.retry(j)
		return
	}
	k.tasks <- task{job: j}
}

// missing are the ranges of a file that have, which is in order, leaves out.
func missing(have []native.Range, size int64) (rs []native.Range) {
	at := int64(0)
	for _, g := range append(have, native.Range{Off: size}) {
		if g.Off > at {
			rs = append(rs, native.Range{Off: at, N: g.Off - at})
		}
		at = g.Off + g.N
	}
	return rs
}
