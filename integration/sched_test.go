package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRunsInBatches looks at how a daemon that serves is scheduled: as batch work, unless
// whoever started it has said otherwise.
func TestRunsInBatches(t *testing.T) {
	for name, c := range map[string]struct {
		wrap   []string
		policy uint32
	}{
		"by itself": {nil, unix.SCHED_BATCH},
		"as told":   {[]string{"chrt", "--idle", "0"}, unix.SCHED_IDLE},
	} {
		t.Run(name, func(t *testing.T) {
			src := t.TempDir()
			writeFile(t, filepath.Join(src, "f"), "content")
			d := serve(t, daemonConfig{wrap: c.wrap, modules: []module{{name: "m", path: src}}})
			mustSync(t, d.url("m/"), t.TempDir()+"/")
			threads, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(d.cmd.Process.Pid), "task"))
			check(t, err)
			for _, thread := range threads {
				tid, err := strconv.Atoi(thread.Name())
				check(t, err)
				if a, err := unix.SchedGetAttr(tid, 0); err != nil || a.Policy != c.policy {
					t.Errorf("a thread has policy %d, %v; want %d", a.Policy, err, c.policy)
				}
			}
		})
	}
}
