package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cached starts a daemon with a cache in dir, and waits until it has it. The
// module m is a directory with a large file, a small one and one with a hole.
func cached(t testing.TB, src, dir, keys string) *daemon {
	t.Helper()
	d := serve(t, daemonConfig{keys: fmt.Sprintf("cache: {dir: %q%s}", dir, keys), modules: []module{{name: "m", path: src, writable: true}}})
	eventually(t, "the cache is opened or refused", func() bool { return d.hasLogged("cache file opened") || d.hasLogged(noCacheFile) })
	return d
}

const noCacheFile = "no cache file: digests are kept in memory only"

const cachedSize = 20<<20 + 5

func cachedTree(t testing.TB) string {
	t.Helper()
	src := t.TempDir()
	randomFile(t, filepath.Join(src, "large"), cachedSize, 3)
	check(t, os.Mkdir(filepath.Join(src, "sub"), 0o755))
	randomFile(t, filepath.Join(src, "sub", "small"), 5000, 4)
	f, err := os.Create(filepath.Join(src, "sub", "holes"))
	check(t, err)
	defer f.Close()
	check(t, f.Truncate(30<<20))
	_, err = f.WriteAt(make([]byte, 3<<20), 11<<20)
	check(t, err)
	time.Sleep(20 * time.Millisecond) // the clock step
	return src
}

// small is what a pull of cachedTree hashes with a warm cache: digests of small
// bodies are not looked up.
const small = 5000

// daemonHashed pulls the module and returns how many bytes the daemon hashed.
func daemonHashed(t testing.TB, d *daemon, options ...string) int64 {
	t.Helper()
	dst := t.TempDir()
	s := mustSync(t, append(options, d.url("m/"), dst)...)
	if s.Peer == nil {
		t.Fatal("the daemon says nothing")
	}
	return s.Peer.HashBytes
}

// TestCacheOutlivesTheDaemon has a tree hashed once, whoever pulls it and however
// often the daemon is started.
func TestCacheOutlivesTheDaemon(t *testing.T) {
	src, dir := cachedTree(t), filepath.Join(t.TempDir(), "cache")
	d := cached(t, src, dir, "")
	if n := daemonHashed(t, d); n < cachedSize {
		t.Errorf("the first pull had %d bytes hashed, want at least %d", n, cachedSize)
	}
	if n := daemonHashed(t, d); n != small {
		t.Errorf("the second pull had %d bytes hashed, want %d", n, small)
	}
	d.stop()
	d = cached(t, src, dir, "")
	if n := daemonHashed(t, d); n != small {
		t.Errorf("after a restart a pull had %d bytes hashed, want %d", n, small)
	}

	// A delta has the file signed, once. -c has every file hashed, each time.
	delta := func() int64 {
		dst := t.TempDir()
		editFile(t, filepath.Join(src, "large"), filepath.Join(dst, "large"), 3)
		n := mustSync(t, d.url("m/large"), dst).Peer.HashBytes
		wantEqual(t, filepath.Join(src, "large"), filepath.Join(dst, "large"))
		return n
	}
	checksum := func() int64 {
		dst := t.TempDir()
		mustSync(t, src+"/", dst)
		return mustSync(t, "-c", d.url("m/"), dst).Peer.HashBytes
	}
	for i, want := range []bool{true, false, false} {
		if i == 2 {
			d.stop()
			d = cached(t, src, dir, "")
		}
		if n := delta(); want != (n >= cachedSize) || !want && n > 64<<10 {
			t.Errorf("delta %d had %d bytes hashed", i, n)
		}
		if n := checksum(); n < cachedSize+small {
			t.Errorf("-c %d had %d bytes hashed", i, n)
		}
	}
	stock := func() int64 {
		before := len(d.sessions(0))
		dst := t.TempDir()
		mustSync(t, src+"/", dst)
		mustRun(t, "rsync", "-ac", "--cc=md5", stockURL(d.addr, "m/"), dst)
		return d.sessions(before + 1)[before].HashBytes
	}
	for i := range 2 {
		if n := stock(); n < cachedSize+small {
			t.Errorf("stock's -c %d had %d bytes hashed", i, n)
		}
	}
}

// TestCacheNoticesChanges has a file hashed again after each kind of change.
func TestCacheNoticesChanges(t *testing.T) {
	src, dir := cachedTree(t), filepath.Join(t.TempDir(), "cache")
	d := cached(t, src, dir, "")
	large := filepath.Join(src, "large")
	mtime := time.Unix(1e9, 77)
	for _, c := range []struct {
		name   string
		change func() error
	}{
		{"the first time", func() error { return nil }},
		{"content, with mtime and size as they were", func() error {
			if err := os.Chtimes(large, mtime, mtime); err != nil {
				return err
			}
			daemonHashed(t, d)
			f, err := os.OpenFile(large, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte("changed"), 9<<20); err != nil {
				return err
			}
			return os.Chtimes(large, mtime, mtime)
		}},
		{"mtime", func() error { return os.Chtimes(large, mtime, mtime.Add(1)) }},
		{"mode, and so ctime", func() error { return os.Chmod(large, 0o600) }},
		{"another inode, with mtime and size as they were", func() error {
			b, err := os.ReadFile(large)
			if err != nil {
				return err
			}
			b[5]++
			check(t, os.WriteFile(large+"2", b, 0o600))
			check(t, os.Chtimes(large+"2", mtime, mtime.Add(1)))
			return os.Rename(large+"2", large)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, c.change())
			if n := daemonHashed(t, d); n < cachedSize {
				t.Errorf("%d bytes were hashed, want at least %d", n, cachedSize)
			}
			if n := daemonHashed(t, d); n != small {
				t.Errorf("then %d bytes were hashed, want %d", n, small)
			}
			dst := t.TempDir()
			mustSync(t, src+"/", dst)
			check(t, os.WriteFile(filepath.Join(dst, "large"), make([]byte, cachedSize), 0o600))
			st, err := os.Stat(large)
			check(t, err)
			check(t, os.Chtimes(filepath.Join(dst, "large"), st.ModTime(), st.ModTime()))
			mustSync(t, "-c", d.url("m/"), dst)
			wantEqual(t, large, filepath.Join(dst, "large"))
		})
	}
}

