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

// TestMaxDelete stops the deletions at a limit.
func TestMaxDelete(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	writeFile(t, filepath.Join(src, "keep"), "x")
	for i := range 5 {
		writeFile(t, filepath.Join(dst, fmt.Sprint("extra", i)), "x")
	}
	for _, c := range []struct{ limit, exit, left int }{{-1, 25, 5}, {0, 25, 5}, {2, 25, 3}, {3, 0, 0}} {
		r := here.sync(t, "--delete", fmt.Sprint("--max-delete=", c.limit), src+"/", dst+"/")
		wantExit(t, r, c.exit)
		if left := strings.Count(names(t, dst), "extra"); left != c.left {
			t.Errorf("--max-delete=%d left %d, want %d", c.limit, left, c.left)
		}
	}
}

// TestCompareOptions are -c and -u, which decide what is transferred.
func TestCompareOptions(t *testing.T) {
	for _, c := range []struct {
		option      string
		same, newer string // what becomes of the two files
	}{{"--stats=json", "old", "source"}, {"-c", "new", "source"}, {"-u", "old", "target"}} {
		t.Run(c.option, func(t *testing.T) {
			dir := t.TempDir()
			src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
			writeTree(t, src, map[string]string{"same size and time": "new", "newer in the target": "source"})
			writeTree(t, dst, map[string]string{"same size and time": "old", "newer in the target": "target"})
			for _, d := range []string{src, dst} {
				setTimes(t, filepath.Join(d, "same size and time"), 1_500_000_000, 5)
			}
			setTimes(t, filepath.Join(src, "newer in the target"), 1_500_000_000, 0)
			mustSync(t, c.option, src+"/", dst+"/")
			wantFile(t, filepath.Join(dst, "same size and time"), c.same)
			wantFile(t, filepath.Join(dst, "newer in the target"), c.newer)
		})
	}
}

// TestOneFileSystem keeps out of a file system that is mounted in the source,
// and of one that is mounted in the target.
func TestOneFileSystem(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	writeFile(t, filepath.Join(src, "file"), "x")
	mountTmpfs(t, filepath.Join(src, "mounted"), "")
	writeFile(t, filepath.Join(src, "mounted/inside"), "x")
	mountTmpfs(t, filepath.Join(dst, "only here"), "")
	writeFile(t, filepath.Join(dst, "only here/inside"), "x")
	ways(t, src, dst, func(t *testing.T, sync func(...string) result) {
		wantExit(t, sync("-x", "--delete"), 0, 23)
		wantFile(t, filepath.Join(dst, "file"), "x")
		wantFile(t, filepath.Join(dst, "only here/inside"), "x")
		if st, err := os.Stat(filepath.Join(dst, "mounted")); err != nil || !st.IsDir() {
			t.Errorf("the mount point itself did not arrive: %v", err)
		}
		if _, ok := readFile(t, filepath.Join(dst, "mounted/inside")); ok {
			t.Error("what is mounted arrived")
		}
	})
}

// TestOneFileSystemWithStock has nothing deleted below a mount point that is not
// entered, unless stock does so among its own: below protocol 30 there is no word
// for such a directory.
func TestOneFileSystemWithStock(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	writeTree(t, src, map[string]string{"file": "x", "sub/file": "x"})
	for _, m := range []string{"mounted", "sub/mounted"} {
		mountTmpfs(t, filepath.Join(src, m), "")
		writeFile(t, filepath.Join(src, m, "inside"), "x")
	}
	ours, stock := serveDir(t, dir), stockDaemon(t, module{name: "m", path: dir})
	client := []string{program, "sync"}
	rsync := []string{"rsync", "-a"}
	for _, option := range []string{"--delete", "--no-inc-recursive", "--protocol=30", "--protocol=29"} {
		// left runs a client and returns what is left in its target.
		left := func(t *testing.T, client []string, addr string, push bool) string {
			t.Helper()
			dst := filepath.Join(dir, "dst")
			defer os.RemoveAll(dst)
			writeTree(t, dst, map[string]string{"extraneous": "x", "sub/extraneous": "x",
				"mounted/kept": "x", "mounted/deep/kept": "x", "sub/mounted/kept": "x"})
			args := []string{stockURL(addr, "m/src/"), dst + "/"}
			if push {
				args = []string{src + "/", stockURL(addr, "m/dst/")}
			}
			mustRun(t, slices.Concat(client, []string{"-x", "--delete", option}, args)...)
			return names(t, dst)
		}
		t.Run(option, func(t *testing.T) {
			want := left(t, rsync, stock, false)
			if kept := strings.Count(want, "kept"); kept != 3 && option != "--protocol=29" {
				t.Fatalf("stock itself keeps\n%s", want)
			}
			if got := left(t, rsync, ours.addr, false); got != want {
				t.Errorf("a stock client of our daemon leaves\n%s\nof stock's daemon\n%s", got, want)
			}
			want = left(t, rsync, stock, true)
			if got := left(t, client, stock, true); got != want {
				t.Errorf("our client leaves\n%s\nstock's\n%s", got, want)
			}
		})
	}
}

