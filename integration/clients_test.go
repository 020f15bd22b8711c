package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestManyClients lets 20 clients at once push to, and pull from, one daemon.
func TestManyClients(t *testing.T) {
	const clients = 20
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	for i := range 100 {
		randomFile(t, filepath.Join(src, fmt.Sprintf("d%d/f%d", i%7, i)), i*i*20, byte(i))
	}
	d := serveDir(t, dir)
	var waits []func() result
	for i := range clients {
		from, to := src+"/", d.url(fmt.Sprintf("m/to%d/", i))
		if i%2 == 1 {
			from, to = d.url("m/src/"), fmt.Sprintf("%s/to%d/", dir, i)
		}
		_, wait := begin(t, syncArgs(from, to)...)
		waits = append(waits, wait)
	}
	for i, wait := range waits {
		wantExit(t, wait(), 0)
		judge(t, src, fmt.Sprintf("%s/to%d", dir, i))
	}
	d.sessions(clients)
	d.stop()
	t.Logf("%d clients at once: all of them right", clients)
}

// TestTooManyClients turns away whom the module has no room for.
func TestTooManyClients(t *testing.T) {
	dir := t.TempDir()
	randomFile(t, filepath.Join(dir, "src/file"), 8<<20, 1)
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: dir, writable: true, keys: "max_connections: 1"}}})
	_, wait := begin(t, syncArgs("--bwlimit=8M", dir+"/src/", d.url("m/to/"))...)
	eventually(t, "the first client is under way", func() bool { return stagedBytes(t, filepath.Join(dir, "to")) > 0 })
	r := here.sync(t, d.url("m/src/"), dir+"/pulled/")
	wantExit(t, r, 5)
	oneClearLine(t, r, "as many clients as it may")
	wantExit(t, wait(), 0)
	wantExit(t, here.sync(t, d.url("m/src/"), dir+"/pulled/"), 0)
}

// TestGracefulStop stops a daemon while it serves: the transfer under way
// comes to its end, unless that is beyond the deadline.
func TestGracefulStop(t *testing.T) {
	for _, c := range []struct {
		name, deadline string
		finishes       bool
	}{{"in time", "20s", true}, {"beyond the deadline", "300ms", false}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "to/file"), "old")
			randomFile(t, filepath.Join(dir, "src/file"), 6<<20, 1)
			d := serve(t, daemonConfig{keys: "shutdown_timeout: " + c.deadline, modules: []module{{name: "m", path: dir, writable: true}}})
			_, wait := begin(t, syncArgs("--bwlimit=4M", dir+"/src/", d.url("m/to/"))...)
			eventually(t, "the transfer is under way", func() bool { return stagedBytes(t, filepath.Join(dir, "to")) > 0 })
			start := time.Now()
			check(t, d.cmd.Process.Signal(syscall.SIGTERM))
			eventually(t, "nobody is let in", func() bool { return run(t, program, "ls", "syncd://"+d.addr).code == 10 })
			r := wait()
			<-d.done
			if code := d.cmd.ProcessState.ExitCode(); code != 0 {
				t.Errorf("the daemon ended with %d", code)
			}
			if c.finishes {
				wantExit(t, r, 0)
				judge(t, dir+"/src", dir+"/to")
			} else {
				wantExit(t, r, 12)
				wantFile(t, filepath.Join(dir, "to/file"), "old")
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("the daemon took %v to end, its deadline was %s", took, c.deadline)
				}
			}
			noStagingNames(t, dir)
			t.Logf("SIGTERM with a deadline of %s: the client ended with %d, the daemon after %.1f s; nothing left behind", c.deadline, r.code, time.Since(start).Seconds())
		})
	}
}

// TestReload lets a daemon read its configuration anew: a good one counts for
// sessions to come, a bad one changes nothing.
func TestReload(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "file"), "x")
	c := daemonConfig{modules: []module{{name: "m", path: dir}}}
	d := serve(t, c)
	file := d.cmd.Args[len(d.cmd.Args)-1]
	reload := func(yaml, logged string) {
		t.Helper()
		check(t, os.WriteFile(file, []byte(yaml), 0o644))
		check(t, d.cmd.Process.Signal(syscall.SIGHUP))
		eventually(t, logged, func() bool { return d.hasLogged(logged) })
	}
	c.host, c.modules[0].writable = here, true
	reload("fsync: perhaps\n", "the configuration stays as it was")
	wantExit(t, here.sync(t, dir+"/file", d.url("m/new")), 5)
	reload(c.yaml(), "configuration read")
	wantExit(t, here.sync(t, dir+"/file", d.url("m/new")), 0)
	wantFile(t, filepath.Join(dir, "new"), "x")
}
