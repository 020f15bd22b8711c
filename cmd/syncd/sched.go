package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// runInBatches has the scheduler take syncd for work that is measured by what it gets
// done (SCHED_BATCH, sched(7)): a thread that is woken doesn't interrupt what runs on
// its processor. A sender that is woken for each request gets in the way of the
// receiving side on the same host, and finds more to do a moment later. A policy that
// somebody chose is left alone; so are threads that come later, which have that of
// the one that makes them.
func runInBatches() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, t := range threads {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		a, err := unix.SchedGetAttr(tid, 0)
		if err != nil || a.Policy != unix.SCHED_NORMAL {
			continue
		}
		a.Policy = unix.SCHED_BATCH
		_ = unix.SchedSetAttr(tid, a, 0) // it works without, not as well
	}
}
