package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ways runs a test for a push, a pull and a local transfer from src to dst.
// sync makes the transfer; the daemon of the two others serves all the time.
func ways(t *testing.T, src, dst string, test func(t *testing.T, sync func(args ...string) result)) {
	for _, way := range []string{"push", "pull", "local"} {
		t.Run(way, func(t *testing.T) {
			from, to := src+"/", dst+"/"
			switch way {
			case "push":
				to = serveDir(t, dst).url("m/")
			case "pull":
				from = serveDir(t, src).url("m/")
			}
			test(t, func(args ...string) result {
				t.Helper()
				return here.sync(t, append(args, from, to)...)
			})
		})
	}
}

// TestDiskFull fills the target's file system: the old file stays whole, the
// failure is reported, and the next run that fits leaves nothing behind.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	check(t, os.Mkdir(dst, 0o755))
	ways(t, src, dst, func(t *testing.T, sync func(...string) result) {
		mountTmpfs(t, dst, "size=12m")
		writeTree(t, src, map[string]string{"file": strings.Repeat("old", 1<<20), "small": "old"})
		check(t, os.RemoveAll(filepath.Join(src, "new")))
		wantExit(t, sync(), 0)
		writeFile(t, filepath.Join(src, "file"), strings.Repeat("new", 10<<20))
		randomFile(t, filepath.Join(src, "new/large"), 30<<20, 1)
		r := sync()
		wantExit(t, r, 11, 23)
		if !strings.Contains(r.stderr, "no space left on device") {
			t.Errorf("the cause is not named:\n%s", r.stderr)
		}
		wantFile(t, filepath.Join(dst, "file"), strings.Repeat("old", 1<<20))
		wantFile(t, filepath.Join(dst, "small"), "old")
		writeFile(t, filepath.Join(src, "file"), strings.Repeat("fit", 1<<20))
		check(t, os.Truncate(filepath.Join(src, "new/large"), 1000))
		wantExit(t, sync(), 0)
		judge(t, src, dst)
		noStagingNames(t, dst)
		t.Logf("a file of 30 MiB over one of 3 in 12 MiB of space: exit %d, the old one whole; the next run that fits: all right, nothing left behind", r.code)
	})
}

// TestSourceRewritten transfers a file that is rewritten all the time, between
// versions that are one byte repeated. What arrives is of one version, or the
// file is reported. The file is truncated before it is written: a writer that
// is held up half-way leaves a short file, but never one of two versions.
func TestSourceRewritten(t *testing.T) {
	const runs = 12
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	check(t, os.Mkdir(dst, 0o755))
	for name, rewrite := range map[string]func(path string, content []byte) error{
		"in place": func(path string, content []byte) error {
			return os.WriteFile(path, content, 0o644)
		},
		"by rename": func(path string, content []byte) error {
			if err := os.WriteFile(path+".tmp", content, 0o644); err != nil {
				return err
			}
			return os.Rename(path+".tmp", path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ways(t, src, dst, func(t *testing.T, sync func(...string) result) {
				whole, reported, redone := 0, 0, int64(0)
				for range runs {
					path := filepath.Join(src, "file")
					writeFile(t, path, "\x01")
					version := byte(0)
					stop := loop(func() error {
						version++
						time.Sleep(time.Duration(version%8) * 3 * time.Millisecond)
						return rewrite(path, []byte(strings.Repeat(string(rune('A'+version%26)), 12<<20)))
					})
					r := sync("--exclude=*.tmp")
					check(t, stop())
					wantExit(t, r, 0, 23)
					if r.code == 23 {
						reported++
						if !strings.Contains(r.stderr, "file") {
							t.Errorf("the file is not named:\n%s", r.stderr)
						}
					} else {
						whole++
					}
					redone += lastStats(t, r.stdout).Redone
					got, _ := readFile(t, filepath.Join(dst, "file"))
					if got != "" && strings.Count(got, got[:1]) != len(got) {
						t.Fatalf("a file of %d bytes of more than one version arrived", len(got))
					}
				}
				// What a run that gave up has left is for the next one, which leaves nothing.
				wantExit(t, sync("--exclude=*.tmp"), 0)
				noStagingNames(t, dst)
				t.Logf("%d transfers of a file of 12 MiB that was rewritten %s: %d times one version arrived, %d times it was reported, %d parts were asked for again; no mixture",
					runs, name, whole, reported, redone)
			})
		})
	}
}

// TestSmallSourcesRewritten is TestSourceRewritten for small files, which go in
// groups: one that changes while its group is on its way is asked for again, and
// what arrives of any is of one version.
func TestSmallSourcesRewritten(t *testing.T) {
	const runs, files, size = 8, 300, 12_000
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	check(t, os.Mkdir(dst, 0o755))
	name := func(i int) string { return fmt.Sprintf("file%03d", i) }
	ways(t, src, dst, func(t *testing.T, sync func(...string) result) {
		redone, reported := int64(0), 0
		for i := range files {
			writeFile(t, filepath.Join(src, name(i)), strings.Repeat("A", size))
		}
		for run := range runs {
			version := 0
			stop := loop(func() error {
				version++
				letter := strings.Repeat(string(rune('A'+(version/files+run)%26)), size)
				return os.WriteFile(filepath.Join(src, name(version*7%files)), []byte(letter), 0o644)
			})
			r := sync("-W", "--ignore-times")
			check(t, stop())
			wantExit(t, r, 0, 23)
			if r.code == 23 {
				reported++
			}
			redone += lastStats(t, r.stdout).Redone
			for i := range files {
				got, _ := readFile(t, filepath.Join(dst, name(i)))
				if got != "" && strings.Count(got, got[:1]) != len(got) {
					t.Fatalf("a file of %d bytes of more than one version arrived", len(got))
				}
			}
		}
		wantExit(t, sync("-W", "--ignore-times"), 0)
		judge(t, src, dst)
		noStagingNames(t, dst)
		t.Logf("%d transfers of %d files that were rewritten: %d files were asked for again, %d runs reported some; no mixture", runs, files, redone, reported)
	})
}