// TestWrongDigestIsMadeGood has a file written through a mapping behind the back
// of its ctime, so that what the daemon remembers of it is wrong. A delta comes out
// right nevertheless, and after it the daemon knows better; -c does not ask it.
func TestWrongDigestIsMadeGood(t *testing.T) {
	for _, size := range []int{300 << 10, 3 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			src := mountTmpfs(t, filepath.Join(t.TempDir(), "src"), "")
			file := filepath.Join(src, "file")
			randomFile(t, file, size, 7)
			f, err := os.OpenFile(file, os.O_RDWR, 0)
			check(t, err)
			defer f.Close()
			b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			check(t, err)
			defer func() { check(t, unix.Munmap(b)) }()
			at := size / 2
			b[at]++ // from now on the page is writable
			d := serve(t, daemonConfig{keys: "cache: {dir: off}", modules: []module{{name: "m", path: src}}})
			// basis is a directory with a file that differs where that is written.
			basis := func() string {
				dst := t.TempDir()
				old := slices.Clone(b)
				old[at] += 100
				check(t, os.WriteFile(filepath.Join(dst, "file"), old, 0o644))
				setTimes(t, filepath.Join(dst, "file"), 1e9, 0)
				return dst
			}
			time.Sleep(20 * time.Millisecond) // the clock step
			before := changeTime(t, file)
			mustSync(t, d.url("m/"), basis())
			b[at]++
			if changeTime(t, file) != before {
				t.Fatal("the write got a ctime: the test tests nothing")
			}
			for i, again := range []bool{true, false} {
				dst := basis()
				s := mustSync(t, d.url("m/"), dst)
				wantEqual(t, file, filepath.Join(dst, "file"))
				if s.Redone > 0 != again {
					t.Errorf("delta %d: %d files were asked for again, want some: %t", i, s.Redone, again)
				}
			}
			st, err := os.Stat(file)
			check(t, err)
			dst := t.TempDir()
			check(t, os.WriteFile(filepath.Join(dst, "file"), b, 0o644))
			check(t, os.Chtimes(filepath.Join(dst, "file"), st.ModTime(), st.ModTime()))
			b[at]++
			mustSync(t, "-c", d.url("m/"), dst)
			wantEqual(t, file, filepath.Join(dst, "file"))
		})
	}
}

// changeTime is the ctime of a file.
func changeTime(t testing.TB, path string) unix.Timespec {
	t.Helper()
	var st unix.Stat_t
	check(t, unix.Stat(path, &st))
	return st.Ctim
}

// TestCacheOfKilledDaemon kills a daemon while it fills its cache. The next one
// works with what is left, and a file that is damaged is said and made anew.
func TestCacheOfKilledDaemon(t *testing.T) {
	src, dir := cachedTree(t), filepath.Join(t.TempDir(), "cache")
	many := filepath.Join(src, "many")
	check(t, os.Mkdir(many, 0o755))
	for i := range 100 {
		writeFile(t, filepath.Join(many, fmt.Sprint(i)), strings.Repeat("x", 1<<20+i))
	}
	dst := t.TempDir()
	mustSync(t, src+"/", dst)
	for i := range 6 {
		d := cached(t, src, dir, "")
		_, wait := begin(t, syncArgs("-c", d.url("m/"), dst)...)
		time.Sleep(time.Duration(i*i) * 60 * time.Millisecond)
		d.kill()
		wait()
		if d.hasLogged("the cache file was made anew") {
			t.Fatalf("round %d: a killed daemon damaged its cache:\n%s", i, d.stderr())
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, "sums.db"), os.O_RDWR, 0)
	check(t, err)
	defer f.Close()
	_, err = f.WriteAt(make([]byte, 64<<10), 8<<10)
	check(t, err)
	d := cached(t, src, dir, "")
	if n := strings.Count(d.stderr(), "the cache file was made anew"); n != 1 {
		t.Errorf("said %d times that the cache was made anew:\n%s", n, d.stderr())
	}
	daemonHashed(t, d)
	d.stop()
	d = cached(t, src, dir, "")
	if n := daemonHashed(t, d); n != small {
		t.Errorf("the new cache does not work: %d bytes were hashed, want %d", n, small)
	}
}

// TestWithoutCacheFile has daemons serve that can't have a file, or shall not.
func TestWithoutCacheFile(t *testing.T) {
	src, dir := cachedTree(t), filepath.Join(t.TempDir(), "cache")
	first := cached(t, src, dir, "")
	second := cached(t, src, dir, "")
	if n := strings.Count(second.stderr(), noCacheFile); n != 1 {
		t.Errorf("said %d times that there is no cache file:\n%s", n, second.stderr())
	}
	off := serve(t, daemonConfig{keys: "cache: {dir: off}", modules: []module{{name: "m", path: src}}})
	for _, d := range []*daemon{first, second, off} {
		daemonHashed(t, d)
		if n := daemonHashed(t, d); n != small {
			t.Errorf("the second pull had %d bytes hashed, want %d", n, small)
		}
	}
	if off.hasLogged("cache file opened") {
		t.Error("a cache that is off was opened")
	}
}
