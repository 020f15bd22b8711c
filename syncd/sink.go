package syncd

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// Tuning of the sink. What is under way is bounded by counts, so that a tree
// of any size costs the same: about 256 pages of 32 KiB, 4096 jobs of under
// 1 KiB.
const (
	maxJobs    = 4096     // files asked for and not committed yet
	batchFiles = 256      // of a READ
	batchSize  = 40 << 10 // bytes of a READ's payload; an Answerer takes 64 KiB
	batchBytes = 4 << 20  // bytes of bodies that a READ asks for, at least one file
	taskQueue  = 256
	handOver   = 32 // small files that the receiver gives to the committer at a time
)

// upstream is what a sink needs of a source, wherever it is. Requests may
// come from any goroutine; run hands their answers, in order, to one stream.
type upstream interface {
	Ask(req any) error // *native.List, Read, Sign or Delta
	Flush() error
	// Bye ends the session; run returns the source's own result for it.
	Bye(result []byte) error
	run(k *stream) (peer []byte, err error)
	// close ends the session at once, from any goroutine.
	close()
}

// bodies is how a receiver takes the body of one DATA answer, and what
// follows it.
type bodies interface {
	RecvFile(dst wire.File, off, n int64) error
	Discard(n int64) error
	Trailer() (native.Trailer, error)
}

// sink makes a directory equal to what a source shows. These goroutines work
// for it:
//
//  1. planner (sequential, the caller of run): takes pages of listings,
//     compares each entry with what is there, makes what has no content,
//     and asks for pages and content. It alone writes requests, but notes, and the rest
//     of a signature.
//  2. receiver (one for each stream): takes answers in order. Pages go to the
//     planner; bodies go from the stream into staged files, each range is
//     verified, and complete files go to the committer. It waits for nobody but
//     the committer, so that the stream always moves.
//  3. maker (sequential): makes small files ahead of the receivers, see ahead.
//  4. worker (one job at a time, itself parallel): signs and searches bases, sends a
//     signature while it makes it, begins a search while the receiver still takes the
//     signature, and sees to it that what is put together of a basis and of what came
//     is hashed. A builder of the job's own copies and hashes, in workers of its own.
//  5. committer (sequential): gives files their metadata and their name,
//     makes hard links, finishes directories. It waits for nobody but a closer
//     (sequential), which closes the files that were replaced.
//
// Scanners (parallel, same.go) look at directories ahead of their listings, for a
// source that answers SAME.
//
// Deletions follow when all of that is done. A failure of one file is
// reported and counted, and the run goes on; any other error ends it. An
// ended run leaves whole old or whole new files, and staged ones that it
// removes or, if it was killed, that the next run removes or adopts.
type sink struct {
	up    upstream
	root  *tree.Root // nil: a dry run of a directory that does not exist
	opt   *Options
	rules *filter.List
	// hidden are the module's own rules, matched from the module's root, of
	// which the tree is at below: what they hide can't be written or deleted.
	hidden *filter.List
	below  string
	meta   *tree.Meta
	alg    delta.Algorithm
	stats  *Stats
	note   func(native.Note) // lines for the person
	push   bool              // the source is the client: '<' in itemized lines
	chmod  tree.Chmod        // what the client makes of the source's modes
	munge  bool              // targets of symlinks get the mungePrefix
	stock  *stockUpstream    // up, if that is stock rsync
	fsync  Fsync
	backup *backups // nil: none are made

	// planner
	alts    []alt
	batches [2]*batch // being filled: content, sums
	sigs    int64     // bytes of signatures that jobs hold; guarded by mu
	ids     uint32
	lists   int     // asked for
	stack   []*node // with children that wait; depth first
	buf     wire.Entry
	pushing native.PageWriter
	// a job is made that takes the place of one that is under way
	renewing bool
	spare    []*job // to be used again
	// directories that were asked for with a digest, and were the same or not
	hits, misses int
	spool        spool // what to delete

	// streams
	first     *stream
	wanted    int    // how many streams there are to be; 0 is 1
	opened    func() // run calls it when streams may be attached; may be nil
	receivers sync.WaitGroup
	copier    wire.Copier // also of the worker

	ahead ahead

	// worker
	work     []*job // guarded by mu
	workCond sync.Cond
	workDone bool

	// committer
	held   []task // staged, and waiting to be synced
	staged map[string]*node

	scans     chan *node // to be looked at; nil if digests are of no use
	tasks     chan task
	replaced  chan *tree.File // bases to be closed
	wake      chan struct{}   // there are linkTasks
	noDeletes atomic.Bool     // a listing had errors

	mu        sync.Mutex
	nodes     map[*node]bool // entered, and not finished: their directories are open
	cond      sync.Cond      // signals the planner
	streams   []*stream      // in the order in which they came, the dead ones too
	listings  []listing      // to be asked for, once fewer are under way
	whole     map[*job]bool  // files of which parts are under way
	peer      []byte         // the source's result
	pages     []arrived
	renewed   []arrived // likewise, each about one file
	scanning  int       // in scans, or being looked at
	scanned   []*node   // looked at, to be asked for
	retries   []*job
	linkTasks []linkTask // for the committer
	links     map[inode]*linkGroup
	inflight  int             // jobs not ended yet
	limits    limits          // set before anything begins
	ended     []*job          // for spare
	kept      map[string]bool // staging paths that the next run is to have
	heldJobs  int             // of those, held by the committer
	done      bool
	cancel    context.CancelCauseFunc
	bye       bool // all is done, and the source is told
	byeOn     *stream
	err       error
}

// listing is a LIST under way. job is set if it is about that file alone.
type listing struct {
	node   *node
	job    *job
	id     uint32
	digest bool // it may be answered by SAME
}

