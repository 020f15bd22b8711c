package integration

import (
	"os"
	"path/filepath"
	"testing"
)

// TestStockBodiesBySplice has a new file cross in all ways between our program
// and stock's: its bytes go through pipes, on our side, and never through this
// process.
func TestStockBodiesBySplice(t *testing.T) {
	const size = 32 << 20
	dir := t.TempDir()
	src, in := filepath.Join(dir, "src"), filepath.Join(dir, "in")
	randomFile(t, filepath.Join(src, "file"), size, 21)
	check(t, os.Mkdir(in, 0o755))
	modules := []module{{name: "src", path: src}, {name: "in", path: in, writable: true}}
	stock, ours := stockDaemon(t, modules...), serve(t, daemonConfig{modules: modules})
	shell := localShell(t)
	spliced := func(way string, s *stats) {
		t.Helper()
		if p := s.PathBytes; p.Splice < size || p.User != 0 {
			t.Errorf("%s: of %d bytes %d were spliced, %d went through the process", way, size, p.Splice, p.User)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) + "/" }
	spliced("we pull from stock", mustSync(t, stockURL(stock, "src/"), at("1")))
	spliced("we push to stock", mustSync(t, src+"/", stockURL(stock, "in/2/")))
	spliced("we pull by shell", mustSync(t, "-e", shell, "host:"+src+"/", at("3")))
	spliced("we push by shell", mustSync(t, "-e", shell, src+"/", "host:"+at("4")))
	mustRun(t, "rsync", "-a", stockURL(ours.addr, "src/"), at("5"))
	spliced("stock pulls from us", ours.sessions(1)[0])
	mustRun(t, "rsync", "-a", src+"/", stockURL(ours.addr, "in/6/"))
	spliced("stock pushes to us", ours.sessions(2)[1])
	for _, made := range []string{at("1"), filepath.Join(in, "2"), at("3"), at("4"), at("5"), filepath.Join(in, "6")} {
		judge(t, src, made, "--modify-window=0")
	}
}
