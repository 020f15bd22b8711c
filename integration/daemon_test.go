package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// daemonConfig is what a test wants of a daemon.
type daemonConfig struct {
	host host
	wrap []string // runs the daemon, as strace does
	keys string   // lines of YAML besides listen, log and modules

	modules []module
}

// module is one module of a daemon.
type module struct {
	name, path string
	writable   bool
	keys       string // flow YAML besides those, "exclude: [...]"
}

// daemon is a process `syncd serve`.
type daemon struct {
	t    testing.TB
	cmd  *exec.Cmd
	addr string // host:port
	done chan struct{}

	mu   sync.Mutex
	text strings.Builder // what it wrote to standard error
	logs []logLine
}

// logLine is a line of its log.
type logLine struct {
	Msg   string `json:"msg"`
	Addr  string `json:"addr"`
	Err   string `json:"err"`
	Stats *stats `json:"stats"`
}

// serve starts a daemon on a free port and waits until it listens. It is
// killed at the end of the test, if it is still there.
func serve(t testing.TB, c daemonConfig) *daemon {
	t.Helper()
	if c.host.addr == "" {
		c.host = here
	}
	file := filepath.Join(t.TempDir(), "syncd.yaml")
	writeFile(t, file, c.yaml())
	args := c.host.command(append(c.wrap, program, "serve", "-c", file)...)
	d := &daemon{t: t, cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{})}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // for interrupt
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatalf("start a daemon: %v", err)
	}
	t.Cleanup(func() { d.kill(); noPanic(t, d.stderr()) })
	listening := make(chan string, 1)
	go d.follow(stderr, listening)
	select {
	case d.addr = <-listening:
	case <-d.done:
		t.Fatalf("the daemon did not start:\n%s", d.stderr())
	case <-time.After(20 * time.Second):
		t.Fatalf("the daemon does not listen:\n%s", d.stderr())
	}
	return d
}

// serveDir starts a daemon with one writable module called m.
func serveDir(t testing.TB, dir string) *daemon {
	t.Helper()
	return serve(t, daemonConfig{modules: []module{{name: "m", path: dir, writable: true}}})
}

// yaml is the configuration file. Content is not forced to disk, for speed,
// unless keys say so.
func (c *daemonConfig) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "listen: [%q]\nlog: {level: debug, format: json}\n%s\n", c.host.addr+":0", c.keys)
	if c.host.name != "" {
		b.WriteString("insecure: true\n")
	}
	if !strings.Contains(c.keys, "fsync:") {
		b.WriteString("fsync: none\n")
	}
	b.WriteString("modules:\n")
	for _, m := range c.modules {
		keys := m.keys
		if keys != "" {
			keys = ", " + keys
		}
		fmt.Fprintf(&b, "  - {name: %q, path: %q, read_only: %t%s}\n", m.name, m.path, !m.writable, keys)
	}
	return b.String()
}

// follow reads what the daemon writes until it ends.
func (d *daemon) follow(stderr io.Reader, listening chan<- string) {
	defer close(d.done)
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l logLine
		_ = json.Unmarshal(lines.Bytes(), &l) // a panic is no JSON, and is kept as text
		d.mu.Lock()
		d.text.WriteString(lines.Text() + "\n")
		d.logs = append(d.logs, l)
		d.mu.Unlock()
		if l.Msg == "listening" {
			listening <- l.Addr
		}
	}
	_ = d.cmd.Wait() // wanted is how it ended; ProcessState tells
}

func (d *daemon) stderr() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// url names a path below a module.
func (d *daemon) url(modulePath string) string { return "syncd://" + d.addr + "/" + modulePath }

// sessions waits until n sessions have ended and returns what each counted.
func (d *daemon) sessions(n int) (all []*stats) {
	d.t.Helper()
	eventually(d.t, fmt.Sprintf("%d sessions have ended", n), func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		all = nil
		for _, l := range d.logs {
			if l.Stats != nil {
				all = append(all, l.Stats)
			}
		}
		return len(all) >= n
	})
	return all
}

// kill ends the daemon at once.
func (d *daemon) kill() {
	_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
	<-d.done
}

// stop ends the daemon in order. The signal goes to the process group, for a
// daemon that was wrapped: time(1) leaves SIGINT to its child.
func (d *daemon) stop() {
	d.t.Helper()
	if err := syscall.Kill(-d.cmd.Process.Pid, syscall.SIGINT); err != nil {
		d.t.Errorf("interrupt the daemon: %v", err)
	}
	select {
	case <-d.done:
	case <-time.After(20 * time.Second):
		d.t.Fatalf("the daemon does not stop:\n%s", d.stderr())
	}
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		d.t.Errorf("the daemon ended with %d:\n%s", code, d.stderr())
	}
}

// alive checks that the daemon still serves.
func (d *daemon) alive() {
	d.t.Helper()
	mustRun(d.t, program, "ls", "syncd://"+d.addr)
}

// stacks ends the daemon and returns the stacks of all its goroutines.
func (d *daemon) stacks() string {
	d.t.Helper()
	check(d.t, d.cmd.Process.Signal(syscall.SIGQUIT))
	<-d.done
	d.mu.Lock()
	defer d.mu.Unlock()
	text := d.text.String()
	d.text.Reset() // it is no panic
	return text
}

// peakMemory is the daemon's peak memory so far, in KiB.
func (d *daemon) peakMemory() int {
	d.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		d.t.Fatal(err)
	}
	kib := 0
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib
		}
	}
	d.t.Fatalf("no VmHWM in:\n%s", status)
	return 0
}

// hasLogged reports whether the daemon has logged the message.
func (d *daemon) hasLogged(msg string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.logs, func(l logLine) bool { return l.Msg == msg })
}
