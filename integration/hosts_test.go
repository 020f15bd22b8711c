package integration

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
)

// host is a network namespace in which processes run. The zero one is the
// sandbox's own, with only loopback.
type host struct {
	name string // of the namespace
	addr string // IPv4
}

// here is the sandbox itself.
var here = host{addr: "127.0.0.1"}

var pairs atomic.Int32

// twoHosts makes two hosts that are joined by a cable, and takes them away
// again at the end of the test.
func twoHosts(t testing.TB) (a, b host) {
	n := pairs.Add(1)
	a = host{fmt.Sprintf("syncd-%d-%da", os.Getpid(), n), fmt.Sprintf("10.77.%d.1", n)}
	b = host{fmt.Sprintf("syncd-%d-%db", os.Getpid(), n), fmt.Sprintf("10.77.%d.2", n)}
	for _, h := range []host{a, b} {
		mustRun(t, "ip", "netns", "add", h.name)
		t.Cleanup(func() { _ = os.Remove("/run/netns/" + h.name) })
		t.Cleanup(func() { unmount(t, "/run/netns/"+h.name) })
		mustRun(t, "ip", "-n", h.name, "link", "set", "lo", "up")
	}
	mustRun(t, "ip", "link", "add", "eth0", "netns", a.name, "type", "veth", "peer", "name", "eth0", "netns", b.name)
	for _, h := range []host{a, b} {
		mustRun(t, "ip", "-n", h.name, "addr", "add", h.addr+"/24", "dev", "eth0")
		mustRun(t, "ip", "-n", h.name, "link", "set", "eth0", "up")
	}
	return a, b
}

// command is a command line that runs on h. The process that it starts is the
// one of the command: ip replaces itself.
func (h host) command(command ...string) []string {
	if h.name == "" {
		return command
	}
	return append([]string{"ip", "netns", "exec", h.name}, command...)
}

// sync makes a transfer from h.
func (h host) sync(t testing.TB, args ...string) result {
	t.Helper()
	return run(t, h.command(syncArgs(args...)...)...)
}

// mustSync makes a transfer from h that has to succeed.
func (h host) mustSync(t testing.TB, args ...string) *stats {
	t.Helper()
	r := h.sync(t, args...)
	wantExit(t, r, 0)
	if r.stderr != "" {
		t.Errorf("a transfer that succeeded complained:\n%s", r.stderr)
	}
	return lastStats(t, r.stdout)
}
