package syncd

import (
	"sync"
	"sync/atomic"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// maxTries bounds how often one file is asked for: a segment that arrives
// wrong, a file that keeps changing.
const maxTries = 3

// phase is what a job does next.
type phase uint8

const (
	fetching   phase = iota // content, by READ
	comparing               // digests with what is there, by READ; nothing is written
	signing                 // the basis, by the worker
	asking                  // for the source's signature, by SIGN
	searching               // the basis, by the worker
	copying                 // all of the basis, by the worker
	merging                 // the source's ops, by DELTA
	assembling              // what was collected, in place, by the worker
	verifying               // what was copied, or a stock peer's whole file, by the worker
	resuming                // hashing what an earlier run has left, by the worker
)

// job is one file whose content is on its way. The planner makes it, the
// receiver fills it, the committer ends it; it belongs to one of them at a
// time, and holds a reference to its node.
type job struct {
	node  *node
	full  string // its path, if that is known
	entry wire.Entry
	cur   *wire.Entry // what is there, nil if nothing
	item  item
	link  *linkGroup // whose first name it is, or nil
	tries int
	saved bool // a copy of what is there is among the backups

	phase   phase
	differs bool // what comparing found

	inplace  bool       // file is the one that is there
	assemble bool       // it will be: staged collects what arrives, ops are the rest
	ops      []delta.Op // copies that are to be made

	// of a delta
	basis    *tree.File
	size     int64    // of the basis, as far as it is used
	sig      []byte   // of the basis, for a DELTA
	sigLen   int      // what the signature counts in sink.sigs
	replaces bool     // basis is the file that stands in the place of the new one
	builder  *builder // copies from it
	mixed    bool     // bytes of the basis are in it, and are not checked yet
	taken    bool     // likewise, but they are

	// signed is what copies are checked against: the basis's signature on a push, the
	// source's file's on a pull.
	signed *delta.Signature
	search *search  // for its blocks, on a pull
	feed   *feed    // of it to the source, on a push
	steady *steady  // the basis since that was made or searched for, or nil
	came   *checker // of what comes from the source, by its own signature
	stale  bool     // it is not what that says: the file changed, and nobody saw it

	rest []native.Range // to be asked for when want has come

	// want are the ranges asked for; at and next say which bytes come next.
	want []native.Range
	all  [1]native.Range // want, if that is the file as a whole
	at   int
	next int64
	left []native.Range // of it, while merging: before next, and to come when the end has been reached
	got  int64          // up to where all of it has arrived

	literal int64 // bytes that came while merging

	staged *tree.Staged
	file   *tree.File // where the content goes; of sums, where it is compared
	holes  bool

	allocated bool // ahead of being written

	bad []native.Range // arrived, but not as the source's digest says

	journal *journal // of what was verified
	resumed bool     // file has content of an earlier run
	unkept  bool     // there can be no journal

	superseded bool // another job has taken its place
	redo       bool // and is to: the source is stock, and sends a file as a whole
	sum        []byte
	told       bool // of fail, by the source itself
	offList    bool // its directory's list does not wait for it

	plain bool        // nothing will know it but its batch, the maker and the committer
	ahead atomic.Bool // the maker will come to it, or is at it

	opening sync.Mutex // of its target: others than the owner may do that
	early   bool       // guarded by opening: the target was made ahead
	reached bool       // set with opening held: by the receiver, which goes on alone

	// of a file that is asked for in parts, see split.go; opening is for the journal too
	whole   *job // of a part: the file's job
	parts   int  // of the whole, guarded by sink.mu: under way
	stopped bool // likewise: one has failed

	fail *native.Failure // the source gave up
	err  error           // this side did
}

// newJob returns an empty job. Most are of small new files, by the thousand under
// way: what the committer has ended of them is used again, so that the heap stays as
// it is and the collector has little to do.
func (k *sink) newJob() *job {
	if len(k.spare) == 0 {
		k.mu.Lock()
		k.spare, k.ended = k.ended, k.spare
		k.mu.Unlock()
	}
	n := len(k.spare)
	if n == 0 {
		return new(job)
	}
	j := k.spare[n-1]
	k.spare = k.spare[:n-1]
	*j = job{}
	return j
}

// reusable reports whether nobody but the committer, which has ended j, knows j: it
// went the shortest way, from the planner to one receiver and to the committer, and
// the maker has done with it.
func (j *job) reusable() bool { return j.plain && !j.ahead.Load() }

// request puts the job's want in order and returns it as a READ needs it.
func (j *job) request() native.ReadFile {
	f := native.ReadFile{Path: j.path(), Version: j.entry.Version()}
	if len(j.bad) > 0 {
		n := min(len(j.bad), native.MaxRanges)
		j.want, j.rest, j.bad = j.bad[:n:n], j.bad[n:], nil
		f.Ranges = j.want
	} else {
		j.all[0] = native.Range{N: j.entry.Size}
		j.want = j.all[:]
	}
	j.at, j.next, j.got, j.left, j.literal = 0, j.want[0].Off, 0, nil, 0
	return f
}

// path is the file's path as the source names it.
func (j *job) path() string {
	if j.full != "" {
		return j.full
	}
	return j.node.join(j.entry.Name)
}

// expectCopy is expect for a copy, which may have been found before what precedes it.
// That comes in order, once the copies have that were found so.
func (j *job) expectCopy(off, n int64) bool {
	if !j.isBack() && off > j.next && n <= j.entry.Size-off {
		j.left = append(j.left, native.Range{Off: j.next, N: off - j.next})
		j.next = off
	}
	return j.expect(off, n)
}

// isBack reports whether the job is at what was left.
func (j *job) isBack() bool { return len(j.want) != 1 || j.want[0] != native.Range{N: j.entry.Size} }

// goBack begins with what was left.
func (j *job) goBack() {
	if n := j.entry.Size - j.next; n > 0 {
		j.left = append(j.left, native.Range{Off: j.next, N: n})
	}
	j.want, j.left, j.at = j.left, nil, 0
	j.next = j.want[0].Off
}

// expect checks that the range is the next one asked for, and takes it off.
func (j *job) expect(off, n int64) bool {
	if len(j.left) > 0 && off == j.left[0].Off {
		j.goBack()
	}
	if j.phase == asking || j.at == len(j.want) || off != j.next {
		return false // a signature is no content
	}
	w := j.want[j.at]
	if n > w.Off+w.N-off {
		return false
	}
	if j.next += n; j.next < w.Off+w.N {
		return true
	}
	if j.at++; j.at < len(j.want) {
		j.next = j.want[j.at].Off
	} else if len(j.left) > 0 {
		j.goBack()
	}
	return true
}

// complete reports whether all that was asked for has come, or never will.
func (j *job) complete() bool { return j.at == len(j.want) || j.fail != nil }

// signs reports whether the job's signature is still of use.
func (j *job) signs() bool {
	return j.fail == nil && j.err == nil && (j.phase == asking || j.signed != nil && (j.assemble || j.mixed))
}

// against returns what to hold against what comes at an offset of a pull, or nil. A
// source may remember a signature, and a write through a mapping can escape it.
func (j *job) against(off int64) *checker {
	if j.phase != fetching || j.signed == nil || j.whole != nil {
		return nil
	}
	if j.came == nil {
		j.came = newChecker(j.signed, func(int64, int64) { j.stale = true })
	}
	if j.came.at != off {
		j.came.start(off)
	}
	return j.came
}

// holds reports whether the job keeps its signature until what is asked for has come.
func (j *job) holds() bool { return j.signed != nil && j.phase == fetching }

// bytes is the length of what is asked for.
func (j *job) bytes() int64 {
	if len(j.bad) == 0 || j.phase != fetching {
		return j.entry.Size
	}
	n := int64(0)
	for _, g := range j.bad {
		n += g.N
	}
	return n
}

// drop closes and removes what was built. An error means that something was
// left behind, which the next run removes.
func (j *job) drop() (err error) {
	j.abandon()
	j.search = nil
	if j.basis != nil {
		j.basis.Close()
	}
	switch {
	case j.inplace && j.staged == nil && j.file != nil:
		j.file.Close()
	case j.staged != nil:
		err = j.staged.Discard()
	case j.file != nil:
		j.file.Close()
		if j.phase != comparing {
			// A file of a directory that is not visible yet.
			err = j.node.dir.Remove(j.entry.Name, false)
		}
	}
	j.staged, j.file, j.holes = nil, nil, false
	j.inplace, j.assemble, j.ops = false, false, nil
	j.basis, j.bad, j.rest, j.mixed, j.taken, j.sig, j.left = nil, nil, nil, false, false, nil, nil
	j.steady, j.came, j.stale = nil, nil, false
	j.journal, j.resumed, j.unkept, j.replaces = nil, false, false, false
	return err
}

// batch is a READ that is being filled or is under way.
type batch struct {
	id    uint32
	jobs  []*job
	size  int     // of the request's payload
	bytes int64   // of the bodies asked for
	on    *stream // where it was asked for
	part  bool    // of a file that is split
	at    int     // the job that the answer has come to
}