// TestFewOpenFiles pulls more small files than the process may have open, made visible
// one by one and synced together.
func TestFewOpenFiles(t *testing.T) {
	const dirs, files = 100, 40
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	for d := range dirs {
		for i := range files {
			writeFile(t, filepath.Join(src, fmt.Sprint(d), fmt.Sprint(i)), strings.Repeat("x", 1+d*i))
		}
	}
	for _, policy := range []string{"none", "commit"} {
		dst := filepath.Join(dir, "dst-"+policy)
		check(t, os.Mkdir(dst, 0o755))
		r := run(t, append([]string{"sh", "-c", `ulimit -n 1024 && exec "$@"`, "sh"}, syncArgs("--fsync="+policy, serveDir(t, src).url("m/"), dst+"/")...)...)
		wantExit(t, r, 0)
		judge(t, src, dst)
	}
}

// loop calls f again and again until stop is called, which returns f's error.
func loop(f func() error) (stop func() error) {
	done, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-done:
				failed <- nil
				return
			default:
			}
			if err := f(); err != nil {
				failed <- err
				return
			}
		}
	}()
	return func() error {
		close(done)
		return <-failed
	}
}

// TestVanished removes a file between its listing and its reading: it is
// reported, and everything else arrives.
func TestVanished(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	check(t, os.Mkdir(dst, 0o755))
	d := serveDir(t, dst)
	randomFile(t, filepath.Join(src, "a slow one"), 4<<20, 1)
	writeTree(t, src, map[string]string{"gone": "x", "stays": "x"})
	// The files go in order. The limit keeps the first one under way.
	_, wait := begin(t, syncArgs("--bwlimit=4M", src+"/", d.url("m/"))...)
	eventually(t, "the first file is under way", func() bool { return stagedBytes(t, dst) > 0 })
	check(t, os.Remove(filepath.Join(src, "gone")))
	r := wait()
	wantExit(t, r, 24)
	if !strings.Contains(r.stderr, "file has vanished: gone") {
		t.Errorf("what vanished is not named:\n%s", r.stderr)
	}
	judge(t, src, dst, "--omit-dir-times") // the removal has changed the source's
	t.Logf("1 of 3 files vanished during the run: exit 24, it was named, the 2 others arrived")
}

// stagedBytes is the size of what a sink is building in dir.
func stagedBytes(t *testing.T, dir string) (n int64) {
	t.Helper()
	staged, err := filepath.Glob(filepath.Join(dir, ".~syncd~*"))
	check(t, err)
	for _, path := range staged {
		if st, err := os.Stat(path); err == nil {
			n += st.Size()
		}
	}
	return n
}

// TestUnreadable lets an ordinary user push what it may not read all of.
func TestUnreadable(t *testing.T) {
	dir := openTempDir(t)
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	check(t, os.Mkdir(dst, 0o755))
	writeTree(t, src, map[string]string{"readable": "x", "secret": "x", "locked/inside": "x", "sub/also readable": "x"})
	check(t, os.Chmod(filepath.Join(src, "secret"), 0o600))
	check(t, os.Chmod(filepath.Join(src, "locked"), 0o700))
	writeFile(t, filepath.Join(dst, "extra"), "x")
	d := serveDir(t, dst)
	r := run(t, asNobody(syncArgs("--delete", src+"/", d.url("m/"))...)...)
	wantExit(t, r, 23)
	for _, want := range []string{"secret", "locked", "permission denied"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("no word of %q:\n%s", want, r.stderr)
		}
	}
	for name, there := range map[string]bool{"readable": true, "sub/also readable": true, "secret": false, "locked/inside": false, "extra": true} {
		if _, ok := readFile(t, filepath.Join(dst, name)); ok != there {
			t.Errorf("%s: there: %t, want %t", name, ok, there)
		}
	}
	t.Log("1 file and 1 directory of 5 entries unreadable: exit 23, both named, the rest arrived, and nothing was deleted")
}

// TestOrdinaryUser pulls as an ordinary user: owners can't be kept, which is
// said once and is no failure.
func TestOrdinaryUser(t *testing.T) {
	dir := openTempDir(t)
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	check(t, os.Mkdir(dst, 0o755))
	check(t, os.Chown(dst, nobody, nobody))
	for i := range 20 {
		writeFile(t, filepath.Join(src, fmt.Sprint("file", i)), "x")
		check(t, os.Chown(filepath.Join(src, fmt.Sprint("file", i)), 1234, 1234))
	}
	d := serveDir(t, src)
	r := run(t, asNobody(syncArgs(d.url("m/"), dst+"/")...)...)
	wantExit(t, r, 0)
	for line := range strings.Lines(r.stderr) {
		if strings.Count(r.stderr, line) > 1 {
			t.Errorf("said more than once: %s", line)
		}
	}
	judge(t, src, dst, "--no-owner", "--no-group")
	t.Logf("20 files of another owner pulled by an ordinary user: exit 0, said: %q", r.stderr)
}

const nobody = 65534

// asNobody wraps a command so that an ordinary user runs it.
func asNobody(args ...string) []string {
	return append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, args...)
}
