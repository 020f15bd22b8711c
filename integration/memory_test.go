package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFlatMemory transfers a tree and one of ten times its entries: neither
// end may need memory for each entry. When garbage is collected makes a peak
// differ by 3 MiB from one try to the next; the least of a few is what is needed.
func TestFlatMemory(t *testing.T) {
	const allowed = 15 << 10 // KiB
	grown := make(map[string]int)
	for range 3 {
		flat := true
		for what, kib := range growth(t) {
			if before, ok := grown[what]; ok {
				kib = min(kib, before)
			}
			grown[what] = kib
			flat = flat && kib <= allowed
		}
		if flat {
			return
		}
	}
	for what, kib := range grown {
		if kib > allowed {
			t.Errorf("%s: ten times the entries cost %d KiB more, allowed are %d", what, kib, allowed)
		}
	}
}

// growth is how many KiB more ten times the entries cost, by way and end.
func growth(t *testing.T) map[string]int {
	t.Helper()
	dir := mountTmpfs(t, filepath.Join(t.TempDir(), "tmpfs"), "nr_inodes=2000000")
	peak := make(map[string]int) // of the smaller tree
	more := make(map[string]int)
	for _, dirs := range []int{300, 3000} {
		src, dst := filepath.Join(dir, fmt.Sprint("src", dirs)), filepath.Join(dir, fmt.Sprint("dst", dirs))
		smallFiles(t, src, dirs, 100)
		check(t, os.Mkdir(dst, 0o755))
		d := serve(t, daemonConfig{wrap: measured(), modules: []module{{name: "m", path: src}}})
		pull := run(t, measured(syncArgs("-H", "--delete", d.url("m/"), dst+"/")...)...)
		d.stop()
		// There is nothing left to do for a push: all that costs is the tree.
		e := serve(t, daemonConfig{wrap: measured(), modules: []module{{name: "m", path: dst, writable: true}}})
		push := run(t, measured(syncArgs("-H", "--delete", src+"/", e.url("m/"))...)...)
		e.stop()
		for _, way := range []struct {
			name        string
			client      result
			daemon      string
			transferred int
		}{{"pull", pull, d.stderr(), 100 * dirs}, {"push", push, e.stderr(), 0}} {
			wantExit(t, way.client, 0)
			if s := lastStats(t, way.client.stdout); s.Transferred != int64(way.transferred) {
				t.Errorf("%s: %d files were transferred, want %d", way.name, s.Transferred, way.transferred)
			}
			client, daemon := peakRSS(t, way.client.stderr), peakRSS(t, way.daemon)
			t.Logf("%s of %d files in %d directories, %d of them new: peak of the client %d KiB, of the daemon %d KiB, %.1f s",
				way.name, 100*dirs, dirs, way.transferred, client, daemon, way.client.took.Seconds())
			for end, kib := range map[string]int{"client": client, "daemon": daemon} {
				what := way.name + ", " + end
				if before, ok := peak[what]; ok {
					more[what] = kib - before
				} else {
					peak[what] = kib
				}
			}
		}
	}
	return more
}

// smallFiles makes directories with files of which two of three are empty.
func smallFiles(t testing.TB, dir string, dirs, each int) {
	t.Helper()
	content := strings.Repeat("small", 20)
	for i := range dirs {
		sub := filepath.Join(dir, fmt.Sprintf("d%04d", i))
		check(t, os.MkdirAll(sub, 0o755))
		for j := range each {
			check(t, os.WriteFile(filepath.Join(sub, fmt.Sprintf("file%03d", j)), []byte(content[:j%3/2*j]), 0o644))
		}
	}
}
