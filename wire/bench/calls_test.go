package bench

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestCallsAreThoseThatTheKernelSaw has strace watch both ends of each pair:
// what wire counts are the calls on the socket, the pipe and the file.
func TestCallsAreThoseThatTheKernelSaw(t *testing.T) {
	for _, p := range pairs() {
		t.Run(p.sender.name+" to "+p.receiver.name, func(t *testing.T) {
			src, err := openSource(&Options{Dir: t.TempDir(), Size: 5<<20 + 1})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			dst, err := nameless(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer dst.Close()
			near, far, err := connection()
			if err != nil {
				t.Fatal(err)
			}
			receiver := startTraced(t, roleReceive, p.receiver, far, dst)
			sender := startTraced(t, roleSend, p.sender, near, src)
			near.Close()
			far.Close()
			sender.check(t)
			receiver.check(t)
		})
	}
}

// tracedEnd is an end below strace.
type tracedEnd struct {
	*exec.Cmd
	log string
	out *strings.Builder
}

func startTraced(t *testing.T, role string, tech technique, socket, file *os.File) *tracedEnd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e := &tracedEnd{log: filepath.Join(t.TempDir(), "strace"), out: new(strings.Builder)}
	e.Cmd = exec.Command("strace", "-f", "-y", "-o", e.log, "-e", "trace=read,write,pread64,pwrite64,splice,sendfile,mmap,fstat,setsockopt,sendmsg", self,
		endArg, role, tech.transport.String(), strconv.Itoa(5<<20+1))
	e.ExtraFiles = []*os.File{socket, file}
	e.Stdout, e.Stderr = e.out, e.out
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	return e
}

// check compares.
func (e *tracedEnd) check(t *testing.T) {
	t.Helper()
	if err := e.Wait(); err != nil {
		t.Fatalf("%v: %s", err, e.out)
	}
	var end End
	if err := json.Unmarshal([]byte(e.out.String()), &end); err != nil {
		t.Fatalf("%v: %s", err, e.out)
	}
	text, err := os.ReadFile(e.log)
	if err != nil {
		t.Fatal(err)
	}
	saw := int64(0)
	for line := range strings.Lines(string(text)) {
		saw += callsIn(line)
	}
	// A sender's first await is before the account begins: one call that finds
	// nothing, one that takes the byte, and with a pipe one to look at it.
	if end.Calls > saw || end.Calls < saw-3 {
		t.Errorf("counted %d calls, strace saw %d\n%s", end.Calls, saw, text)
	}
}

// callsIn is how many calls that Stats.Calls counts a line of strace's log
// stands for. A line is "PID NAME(ARGUMENTS) = RESULT", in two parts where
// another thread came between; each descriptor has what it is behind it.
func callsIn(line string) int64 {
	_, call, _ := strings.Cut(line, " ")
	name, args, ok := strings.Cut(strings.TrimSpace(call), "(")
	ours := strings.Contains(args, "<socket:") || strings.Contains(args, "<pipe:") || strings.Contains(args, "/syncd-bench-")
	switch {
	case !ok || !ours || strings.HasPrefix(args, "1<"): // the second part; the runtime's own; the report
		return 0
	case name == "mmap":
		return 2 // munmap shows no descriptor
	case name == "setsockopt" && !strings.Contains(args, "SO_RCVLOWAT"):
		return 0
	}
	return 1
}
