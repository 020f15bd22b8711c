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
// somebody chose is left alone. What is started later, a thread or a program such as
// ssh, has the policy of the thread that starts it. Where the system forbids it, all
// works as well, but for the speed.
func runInBatches() {
	const passes = 8 // a thread may make another one meanwhile
	for pass, changed := 0, true; changed && pass < passes; pass++ {
		changed = false
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
			a.Policy, a.Runtime = unix.SCHED_BATCH, 0 // else its time slice would be fixed
			changed = unix.SchedSetAttr(tid, a, 0) == nil || changed
		}
	}
}
