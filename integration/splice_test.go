package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestNoBodyThroughUserSpace traces both ends of a push and of a pull: no
// system call that carries user memory moves a body over a socket.
func TestNoBodyThroughUserSpace(t *testing.T) {
	const files, size = 6, 16<<20 + 1
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	for i := range files {
		randomFile(t, filepath.Join(src, strconv.Itoa(i)), size, byte(i))
	}
	for _, way := range []string{"push", "pull"} {
		t.Run(way, func(t *testing.T) {
			dst, traces := filepath.Join(dir, way), t.TempDir()
			served := map[string]string{"push": dst, "pull": src}[way]
			check(t, os.Mkdir(dst, 0o755))
			d := serve(t, daemonConfig{wrap: traced(traces + "/daemon"), modules: []module{{name: "m", path: served, writable: true}}})
			from, to := src+"/", d.url("m/")
			if way == "pull" {
				from, to = d.url("m/"), dst+"/"
			}
			wantExit(t, run(t, append(traced(traces+"/client"), syncArgs(from, to)...)...), 0)
			d.stop()
			judge(t, src, dst)
			for _, end := range []string{"client", "daemon"} {
				c := socketCalls(t, filepath.Join(traces, end))
				t.Logf("%s of a %s of %d bytes: %d read and write calls on sockets moved %d bytes, the largest %d; splice moved %d",
					end, way, files*size, c.calls, c.bytes, c.largest, c.spliced)
				if c.largest > 64<<10 || c.bytes > files*size/20 {
					t.Errorf("%s: bodies went through user space", end)
				}
				if c.spliced < files*size {
					t.Errorf("%s: splice moved %d bytes to or from the socket, want %d", end, c.spliced, files*size)
				}
			}
		})
	}
}

// traced wraps a command so that its calls that can move bytes are written to
// file. The tracer is the child (-D), so that signals reach the command.
func traced(file string) []string {
	return []string{"strace", "-D", "-f", "-y", "-s0", "--seccomp-bpf", "-o", file,
		"-e", "trace=read,readv,pread64,recvfrom,recvmsg,write,writev,pwrite64,sendto,sendmsg,sendfile,splice,fsync,fdatasync,syncfs"}
}

// calls sums up the traced calls on sockets.
type calls struct {
	calls, bytes, largest int // with user memory
	spliced               int // to or from a socket
}

var (
	tracedCall = regexp.MustCompile(`^(\d+) +(\w+)\((.*)`)
	resumed    = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)`)
	returned   = regexp.MustCompile(`\) += (\d+)$`)
)

// socketCalls reads a trace. Calls of several threads overlap in it: the
// arguments of one that blocked are some lines before its result.
func socketCalls(t *testing.T, file string) (c calls) {
	t.Helper()
	trace, _ := readFile(t, file)
	pending := make(map[string]string) // by thread: arguments of the call that it is in
	for line := range strings.Lines(trace) {
		line = strings.TrimRight(line, "\n")
		var name, args string
		if m := resumed.FindStringSubmatch(line); m != nil {
			name, args = m[2], pending[m[1]]+m[3]
		} else if m := tracedCall.FindStringSubmatch(line); m != nil {
			name, args = m[2], m[3]
			if before, cut := strings.CutSuffix(args, "<unfinished ...>"); cut {
				pending[m[1]] = before
				continue
			}
		}
		m := returned.FindStringSubmatch(args)
		if m == nil || !strings.Contains(args, "<socket:") {
			continue
		}
		n, err := strconv.Atoi(m[1])
		check(t, err)
		if name == "splice" {
			c.spliced += n
			continue
		}
		c.calls++
		c.bytes += n
		c.largest = max(c.largest, n)
	}
	if c.calls == 0 {
		t.Fatalf("no call on a socket in the trace; is this an strace that shows them otherwise?\n%.1000s", trace)
	}
	return c
}
