package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Limits that only end what hangs.
const (
	clientLimit = 10 * time.Minute // the slowest is rsync --inplace of 1 GiB, in seconds
	daemonLimit = 20 * time.Second // for a daemon to listen, and to stop
	pollEvery   = 2 * time.Millisecond
)

// newCommand is a process that dies with this one, at the latest.
func newCommand(ctx context.Context, args []string) (c *exec.Cmd, output *bytes.Buffer) {
	c = exec.CommandContext(ctx, args[0], args[1:]...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	c.Env = append(os.Environ(), "LC_ALL=C")
	c.WaitDelay = time.Second // for children that keep the output open
	output = new(bytes.Buffer)
	c.Stderr = output
	return c, output
}

// cpuTime is what a process used that was waited for, with its children that
// were waited for.
func cpuTime(s *os.ProcessState) time.Duration { return s.UserTime() + s.SystemTime() }

// failed adds what a process wrote last to how it ended.
func failed(args []string, err error, output string) error {
	const keep = 500
	if len(output) > keep {
		output = "..." + output[len(output)-keep:]
	}
	return fmt.Errorf("%s: %w: %s", filepath.Base(args[0]), err, strings.TrimSpace(output))
}

// clientRun is what a client did.
type clientRun struct {
	wall, cpu time.Duration
	stdout    string
}

// runClient times a client. started is called with its process id.
func runClient(ctx context.Context, args []string, started func(pid int)) (clientRun, error) {
	ctx, cancel := context.WithTimeout(ctx, clientLimit)
	defer cancel()
	c, stderr := newCommand(ctx, args)
	var stdout bytes.Buffer
	c.Stdout = &stdout
	start := time.Now()
	if err := c.Start(); err != nil {
		return clientRun{}, err
	}
	started(c.Process.Pid)
	err := c.Wait()
	wall := time.Since(start)
	if err != nil {
		return clientRun{}, failed(args, err, stderr.String())
	}
	return clientRun{wall, cpuTime(c.ProcessState), stdout.String()}, nil
}

// A daemon is a process that listens. Its owner stops it.
type daemon struct {
	args     []string
	cmd      *exec.Cmd
	output   *bytes.Buffer
	startCPU time.Duration
	exited   chan struct{} // closed when err is set
	err      error
}

// startDaemon returns when the daemon listens on port. No connection is made to
// find out: the daemon would serve it.
func startDaemon(ctx context.Context, args []string, port int) (*daemon, error) {
	c, output := newCommand(ctx, args)
	if err := c.Start(); err != nil {
		return nil, err
	}
	d := &daemon{args: args, cmd: c, output: output, exited: make(chan struct{})}
	go func() {
		d.err = c.Wait()
		close(d.exited)
	}()
	err := d.until(func() bool { return listens(port) }, "listen")
	if err != nil {
		d.kill()
		return nil, err
	}
	if d.startCPU, err = d.usedSoFar(); err != nil {
		d.kill()
		return nil, err
	}
	return d, nil
}

func (d *daemon) pid() int { return d.cmd.Process.Pid }

func (d *daemon) kill() {
	_ = d.cmd.Process.Kill() // it may be gone
	<-d.exited
}

// idle waits until the children that the daemon had for connections are reaped.
func (d *daemon) idle() error {
	return d.until(func() bool { return len(childrenOf(d.pid())) == 0 }, "reap its children")
}

// afterFirst is the CPU time since the daemon listened, once the transfer that
// it served is over.
func (d *daemon) afterFirst() (time.Duration, error) {
	if err := d.idle(); err != nil {
		return 0, err
	}
	used, err := d.usedSoFar()
	return used - d.startCPU, err
}

// stop ends the daemon, once it is idle, and returns the CPU time since it
// listened.
func (d *daemon) stop() (time.Duration, error) {
	defer d.kill()
	if err := d.idle(); err != nil {
		return 0, err
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case <-d.exited:
	case <-time.After(daemonLimit):
		return 0, failed(d.args, fmt.Errorf("did not stop within %v", daemonLimit), "")
	}
	// However it ends on SIGTERM: stock rsync says 20, for a signal.
	return max(0, cpuTime(d.cmd.ProcessState)-d.startCPU), nil
}

// wait is stop for a daemon that ends by itself after one connection.
func (d *daemon) wait() (time.Duration, error) {
	defer d.kill()
	select {
	case <-d.exited:
	case <-time.After(daemonLimit):
		return 0, failed(d.args, fmt.Errorf("did not end within %v", daemonLimit), "")
	}
	if d.err != nil {
		return 0, failed(d.args, d.err, d.output.String())
	}
	return max(0, cpuTime(d.cmd.ProcessState)-d.startCPU), nil
}

// until waits for a condition while the daemon runs.
func (d *daemon) until(ok func() bool, what string) error {
	for end := time.Now().Add(daemonLimit); !ok(); {
		select {
		case <-d.exited:
			return failed(d.args, fmt.Errorf("ended (%v) before it could %s", d.err, what), d.output.String())
		case <-time.After(pollEvery):
		}
		if time.Now().After(end) {
			return failed(d.args, fmt.Errorf("did not %s within %v", what, daemonLimit), "")
		}
	}
	return nil
}

// listens says whether a socket of this host listens on a port of IPv4. The
// columns of the table are in proc(5); 0A is TCP_LISTEN.
func listens(port int) bool {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return false
	}
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 3 && strings.HasSuffix(f[1], suffix) && f[3] == "0A" {
			return true
		}
	}
	return false
}

// usedSoFar is the CPU time of a daemon that runs: its own, exact, and that of
// the children that it reaped, in ticks of 10 ms.
func (d *daemon) usedSoFar() (time.Duration, error) {
	var own unix.Timespec
	if err := unix.ClockGettime(cpuClock(d.pid()), &own); err != nil {
		return 0, fmt.Errorf("CPU clock of %s: %w", filepath.Base(d.args[0]), err)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.pid()))
	if err != nil {
		return 0, err
	}
	ticks, err := childTicks(string(text))
	return time.Duration(own.Nano()) + time.Duration(ticks)*tick, err
}

// cpuClock is the CPU time clock of another process, as clock_getcpuclockid(3)
// makes it: the complement of the process id, and 2 for the scheduler's clock.
func cpuClock(pid int) int32 { return int32(^pid<<3 | 2) }

// tick is the unit of times in /proc on all architectures of Linux that matter.
const tick = 10 * time.Millisecond

// childTicks reads cutime and cstime, fields 16 and 17 of proc(5)'s stat.
func childTicks(stat string) (int64, error) {
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:]) // begins with field 3
	if len(f) < 15 {
		return 0, fmt.Errorf("/proc/PID/stat has %d fields after the name", len(f))
	}
	user, err := strconv.ParseInt(f[13], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cutime: %w", err)
	}
	system, err := strconv.ParseInt(f[14], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cstime: %w", err)
	}
	return user + system, nil
}