// arrived is an answer to a LIST.
type arrived struct {
	listing
	page *native.Page
	fail *native.Failure
	same bool
}

// task is work for the committer: a job that has ended, or a node without
// references.
type task struct {
	job  *job
	jobs []*job
	node *node
}

// run makes the tree equal and returns the source's own result. An error means
// that the run ended early; failures of files are in the statistics.
func (k *sink) run(ctx context.Context) (peer []byte, err error) {
	k.cond.L, k.workCond.L = &k.mu, &k.mu
	k.limits = limitsFor(openFiles())
	k.tasks = make(chan task, taskQueue)
	k.replaced = make(chan *tree.File, 1)
	k.wake = make(chan struct{}, 1)
	k.links = make(map[inode]*linkGroup)
	k.kept = make(map[string]bool)
	k.nodes = make(map[*node]bool)
	k.staged = make(map[string]*node)
	k.whole = make(map[*job]bool)
	defer k.spool.close()
	defer k.copier.Close()
	defer k.closeAlts()
	defer k.backup.close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	k.mu.Lock()
	k.cancel = cancel
	k.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { k.abort(context.Cause(ctx)) })
	defer stop()

	k.ahead.cond.L = &k.ahead.mu
	var committer, worker, maker, closer sync.WaitGroup
	maker.Go(k.aheadAll)
	worker.Go(func() { k.workAll(ctx) })
	committer.Go(k.commitAll)
	closer.Go(k.closeReplaced)
	if k.first, _ = k.attach(k.up); k.first == nil {
		k.up.close() // the run was ended before it began
	}
	if k.opened != nil {
		k.opened()
	}

	stopScans := k.startScans()
	err = k.plan()
	stopScans()
	if err == nil {
		err = k.deleteAll()
	}
	if err == nil && k.fsync != FsyncNone && k.root != nil && !k.opt.DryRun {
		err = k.root.Syncfs()
	}
	for _, text := range k.meta.Notes() {
		k.note(native.Note{Text: text, Error: true})
	}
	if err == nil {
		err = k.sayBye()
	}
	if err != nil {
		k.abort(err)
	}
	k.receivers.Wait()
	k.endAhead()
	maker.Wait()
	k.endWork()
	worker.Wait()
	close(k.tasks)
	committer.Wait()
	close(k.replaced)
	closer.Wait()
	if err := k.interrupted(); err != nil {
		k.dropAll()
		return nil, err
	}
	return k.peer, nil
}

// result is what the statistics say now, with the exit code that follows.
func (k *sink) result(err error) *Result {
	code := k.stats.exit()
	if err != nil {
		code = ExitCode(err)
	} else if k.spool.limited && code == ExitOK {
		code = ExitMaxDelete
	}
	return k.stats.Result(code)
}

// abort ends the run; the first error stays.
func (k *sink) abort(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err == nil {
		k.err = err
		if k.cancel != nil {
			k.cancel(err) // what the worker is at
		}
		for _, s := range k.streams {
			s.up.close()
		}
	}
	k.cond.Broadcast()
	k.workCond.Broadcast()
}

// failed reports an error of one path; the run goes on.
func (k *sink) failed(path string, err error) {
	k.stats.Failed.Add(1)
	k.note(native.Note{Text: describe(path, err), Error: true})
}

// describe is one line for a person: operation, path, cause.
func describe(path string, err error) string {
	op := ""
	var pe *fs.PathError
	var fe *wire.FileError
	switch {
	case errors.As(err, &fe):
		op, err = fe.Op+" ", fe.Err
	case errors.As(err, &pe):
		op, err = pe.Op+" ", pe.Err
	}
	if path == "" {
		path = "."
	}
	return op + Printable(path) + ": " + err.Error()
}

// discard drops what a job has built, but what of it the next run is to have: if
// this one was cut off or, with --partial, if the file could not be written. A
// full disk would otherwise stay full for the files that follow.
func (k *sink) discard(j *job) {
	if j.whole != nil {
		return // what it has built is that one's
	}
	j.abandon()
	if k.interrupted() != nil || j.err != nil && k.opt.Partial {
		k.keep(j)
	}
	k.dropped(j.path(), j.drop())
}

// dropped reports what could not be removed: the next run does it.
func (k *sink) dropped(path string, err error) {
	if err != nil {
		k.note(native.Note{Text: "left behind: " + describe(path, err), Error: true})
	}
}

// item reports what was done about an entry.
func (k *sink) item(path string, e *wire.Entry, i item, link string) {
	switch {
	case k.stock != nil && k.stock.server:
		k.stock.item(path, e, i, link)
	case k.opt.Itemize:
		k.note(native.Note{Text: i.letters(e) + " " + shownName(path, e, link), Item: true})
	case k.opt.Names:
		k.note(native.Note{Text: shownName(path, e, link), Item: true})
	}
}

// errAborted stands for the error that abort has kept.
var errAborted = errors.New("the run was ended")

// dropAll removes what an ended run has built and not committed, and closes the
// directories that it was in.
func (k *sink) dropAll() {
	drop := func(jobs []*job) {
		for _, j := range jobs {
			k.discard(j)
		}
	}
	for _, b := range k.batches {
		if b != nil {
			drop(b.jobs)
		}
	}
	for _, s := range k.streams {
		for _, b := range s.reads {
			drop(b.jobs[b.at:])
		}
		drop(s.arrivals)
	}
	drop(k.retries)
	drop(k.work) // of what the committer ended after the worker
	for j := range k.whole {
		k.discard(j)
	}
	for n := range k.nodes {
		if n.dir != nil {
			n.dir.Close()
		}
	}
}