// TestOwners keeps numbers with --numeric-ids, and numbers that have no name
// without.
func TestOwners(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	check(t, os.Mkdir(dst, 0o755))
	for i, id := range []int{0, 1, 54321, 1<<31 + 5, 1<<32 - 2} {
		writeFile(t, filepath.Join(src, fmt.Sprint("file", i)), "x")
		check(t, os.Chown(filepath.Join(src, fmt.Sprint("file", i)), id, id))
	}
	ways(t, src, dst, func(t *testing.T, sync func(...string) result) {
		for _, option := range []string{"-v", "--numeric-ids"} {
			check(t, os.RemoveAll(filepath.Join(dst, "file1")))
			wantExit(t, sync(option), 0)
			judge(t, src, dst, "--numeric-ids")
		}
	})
}

// TestSparse makes holes of zeros with -S, and keeps holes without.
func TestSparse(t *testing.T) {
	const size = 8 << 20
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	check(t, os.Mkdir(dst, 0o755))
	content := make([]byte, size)
	copy(content[3<<20:], "in the middle")
	writeFile(t, filepath.Join(src, "zeros"), string(content))
	f, err := os.Create(filepath.Join(src, "hole"))
	check(t, err)
	_, err = f.WriteAt([]byte("in the middle"), 3<<20)
	check(t, err)
	check(t, f.Truncate(size))
	check(t, f.Close())
	ways(t, src, dst, func(t *testing.T, sync func(...string) result) {
		for option, zeros := range map[string]bool{"-S": true, "-v": false} {
			check(t, os.RemoveAll(filepath.Join(dst, "zeros")))
			check(t, os.RemoveAll(filepath.Join(dst, "hole")))
			wantExit(t, sync(option), 0)
			judge(t, src, dst)
			if n := allocated(t, filepath.Join(dst, "hole")); n > 256<<10 {
				t.Errorf("%s: the hole takes %d bytes", option, n)
			}
			if n := allocated(t, filepath.Join(dst, "zeros")); zeros != (n < 256<<10) {
				t.Errorf("%s: the zeros take %d bytes", option, n)
			}
		}
	})
}

// TestBandwidthLimit holds a rate, in both directions.
func TestBandwidthLimit(t *testing.T) {
	const size, rate = 6 << 20, 4 << 20
	dir := t.TempDir()
	randomFile(t, filepath.Join(dir, "src/file"), size, 1)
	d := serveDir(t, dir)
	for _, args := range [][]string{{dir + "/src/", d.url("m/pushed/")}, {d.url("m/src/"), dir + "/pulled/"}} {
		r := here.sync(t, append([]string{"--bwlimit=4M"}, args...)...)
		wantExit(t, r, 0)
		if s := lastStats(t, r.stdout); s.PathBytes.Splice != size {
			t.Errorf("%d bytes went by splice, want all %d", s.PathBytes.Splice, size)
		}
		// A burst may go at once, and the machine may be busy.
		if took := r.took.Seconds(); took < 0.6*size/rate || took > 4*size/rate {
			t.Errorf("%d bytes at %d a second took %.2f s", size, rate, took)
		}
	}
}

// TestTimeout has a peer that accepts, and then one that greets, and says no
// more.
func TestTimeout(t *testing.T) {
	for name, greeting := range map[string][]byte{"before the hello": nil, "in the session": serverHello} {
		t.Run(name, func(t *testing.T) {
			stop := make(chan struct{})
			defer close(stop)
			url := serveRaw(t, func(p *rawPeer) { p.send(greeting); <-stop })
			r := here.sync(t, "--timeout=1", url, t.TempDir())
			wantExit(t, r, 30)
			if r.took > 10*time.Second {
				t.Errorf("a timeout of 1 s took %v", r.took)
			}
			oneClearLine(t, r)
		})
	}
}

// TestFsync counts the calls that make a transfer durable.
func TestFsync(t *testing.T) {
	src := filepath.Join(t.TempDir(), "src")
	for i := range 5 {
		writeFile(t, filepath.Join(src, fmt.Sprint(i)), "x")
	}
	for policy, want := range map[string]struct{ files, systems int }{"none": {0, 0}, "commit": {0, 1}, "file": {5, 0}} {
		t.Run(policy, func(t *testing.T) {
			trace, dst := filepath.Join(t.TempDir(), "trace"), t.TempDir()
			mustRun(t, append(traced(trace), syncArgs("--fsync="+policy, src+"/", dst+"/")...)...)
			judge(t, src, dst)
			text, _ := readFile(t, trace)
			files, systems := strings.Count(text, " fsync(")+strings.Count(text, " fdatasync("), strings.Count(text, " syncfs(")
			if files < want.files || systems < want.systems || policy == "none" && files+systems > 0 {
				t.Errorf("%d files and %d file systems were synced", files, systems)
			}
		})
	}
}

