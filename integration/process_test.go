package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// result is how a process ended.
type result struct {
	code           int // exit code, -1 if a signal ended it
	stdout, stderr string
	took           time.Duration
}

// runLimit ends a process that hangs, well before go test ends the tests.
const runLimit = 60 * time.Second

// run runs a process to its end. That a program of ours panicked is an error,
// whatever the test is about.
func run(t testing.TB, command ...string) result {
	t.Helper()
	_, wait := begin(t, command...)
	return wait()
}

// begin starts a process and returns what waits for it. Those that take too
// long are killed, with what they have started.
func begin(t testing.TB, command ...string) (p *os.Process, wait func() result) {
	t.Helper()
	c := exec.Command(command[0], command[1:]...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	start := time.Now()
	if err := c.Start(); err != nil {
		t.Fatalf("start %s: %v", c, err)
	}
	kill := func() { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	late := time.AfterFunc(runLimit, func() {
		t.Errorf("took more than %v: %s", runLimit, c)
		kill()
	})
	t.Cleanup(func() { late.Stop(); kill() })
	return c.Process, func() result {
		err := c.Wait()
		late.Stop()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Errorf("%s: %v", c, err)
		}
		r := result{c.ProcessState.ExitCode(), stdout.String(), stderr.String(), time.Since(start)}
		noPanic(t, r.stderr)
		return r
	}
}

var panicked = regexp.MustCompile(`(?m)^(panic:|fatal error:|goroutine \d+ |WARNING: DATA RACE)`)

func noPanic(t testing.TB, output string) {
	t.Helper()
	if panicked.MatchString(output) {
		t.Errorf("a program panicked:\n%s", output)
	}
}

// mustRun runs a process that has to succeed, and returns its output.
func mustRun(t testing.TB, command ...string) string {
	t.Helper()
	r := run(t, command...)
	if r.code != 0 {
		t.Fatalf("%s: exit %d\n%s%s", strings.Join(command, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// wantExit fails the test unless r ended with one of the codes.
func wantExit(t testing.TB, r result, codes ...int) {
	t.Helper()
	for _, c := range codes {
		if r.code == c {
			return
		}
	}
	t.Fatalf("exit %d, want %v\n%s%s", r.code, codes, r.stdout, r.stderr)
}

// stats is what --stats=json shows, as far as the tests look at it.
type stats struct {
	Entries      int64 `json:"entries"`
	Transferred  int64 `json:"transferred"`
	Deleted      int64 `json:"deleted"`
	LiteralBytes int64 `json:"literal_bytes"`
	MatchedBytes int64 `json:"matched_bytes"`
	WireSent     int64 `json:"wire_sent"`
	WireReceived int64 `json:"wire_received"`
	PathBytes    struct {
		Splice        int64 `json:"splice"`
		Sendfile      int64 `json:"sendfile"`
		Mmap          int64 `json:"mmap"`
		CopyFileRange int64 `json:"copy_file_range"`
		Reflink       int64 `json:"reflink"`
		User          int64 `json:"user"`
	} `json:"path_bytes"`
	HashBytes int64   `json:"hash_bytes"`
	Redone    int64   `json:"redone"`
	Failed    int64   `json:"failed"`
	Exit      int     `json:"exit"`
	Seconds   float64 `json:"seconds"`
	Peer      *stats  `json:"peer"`
}

// lastStats is the one line of JSON that --stats=json ends the output with.
func lastStats(t testing.TB, stdout string) *stats {
	t.Helper()
	lines := strings.Split(strings.TrimRight(stdout, "\n"), "\n")
	s := new(stats)
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), s); err != nil {
		t.Fatalf("the output does not end with statistics: %v\n%s", err, stdout)
	}
	return s
}

// syncArgs is the command line of one transfer.
func syncArgs(args ...string) []string {
	return append([]string{program, "sync", "--stats=json"}, args...)
}

// mustSync makes a transfer that has to succeed, on this host.
func mustSync(t testing.TB, args ...string) *stats {
	t.Helper()
	return here.mustSync(t, args...)
}

// measured wraps a command so that peakRSS finds its memory in what it wrote.
// The memory is not taken from the process's own rusage: that begins with the
// peak of the process that forked it, which is this one.
func measured(command ...string) []string {
	return append([]string{"/usr/bin/time", "-v"}, command...)
}

var maxRSS = regexp.MustCompile(`Maximum resident set size \(kbytes\): (\d+)`)

// peakRSS is the peak memory, in KiB, of a command that was measured.
func peakRSS(t testing.TB, stderr string) int {
	t.Helper()
	m := maxRSS.FindStringSubmatch(stderr)
	if m == nil {
		t.Fatalf("no peak memory in:\n%s", stderr)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// eventually waits until ok, or fails the test.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never happened: %s", what)
		}
	}
}
