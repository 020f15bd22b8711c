package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRetry restarts the daemon, or breaks the connection, within one run of a
// client, which connects again and goes on.
func TestRetry(t *testing.T) {
	const size, breaks = 128 << 20, 3
	for _, victim := range []string{"daemon", "connection"} {
		for _, way := range []string{"pull", "push"} {
			t.Run(victim+" "+way, func(t *testing.T) {
				t.Parallel()
				b := newBroken(t, way, size)
				served := map[string]string{"pull": b.src, "push": b.dst}[way]
				d := serveDir(t, served)
				net := newRelay(t, d.addr, 0)
				from, to := b.src+"/", net.url("m/")
				if way == "pull" {
					from, to = net.url("m/"), b.dst+"/"
				}
				_, wait := begin(t, syncArgs("--retry=10", "--bwlimit=40M", from, to)...)
				broken := 0 // connections
				for i := range breaks {
					at := int64(i+1) * size / (breaks + 1)
					eventually(t, fmt.Sprintf("%d bytes have passed, and one more connection is at work", at), func() bool {
						return net.bytes() > at && slices.ContainsFunc(net.all()[broken:], func(k *link) bool { return k.bytes.Load() > 1<<20 })
					})
					broken = len(net.all())
					if victim == "connection" {
						net.breakAll()
						continue
					}
					d.kill()
					d = serveDir(t, served)
					net.to(d.addr)
				}
				r := wait()
				wantExit(t, r, 0)
				if n := strings.Count(r.stderr, "connecting again"); n < breaks || n != strings.Count(r.stderr, "\n") {
					t.Errorf("%d attempts were told of:\n%s", n, r.stderr)
				}
				judge(t, b.src, b.dst)
				noStagingNames(t, b.dst)
				s := lastStats(t, r.stdout)
				if s.Entries > 2 || s.LiteralBytes < size || s.LiteralBytes > size+breaks*32<<20 {
					t.Errorf("statistics: %+v", s)
				}
				t.Logf("%d breaks: %.3f of the file was sent", breaks, float64(s.LiteralBytes)/size)
			})
		}
	}
}

// TestRetryNot fails in ways that another attempt would not mend.
func TestRetryNot(t *testing.T) {
	dir := t.TempDir()
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: dir}}})
	for name, c := range map[string]struct {
		args []string
		code int
	}{
		"no such module": {[]string{d.url("none/"), dir + "/x/"}, 5},
		"read-only":      {[]string{dir + "/", d.url("m/")}, 5},
		"usage":          {[]string{"--timeout=-1", dir + "/", d.url("m/")}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := here.sync(t, append([]string{"--retry=5"}, c.args...)...)
			wantExit(t, r, c.code)
			if strings.Contains(r.stderr, "again in") {
				t.Errorf("tried again:\n%s", r.stderr)
			}
		})
	}
	d.kill()
	r := here.sync(t, "--retry=1", d.url("m/"), filepath.Join(dir, "x")+"/")
	wantExit(t, r, 10)
	if strings.Count(r.stderr, "connecting again in") != 1 {
		t.Errorf("not tried once again:\n%s", r.stderr)
	}
	// A signal ends the wait.
	p, wait := begin(t, syncArgs("--retry=9", d.url("m/"), dir+"/x/")...)
	time.Sleep(300 * time.Millisecond)
	check(t, p.Signal(os.Interrupt))
	wantExit(t, wait(), 20)
}
