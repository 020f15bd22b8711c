package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// A sample is one run of a contender. Times are seconds.
type sample struct {
	Wall         float64 `json:"wall"`
	ClientCPU    float64 `json:"client_cpu"`
	DaemonCPU    float64 `json:"daemon_cpu"`
	LaterCPU     float64 `json:"later_daemon_cpu,omitempty"` // of DaemonCPU, what the transfers after the first took
	ClientMemory int64   `json:"client_memory,omitempty"`    // bytes; of the round that is not timed only
	DaemonMemory int64   `json:"daemon_memory,omitempty"`
	Literal      int64   `json:"literal_bytes"`
	Wire         int64   `json:"wire_bytes"`
}

// run is one run: a new daemon, and the transfers from or to it. The warm one is
// checked and has its memory sampled, and its times count for nothing.
func (j *job) run(ctx context.Context, c contender, warm bool) (s sample, err error) {
	source, err := j.source(c)
	if err != nil {
		return s, err
	}
	dest, err := j.destination(c, 0)
	if err != nil {
		return s, err
	}
	defer func() { j.discard(dest) }()
	t := transfer{push: j.row.push, module: source, local: dest, scratch: j.dir, args: c.args}
	if t.push {
		t.module, t.local = t.local, t.module
	}
	p := j.programs[c.program]
	d, far, err := j.serve(ctx, p, &t)
	if err != nil {
		return s, err
	}
	defer d.kill()
	defer far.Close()
	var watch *memoryWatch
	if warm {
		watch = watchMemory()
		watch.add(d.pid())
	}
	var first time.Duration
	for n := range max(1, j.row.pulls) {
		if n > 0 {
			if n == 1 {
				if first, err = d.afterFirst(); err != nil {
					break
				}
			}
			if j.row.anew {
				if err = renew(source); err != nil {
					break
				}
			}
			j.discard(dest)
			if dest, err = j.destination(c, n); err != nil {
				break
			}
			t.local = dest
		}
		if err = j.transfer(ctx, t, c, watch, &s); err != nil {
			break
		}
	}
	if watch != nil {
		peaks := watch.stop()
		s.DaemonMemory = peaks[0]
		for _, n := range peaks[1:] {
			s.ClientMemory = max(s.ClientMemory, n)
		}
	}
	if err != nil {
		return s, err
	}
	end := d.stop
	if c.program == "pump" {
		end = d.wait
	}
	used, err := end()
	s.DaemonCPU = used.Seconds()
	if j.row.pulls > 1 {
		s.LaterCPU = (used - first).Seconds()
	}
	return s, err
}

// renew gives the only file of a source another ctime, and nothing else: what a
// daemon remembers of its content counts no more.
func renew(source string) error {
	path := filepath.Join(source, dataName)
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Chmod(path, st.Mode())
}

// serve starts the daemon and, for a row with a long link, what makes it
// long; far is nil without one, and may be closed all the same.
func (j *job) serve(ctx context.Context, p program, t *transfer) (d *daemon, far *delayProxy, err error) {
	if t.daemonAt, err = freePort(); err != nil {
		return nil, nil, err
	}
	t.clientTo = t.daemonAt
	command, err := p.daemon(*t)
	if err != nil {
		return nil, nil, err
	}
	if d, err = startDaemon(ctx, command, t.daemonAt); err != nil || j.row.link == (link{}) {
		return d, nil, err
	}
	if far, err = newDelayProxy(loopback(t.daemonAt), j.row.link); err != nil {
		d.kill()
		return nil, nil, err
	}
	t.clientTo = far.port()
	return d, far, nil
}

// transfer is one client, timed. What it used is added to s.
func (j *job) transfer(ctx context.Context, t transfer, c contender, watch *memoryWatch, s *sample) error {
	p := j.programs[c.program]
	source, dest := t.ends()
	var before *keptBasis
	var err error
	if watch != nil && j.row.on == onXFS {
		if before, err = keepBasis(dest, j.to); err != nil {
			return err
		}
		defer before.release()
	}
	if err := j.settle(dest); err != nil {
		return err
	}
	r, err := runClient(ctx, p.client(t), func(pid int) {
		if watch != nil {
			watch.add(pid)
		}
	})
	if err != nil {
		return err
	}
	st, err := p.stats(r.stdout)
	if err != nil {
		return err
	}
	s.Wall += r.wall.Seconds()
	s.ClientCPU += r.cpu.Seconds()
	s.Literal += st.literal
	s.Wire += st.wire
	want := int64(j.amount.files)
	if j.row.same {
		want = 0
	}
	if st.transferred != want {
		return fmt.Errorf("%d files were transferred, not %d", st.transferred, want)
	}
	if watch == nil || j.row.same {
		return nil
	}
	if before != nil {
		j.notes = append(j.notes, before.shared(ctx, c))
	}
	return compareTrees(source, dest, c.program == "pump")
}

// settle leaves the kernel nothing to do for what was written, and memory to
// write to.
func (j *job) settle(dest string) error {
	for _, dir := range []string{j.dir, dest} {
		if err := syncFS(dir); err != nil {
			return err
		}
	}
	if j.row.same {
		return nil
	}
	return touch(filepath.Dir(dest), j.amount.total())
}

func syncFS(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("syncfs %s: %w", dir, err)
	}
	return nil
}

// freePort is a port of loopback that nobody listened on a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
