package delta

import (
	"cmp"
	"context"
	"hash"
	"io"
	"iter"
	"runtime"
	"sync"
)

// Options of a pass over a file. The zero value is valid everywhere.
type Options struct {
	// Workers is how many goroutines read and hash; 0 means one for each
	// processor. The result does not depend on it.
	Workers int

	// Whole, if not nil, is written the whole file that is read, in order, as a
	// stock peer's whole-file sum wants it. With several workers that is a
	// further pass at the same time, since they do not meet the bytes in order.
	Whole hash.Hash

	// InPlace makes a search copy only from basis offsets that an in-place
	// update, done in order, has not overwritten: never below the output offset.
	InPlace bool

	// GiveUp, if not 0, ends a search with ErrNothingInCommon if the first
	// GiveUp bytes of the file that is read, rounded up to a unit of parallel
	// work, hold no block of the signature.
	GiveUp int64

	// Take, if not nil, is offered blocks of the new file by SearchBasis as soon
	// as it has found them, with their bytes, which are those that the strong sums
	// are of and are valid until it returns: up to a window of them in one Copy, each
	// block once; not InPlace. What it takes, by returning true, is Taken in the ops that follow.
	// It is called by several goroutines at a time.
	Take func(op Op, data []byte) bool

	// Signed, if not nil, is called by Sign as it goes on, on the caller's goroutine: the
	// first blocks of the signature have their sums, and nothing may look at the others
	// yet. Its error ends Sign and is returned.
	Signed func(sig *Signature, blocks int) error

	span int64 // if not 0, replaces spanSize; tests make it small
}

// span is a unit of parallel work: the offsets [off, end) of a file.
type span struct{ off, end int64 }

// blocksPerSpan keeps what a span loses at its seams, up to a block of rolling
// at its start and one of reading ahead at its end, near 3 %.
const blocksPerSpan = 64

// leastSpan makes it rare that a worker has to wait for the next one.
const leastSpan = 8 << 20

// spanSize returns the length of a span, a multiple of leastSpan. It depends
// on nothing but the block size, or results would depend on the workers.
func spanSize(block int) int64 {
	return (int64(block)*blocksPerSpan + leastSpan - 1) / leastSpan * leastSpan
}

// pass describes one walk over a file.
type pass[T any] struct {
	file  io.ReaderAt
	size  int64
	parts []span // of the file, in order: what is walked over
	block int
	need  int // bytes of the file that a worker wants at once
	opts  *Options

	// worker starts a worker: it returns the function that handles one span. Each
	// worker has a window of its own, and may use it until it has no more spans.
	worker func(*window) func(span) (T, error)
	// merge gets the results in the order of the spans, on the caller's goroutine.
	merge func(span, T) error
}

// run walks the file. At most a few results for each worker wait for their turn.
// All goroutines have ended when it returns.
func (p *pass[T]) run(ctx context.Context) error {
	step := cmp.Or(p.opts.span, spanSize(p.block))
	count := 0
	for _, r := range p.parts {
		count += int((r.end - r.off + step - 1) / step)
	}
	workers := p.opts.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	workers = min(workers, count)
	if workers <= 1 {
		return p.sequential(ctx, step)
	}
	return p.parallel(ctx, step, workers)
}

// window returns a worker's window.
func (p *pass[T]) window(ctx context.Context, whole hash.Hash) *window {
	return newWindow(ctx, p.file, p.size, p.need, newTap(whole))
}

// spans cuts what is walked over into spans of step bytes at most.
func (p *pass[T]) spans(step int64) iter.Seq[span] {
	return func(yield func(span) bool) {
		for _, r := range p.parts {
			for off := r.off; off < r.end; off += step {
				if !yield(span{off, min(off+step, r.end)}) {
					return
				}
			}
		}
	}
}

// sequential does everything on the caller's goroutine.
func (p *pass[T]) sequential(ctx context.Context, step int64) error {
	w := p.window(ctx, p.opts.Whole)
	defer w.release()
	work := p.worker(w)
	for s := range p.spans(step) {
		result, err := work(s)
		if err != nil {
			return err
		}
		if err := p.merge(s, result); err != nil {
			return err
		}
	}
	return nil
}

// job is a span and where its result goes; done has room for it.
type job[T any] struct {
	span
	result T
	err    error
	done   chan struct{} // closed by the worker
}

// parallel starts a goroutine that deals out the spans, the workers, and one for
// the whole-file hash. The queue holds the jobs in order, and its capacity
// bounds how far the workers run ahead of merge.
func (p *pass[T]) parallel(ctx context.Context, step int64, workers int) error {
	ctx, cancel := context.WithCancel(ctx)
	jobs := make(chan *job[T])
	queue := make(chan *job[T], 2*workers)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	var wholeErr error
	wholeDone := make(chan struct{})
	wg.Go(func() {
		defer close(wholeDone)
		if p.opts.Whole != nil {
			wholeErr = hashWhole(ctx, p.file, p.size, p.opts.Whole)
		}
	})
	wg.Go(func() {
		defer close(jobs)
		defer close(queue)
		for s := range p.spans(step) {
			j := &job[T]{span: s, done: make(chan struct{})}
			for _, ch := range []chan *job[T]{queue, jobs} {
				select {
				case ch <- j:
				case <-ctx.Done():
					return
				}
			}
		}
	})
	for range workers {
		wg.Go(func() {
			w := p.window(ctx, nil)
			defer w.release()
			work := p.worker(w)
			for j := range jobs {
				j.result, j.err = work(j.span)
				close(j.done)
			}
		})
	}
	if err := p.collect(ctx, queue); err != nil {
		return err
	}
	<-wholeDone
	return wholeErr
}

// collect merges the results in order. A job that no worker took, after a
// cancellation, is never done.
func (p *pass[T]) collect(ctx context.Context, queue <-chan *job[T]) error {
	for j := range queue {
		select {
		case <-j.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if j.err != nil {
			return j.err
		}
		if err := p.merge(j.span, j.result); err != nil {
			return err
		}
	}
	return ctx.Err()
}
