package syncd

import (
	"math"

	"golang.org/x/sys/unix"
)

// limits are how much a sink has under way, by how many files it may have open. Each
// job holds its new file from the moment on that it is made, and one that changes a
// file up to three: the basis and a journal too.
type limits struct {
	jobs  int // asked for and not committed yet
	roomy int // of them: once there are that many, no more are asked for before
	ahead int // made before their content comes
	held  int // staged, and waiting to be synced together
}

// limitsFor returns the limits for a process that may have n files open. A quarter of
// that is the jobs'; directories, connections and pipes need the rest.
func limitsFor(n uint64) limits {
	jobs := int(min(maxJobs, max(n/4, 16)))
	return limits{jobs: jobs, roomy: jobs - jobs/8, ahead: min(aheadFiles, jobs/2), held: min(syncBatch, jobs/4)}
}

// openFiles is RLIMIT_NOFILE, which the runtime has raised as far as it may.
func openFiles() uint64 {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return math.MaxUint64
	}
	return r.Cur
}
