package integration

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSessionsWithStockDoNotWaitForAcknowledgements: stock has Nagle's
// algorithm on and writes the handshake, and the end of a session in which it is
// the sender, in pieces. Each of them that waits for the acknowledgement of the
// one before takes 40 ms.
func TestSessionsWithStockDoNotWaitForAcknowledgements(t *testing.T) {
	const runs, limit = 10, 0.035
	dir := t.TempDir()
	src, in, out := filepath.Join(dir, "src"), filepath.Join(dir, "in"), filepath.Join(dir, "out")
	randomFile(t, filepath.Join(src, "file"), 1000, 22)
	check(t, os.Mkdir(in, 0o755))
	modules := []module{{name: "src", path: src}, {name: "in", path: in, writable: true}}
	stock, ours := stockDaemon(t, modules...), serve(t, daemonConfig{modules: modules})
	served := 0
	session := func(args ...string) *stats {
		mustRun(t, append([]string{"rsync", "-a"}, args...)...)
		served++
		return ours.sessions(served)[served-1]
	}
	for way, run := range map[string]func() *stats{
		"we pull from stock":  func() *stats { return mustSync(t, stockURL(stock, "src/"), out+"/") },
		"we push to stock":    func() *stats { return mustSync(t, src+"/", stockURL(stock, "in/")) },
		"stock pulls from us": func() *stats { return session(stockURL(ours.addr, "src/"), out+"/") },
		"stock pushes to us":  func() *stats { return session(src+"/", stockURL(ours.addr, "in/")) },
	} {
		best := 1.0
		for range runs { // the machine may have something else to do
			check(t, os.RemoveAll(filepath.Join(in, "file")))
			check(t, os.RemoveAll(out))
			best = min(best, run().Seconds)
		}
		if best > limit {
			t.Errorf("%s: a file of 1000 bytes takes %.0f ms", way, best*1000)
		} else {
			t.Logf("%s: %.1f ms", way, best*1000)
		}
	}
}
