package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sampleEvery is short beside a run, and long beside the 1 to 2 ms that a look
// at all processes takes.
const sampleEvery = 15 * time.Millisecond

// A memoryWatch samples the peak memory of processes and their descendants.
type memoryWatch struct {
	mu    sync.Mutex
	roots []int
	peak  []int64 // of the largest process below each root, in bytes
	done  chan struct{}
	wg    sync.WaitGroup
}

// watchMemory watches until stop.
func watchMemory() *memoryWatch {
	w := &memoryWatch{done: make(chan struct{})}
	w.wg.Go(func() {
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			select {
			case <-w.done:
				return
			case <-tick.C:
				w.sample()
			}
		}
	})
	return w
}

// add makes a process one of the roots.
func (w *memoryWatch) add(pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.roots = append(w.roots, pid)
	w.peak = append(w.peak, 0)
}

// sample looks once. What a process has had at most is kept by the kernel, so
// that only the growth in its last moments can be missed.
func (w *memoryWatch) sample() {
	w.mu.Lock()
	defer w.mu.Unlock()
	children := processTree()
	for i, root := range w.roots {
		for todo := []int{root}; len(todo) > 0; {
			pid := todo[0]
			todo = append(todo[1:], children[pid]...)
			w.peak[i] = max(w.peak[i], peakMemory(pid))
		}
	}
}

// stop returns the peak of each root, in the order in which they were added.
func (w *memoryWatch) stop() []int64 {
	close(w.done)
	w.wg.Wait()
	w.sample()
	return w.peak
}

var highWater = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB`)

// peakMemory is VmHWM of a process, in bytes, or 0 if it is gone.
func peakMemory(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	m := highWater.FindSubmatch(text)
	if m == nil { // a zombie
		return 0
	}
	n, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return n * kib
}

// processTree lists the children of each process. /proc/PID/task/TID/children
// would say it at once, but not all kernels are built with it.
func processTree() map[int][]int {
	tree := make(map[int][]int)
	proc, err := os.Open("/proc")
	if err != nil {
		return tree
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if parent, ok := parentOf(pid); ok {
			tree[parent] = append(tree[parent], pid)
		}
	}
	return tree
}

func childrenOf(pid int) []int { return processTree()[pid] }

// parentOf reads /proc/PID/stat: pid (name) state ppid. The name may hold
// anything.
func parentOf(pid int) (int, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	s := string(text)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(f) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(f[1])
	return parent, err == nil
}
