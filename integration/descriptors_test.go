package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// descriptors are what a process has open, but for what it has of sockets, pipes and
// the like.
func descriptors(t testing.TB, pid int) (paths []string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, err := os.ReadDir(dir)
	check(t, err)
	for _, fd := range fds {
		if path, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && filepath.IsAbs(path) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// TestBrokenRunsLeaveNoDescriptors kills clients of one daemon in the midst of pushes
// and pulls. What it had open for them, locks of staged directories among it, it has
// not any more.
func TestBrokenRunsLeaveNoDescriptors(t *testing.T) {
	src, top := t.TempDir(), t.TempDir()
	for i := range 60 {
		dir := filepath.Join(src, fmt.Sprintf("d%d", i), "sub")
		check(t, os.MkdirAll(dir, 0o755))
		for j := range 20 {
			randomFile(t, filepath.Join(dir, fmt.Sprintf("f%d", j)), 40<<10, byte(i+j))
		}
	}
	d := serve(t, daemonConfig{modules: []module{{name: "src", path: src}, {name: "dst", path: top, writable: true}}})
	mustSync(t, d.url("src/"), t.TempDir()+"/")
	before := descriptors(t, d.cmd.Process.Pid)
	broken := 0
	for i := range 8 {
		from, to := src+"/", d.url(fmt.Sprintf("dst/t%d/", i/4)) // new directories, and what a run has left
		if i%2 == 1 {
			from, to = d.url("src/"), t.TempDir()+"/"
		}
		client, wait := begin(t, syncArgs("--bwlimit=20M", from, to)...)
		time.Sleep(time.Duration(100+50*i) * time.Millisecond)
		_ = client.Kill() // or it has ended
		if wait().code != 0 {
			broken++
		}
	}
	if broken < 4 {
		t.Errorf("only %d of 8 runs were killed before their end", broken)
	}
	var after []string
	eventually(t, "the daemon has closed what broken runs had open", func() bool {
		after = descriptors(t, d.cmd.Process.Pid)
		return len(after) <= len(before)
	})
	t.Logf("%d runs broken; descriptors of files and directories: %d before, %d after", broken, len(before), len(after))
	mustSync(t, src+"/", d.url("dst/t0/"))
	judge(t, src, filepath.Join(top, "t0"))
	noStagingNames(t, filepath.Join(top, "t0"))
}
