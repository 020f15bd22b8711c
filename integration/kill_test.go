package integration

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKillNine kills either side of pushes and pulls at random moments. Each
// time every file of the target is wholly of one version; a last run makes
// everything right and leaves nothing behind.
func TestKillNine(t *testing.T) {
	const rounds = 20
	for _, victim := range []string{"client", "daemon"} {
		t.Run(victim, func(t *testing.T) {
			k := newKillTest(t)
			killed := 0
			for i := range rounds {
				k.nextVersion()
				if k.round(victim, []string{"push", "pull"}[i%2]) {
					killed++
				}
			}
			for _, way := range []string{"push", "pull"} {
				k.complete(way)
			}
			if killed < rounds/4 { // the times vary with what else the machine does
				t.Errorf("only %d of %d runs were killed before their end", killed, rounds)
			}
			t.Logf("kill -9 of the %s at %d random moments, %d of them within the transfer: %d files looked at, each wholly old or new; the last run made all right; nothing lost, nothing left behind",
				victim, rounds, killed, k.checked)
		})
	}
}

// killTest is a source whose files are all of one version, which is the byte
// they consist of, and a target for each way.
type killTest struct {
	t       *testing.T
	src     string
	dst     map[string]string
	version byte
	took    map[string]time.Duration // of a transfer that nothing stops
	rand    *rand.Rand
	checked int
}

func newKillTest(t *testing.T) *killTest {
	dir := t.TempDir()
	k := &killTest{t: t, src: filepath.Join(dir, "src"), version: 'a', took: make(map[string]time.Duration), rand: rand.New(rand.NewPCG(9, 9)),
		dst: map[string]string{"push": filepath.Join(dir, "push"), "pull": filepath.Join(dir, "pull")}}
	for way, dst := range k.dst {
		check(t, os.Mkdir(dst, 0o755))
		k.version++
		k.writeVersion()
		k.took[way] = k.complete(way)
	}
	return k
}

// writeVersion gives each file of the source the content of the version.
func (k *killTest) writeVersion() {
	k.t.Helper()
	for i := range 200 {
		size := 1 + i*300
		if i%50 == 0 {
			size = 9 << 20 // more than one segment
		}
		k.write(fmt.Sprintf("d%d/f%d", i%10, i), size)
	}
	// A directory that the target does not have yet.
	check(k.t, os.RemoveAll(filepath.Join(k.src, fmt.Sprintf("new-%c", k.version-1))))
	for i := range 30 {
		k.write(fmt.Sprintf("new-%c/sub/f%d", k.version, i), 5000)
	}
}

func (k *killTest) write(name string, size int) {
	path := filepath.Join(k.src, name)
	check(k.t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(k.t, os.WriteFile(path, bytes.Repeat([]byte{k.version}, size), 0o644))
}

func (k *killTest) nextVersion() {
	k.version++
	k.writeVersion()
}

// start begins a transfer; wait returns how it ended.
func (k *killTest) start(way string) (d *daemon, client *os.Process, wait func() result) {
	served := map[string]string{"push": k.dst["push"], "pull": k.src}[way]
	d = serveDir(k.t, served)
	args := []string{k.src + "/", d.url("m/")}
	if way == "pull" {
		args = []string{d.url("m/"), k.dst["pull"] + "/"}
	}
	client, wait = begin(k.t, syncArgs(append([]string{"--delete", "--timeout=20"}, args...)...)...)
	return d, client, wait
}

// round kills one side at a random moment, and reports whether that was
// before the end.
func (k *killTest) round(victim, way string) (killed bool) {
	k.t.Helper()
	d, client, wait := k.start(way)
	time.Sleep(time.Duration(k.rand.Int64N(int64(k.took[way]))))
	if victim == "client" {
		_ = client.Kill() // or it has ended
	} else {
		d.kill()
	}
	r := wait()
	if victim == "daemon" {
		wantExit(k.t, r, 0, 10, 5, 12) // before the client connected, before the hello, after it
	}
	k.wholeFiles(k.dst[way])
	d.kill()
	return r.code != 0
}

// complete makes a transfer that nothing stops.
func (k *killTest) complete(way string) time.Duration {
	k.t.Helper()
	d, _, wait := k.start(way)
	r := wait()
	wantExit(k.t, r, 0)
	d.stop()
	judge(k.t, k.src, k.dst[way])
	noStagingNames(k.t, k.dst[way])
	return r.took
}

// wholeFiles checks that each file in dst is all of one version.
func (k *killTest) wholeFiles(dst string) {
	k.t.Helper()
	check(k.t, filepath.WalkDir(dst, func(path string, d fs.DirEntry, err error) error {
		if err != nil || strings.Contains(path, ".~syncd~") || !d.Type().IsRegular() {
			return ignoreVanished(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return ignoreVanished(err)
		}
		want, err := os.Stat(filepath.Join(k.src, path[len(dst):]))
		if len(b) == 0 || bytes.Count(b, b[:1]) != len(b) || err == nil && int64(len(b)) != want.Size() {
			k.t.Errorf("%s is neither wholly old nor wholly new: %d bytes", path, len(b))
		}
		k.checked++
		return nil
	}))
}

// ignoreVanished is for looking at a target whose sink is still at work.
func ignoreVanished(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
