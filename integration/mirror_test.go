package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTwoHostsMirror pushes a real tree from one host to another and pulls it
// back, before and after a churn. After each transfer stock rsync finds nothing
// to do, a second run transfers nothing, and all bodies went by splice.
func TestTwoHostsMirror(t *testing.T) {
	a, b := twoHosts(t)
	dir := t.TempDir()
	src, pushed, pulled := filepath.Join(dir, "src"), filepath.Join(dir, "pushed"), filepath.Join(dir, "pulled")
	check(t, os.Mkdir(pushed, 0o755))
	mustRun(t, "cp", "-a", strings.TrimSpace(mustRun(t, "go", "env", "GOROOT")), src)
	addOddities(t, src)
	d := serve(t, daemonConfig{host: b, modules: []module{
		{name: "in", path: pushed, writable: true}, {name: "out", path: pushed},
	}})
	options := []string{"-HAX", "--delete", "--numeric-ids"}
	push := append(options, src+"/", d.url("in/"))
	pull := append(options, d.url("out/"), pulled+"/")

	mirror := func(title string) {
		for _, way := range []struct {
			name string
			args []string
			dst  string
		}{{"push", push, pushed}, {"pull", pull, pulled}} {
			first := a.mustSync(t, way.args...)
			allBySplice(t, way.name, first)
			judge(t, src, way.dst)
			noStagingNames(t, way.dst)
			second := a.mustSync(t, way.args...)
			if second.Transferred != 0 || second.LiteralBytes != 0 || second.Deleted != 0 {
				t.Errorf("%s, %s: the second run did something: %+v", title, way.name, second)
			}
			t.Logf("%s, %s: %d entries, %d files, %d bytes, all by splice on both ends, %d deleted; rsync sees no difference; the second run transferred nothing",
				title, way.name, first.Entries, first.Transferred, first.LiteralBytes, first.Deleted)
		}
	}
	mirror("new")
	if n, src := allocated(t, filepath.Join(pulled, "odd/special/sparse")), allocated(t, filepath.Join(src, "odd/special/sparse")); n > src+64<<10 {
		t.Errorf("the sparse file takes %d bytes, at the source %d", n, src)
	}
	t.Logf("churn: %v", churn(t, src, 500, 20261122))
	mirror("churned")
}

// allBySplice fails the test unless both ends moved all bodies by splice, and the
// sink also what it reused, unless by reflink.
func allBySplice(t *testing.T, way string, client *stats) {
	t.Helper()
	if client.Peer == nil {
		t.Fatal("the daemon sent no statistics")
	}
	if client.LiteralBytes == 0 || client.Redone != 0 || client.Failed != 0 {
		t.Errorf("not every file came at the first try: %+v", client)
	}
	for end, s := range map[string]*stats{"client": client, "daemon": client.Peer} {
		reused := int64(0)
		if sink := map[string]string{"push": "daemon", "pull": "client"}[way]; end == sink {
			reused = s.MatchedBytes
		}
		if s.PathBytes.User != 0 || s.PathBytes.Splice+s.PathBytes.Reflink != s.LiteralBytes+reused || s.LiteralBytes != client.LiteralBytes {
			t.Errorf("%s: literal bytes %d, %+v", end, s.LiteralBytes, s.PathBytes)
		}
	}
}
