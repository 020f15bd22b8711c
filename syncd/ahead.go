package syncd

import "sync"

// aheadFiles is how many files may be open before their content comes.
const aheadFiles = 256

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
	for _, j := range b.jobs {
		if j.phase == fetching && j.tries == 0 && j.file == nil && j.basis == nil && j.entry.Size <= plainFile && !k.inPlace(j) {
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
		for !a.done && (len(a.queue) == 0 || a.open >= aheadFiles) {
			a.cond.Wait()
		}
		if a.done {
			a.mu.Unlock()
			return
		}
		j := a.queue[0]
		a.queue = a.queue[1:]
		a.open++
		a.mu.Unlock()
		j.opening.Lock()
		if !j.reached && j.err == nil {
			j.early = true
			k.openTarget(j)
		}
		early := j.early
		j.opening.Unlock()
		if !early {
			k.notAhead()
		}
	}
}

// notAhead counts down the files that are open too early.
func (k *sink) notAhead() {
	a := &k.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	// Each wake-up costs: it makes half of them at a time.
	if a.open--; a.open == aheadFiles/2 {
		a.cond.Signal()
	}
}

// reach tells that the receiver has come to a job: from here on it is its own.
func (k *sink) reach(j *job) {
	if j.reached {
		return
	}
	j.opening.Lock()
	j.reached = true
	early := j.early
	j.opening.Unlock()
	if early {
		k.notAhead()
	}
}

// endAhead ends the goroutine.
func (k *sink) endAhead() {
	a := &k.ahead
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = true
	a.cond.Signal()
}