// TestTransports moves bodies each way that there is.
func TestTransports(t *testing.T) {
	const size = 3<<20 + 7
	dir := t.TempDir()
	randomFile(t, filepath.Join(dir, "src/file"), size, 1)
	d := serveDir(t, dir)
	for transport, moved := range map[string]func(*stats) int64{
		"splice":    func(s *stats) int64 { return s.PathBytes.Splice },
		"sendfile":  func(s *stats) int64 { return s.PathBytes.Sendfile },
		"mmap":      func(s *stats) int64 { return s.PathBytes.Mmap },
		"readwrite": func(s *stats) int64 { return s.PathBytes.User },
	} {
		s := mustSync(t, "--transport="+transport, dir+"/src/", d.url("m/"+transport+"/"))
		if moved(s) != size {
			t.Errorf("%s: %+v, want %d bytes", transport, s.PathBytes, size)
		}
		judge(t, dir+"/src", dir+"/"+transport)
	}
}

// TestDigests verifies with each digest.
func TestDigests(t *testing.T) {
	const size = 9 << 20
	dir := t.TempDir()
	randomFile(t, filepath.Join(dir, "src/file"), size, 1)
	d := serveDir(t, dir)
	for _, digest := range []string{"xxh3-128", "blake3"} {
		s := mustSync(t, "--digest="+digest, d.url("m/src/"), dir+"/"+digest+"/")
		if s.HashBytes != size {
			t.Errorf("%s: %d bytes were hashed, want %d", digest, s.HashBytes, size)
		}
		judge(t, dir+"/src", dir+"/"+digest)
	}
}

// TestForms are the forms of source and destination that stock rsync has, with
// what it makes of them.
func TestForms(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	writeTree(t, src, map[string]string{"a.txt": "a", "b.txt": "b", "sub/c.txt": "c"})
	for _, c := range []struct {
		name    string
		sources []string
		dest    string
	}{
		{"content", []string{"src/"}, "new/"},
		{"directory", []string{"src"}, "new/"},
		{"directory without slashes", []string{"src"}, "there"},
		{"one file into a directory", []string{"src/a.txt"}, "there/"},
		{"one file into a directory without a slash", []string{"src/a.txt"}, "there"},
		{"one file into a new directory", []string{"src/a.txt"}, "new/"},
		{"one file under a new name", []string{"src/a.txt"}, "there/b.txt"},
		{"one file over another", []string{"src/a.txt"}, "there/old.txt"},
		{"several", []string{"src/a.txt", "src/b.txt", "src/sub"}, "there/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stocks := formTarget(t)
			mustRun(t, formArgs([]string{"rsync", "-a"}, dir+"/", c.sources, stocks+"/"+c.dest)...)
			local := formTarget(t)
			mustRun(t, formArgs([]string{program, "sync"}, dir+"/", c.sources, local+"/"+c.dest)...)
			judge(t, stocks, local, "--omit-dir-times") // new directories are of now
			pulled := formTarget(t)
			mustRun(t, formArgs([]string{program, "sync"}, serveDir(t, dir).url("m/"), c.sources, pulled+"/"+c.dest)...)
			judge(t, stocks, pulled, "--omit-dir-times")
			pushed := formTarget(t)
			mustRun(t, formArgs([]string{program, "sync"}, dir+"/", c.sources, serveDir(t, pushed).url("m/"+c.dest))...)
			judge(t, stocks, pushed, "--omit-dir-times")
		})
	}
}

// formTarget is a directory with something in it, at a fixed time.
func formTarget(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "there/old.txt"), "old")
	for _, path := range []string{"there/old.txt", "there", "."} {
		setTimes(t, filepath.Join(dir, path), 1_000_000_000, 0)
	}
	return dir
}

func formArgs(args []string, base string, sources []string, dest string) []string {
	for _, s := range sources {
		args = append(args, base+s)
	}
	return append(args, dest)
}

// TestLocal copies inside the kernel, and shares blocks where the file system
// can.
func TestLocal(t *testing.T) {
	src := sampleTree(t)
	for name, dst := range map[string]string{
		"to the same XFS": t.TempDir(), "to a tmpfs": mountTmpfs(t, filepath.Join(t.TempDir(), "tmpfs"), ""),
	} {
		s := mustSync(t, "-HA", src+"/", dst+"/") // tmpfs has no xattrs of users before Linux 6.6
		judge(t, src, dst, "--no-xattrs")
		p := s.PathBytes
		if p.User != 0 || p.Splice+p.CopyFileRange+p.Reflink < s.LiteralBytes {
			t.Errorf("%s: %d literal bytes, %+v", name, s.LiteralBytes, p)
		}
		t.Logf("%s: %+v", name, p)
	}
}
