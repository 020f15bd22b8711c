package syncd

import (
	"slices"
	"sync"
)

// aheadFiles is how many files may be open before their content comes, at most; with
// half as many, 20,000 small files over loopback took 4 to 8 % longer.
const (
	aheadFiles = 512
	aheadStep  = 32 // of them are taken from the queue at a time
)

// ahead makes small new files before their content comes: of what a receiver does
// for one, making it is a third. It is a goroutine that follows the requests, and
// the receivers overtake it where it is behind. Then it goes on after them.
type ahead struct {
	mu    sync.Mutex
	cond  sync.Cond
	queue []*job
	open  int // made, and not reached by a receiver
	done  bool
}

// makeAhead queues the small new files of a batch that is about to be asked for.
func (k *sink) makeAhead(b *batch) {
	if k.stock != nil {
		return // it decides late what a file's basis is
	}
	a := &k.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue = slices.Grow(a.queue, len(b.jobs))
	for _, j := range b.jobs {
		if j.phase == fetching && j.tries == 0 && j.file == nil && j.basis == nil && j.entry.Size <= plainFile && !k.inPlace(j) {
			j.ahead.Store(true)
			a.queue = append(a.queue, j)
		}
	}
	a.cond.Signal()
}

// aheadAll is the goroutine.
func (k *sink) aheadAll() {
	a := &k.ahead
	for {
		a.mu.Lock()
		for !a.done && (len(a.queue) == 0 || a.open >= k.limits.ahead) {
			a.cond.Wait()
		}
		if a.done {
			a.mu.Unlock()
			return
		}
		n := min(len(a.queue), k.limits.ahead-a.open, aheadStep)
		jobs := a.queue[:n]
		a.queue = a.queue[n:]
		a.open += n
		a.mu.Unlock()
		late := 0
		for _, j := range jobs {
			j.opening.Lock()
			if !j.reached && j.err == nil {
				j.early = true
				k.openTarget(j)
			}
			if !j.early {
				late++
			}
			j.opening.Unlock()
			j.ahead.Store(false) // it may become another one
		}
		k.notAhead(late)
	}
}

// notAhead counts down the files that are open too early.
func (k *sink) notAhead(n int) {
	if n == 0 {
		return
	}
	a, half := &k.ahead, k.limits.ahead/2
	a.mu.Lock()
	defer a.mu.Unlock()
	// Each wake-up costs: it makes half of them at a time.
	if a.open -= n; a.open <= half && a.open+n > half {
		a.cond.Signal()
	}
}

// reach tells that the receiver has come to jobs: from here on they are its own.
func (k *sink) reach(jobs ...*job) {
	early := 0
	for _, j := range jobs {
		if j.reached {
			continue
		}
		j.opening.Lock()
		j.reached = true
		if j.early {
			early++
		}
		j.opening.Unlock()
	}
	k.notAhead(early)
}

// endAhead ends the goroutine.
func (k *sink) endAhead() {
	a := &k.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = true
	a.cond.Signal()
}
