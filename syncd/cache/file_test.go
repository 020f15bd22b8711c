package cache

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// filled makes a file with sums of n files in some directories, and of three
// large ones, and returns its path.
func filled(t testing.TB, dir string, n int) string {
	t.Helper()
	c, log := open(t, dir, minLimit)
	for i := range n {
		key := fileKey(fmt.Sprint("f", i))
		key.Dir = uint64(i % 100)
		c.Put(key, sumOf(key))
	}
	for i := range 3 {
		key := fileKey(fmt.Sprint("large", i))
		key.N, key.Block = 0, 1<<i
		c.Put(key, make([]byte, 10_000<<i))
	}
	c.Close()
	if log.count("WARN") > 0 {
		t.Fatal(log.b.String())
	}
	return filepath.Join(dir, fileName)
}

// TestFaultyFiles has each kind of damage found, said once, and repaired.
func TestFaultyFiles(t *testing.T) {
	for _, c := range []struct {
		name   string
		spoil  func(path string) error
		repair bool // it is made anew
	}{
		{"nothing", func(string) error { return nil }, false},
		{"empty", func(p string) error { return os.Truncate(p, 0) }, false},
		{"one page", func(p string) error { return os.Truncate(p, pageSize) }, true},
		{"half", func(p string) error { return os.Truncate(p, 100*pageSize+7) }, true},
		{"text", func(p string) error { return os.WriteFile(p, []byte("this is no cache"), 0o600) }, true},
		{"zeros", func(p string) error { return os.WriteFile(p, make([]byte, 1<<20), 0o600) }, true},
		{"zeros inside", overwrite(2*pageSize, make([]byte, 50*pageSize)), true},
		{"one page for many", copyPage(3, 4, 50), true},
		{"both metas", func(p string) error {
			return errorsOf(overwrite(30, []byte{9})(p), overwrite(pageSize+30, []byte{9})(p))
		}, true},
		{"larger than the limit", func(p string) error { return os.Truncate(p, minLimit+pageSize) }, true},
		{"another version", func(p string) error {
			return inside(p, func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(formatKey, []byte("syncd sums 0")) })
		}, true},
		{"another program's", func(p string) error {
			return inside(p, func(tx *bbolt.Tx) error { return tx.DeleteBucket(metaBucket) })
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := privateTemp(t)
			path := filled(t, dir, 10_000)
			if err := c.spoil(path); err != nil {
				t.Fatal(err)
			}
			m, log := open(t, dir, minLimit)
			if got := log.count("made anew"); got > 1 || c.repair != (got == 1) {
				t.Errorf("made anew %d times:\n%s", got, log.b.String())
			}
			if c.name == "nothing" {
				key := fileKey("f77")
				key.Dir = 77
				wantSum(t, m, key, string(sumOf(key)))
			}
			key := fileKey("new")
			m.Put(key, []byte("new"))
			m.Close()
			m, log = open(t, dir, minLimit)
			wantSum(t, m, key, "new")
			if log.count("WARN") > 0 {
				t.Errorf("the repaired file is not good:\n%s", log.b.String())
			}
		})
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func overwrite(off int64, b []byte) func(string) error {
	return func(path string) error {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteAt(b, off)
		return err
	}
}

func copyPage(from, to, end int64) func(string) error {
	return func(path string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		b := make([]byte, pageSize)
		if _, err := f.ReadAt(b, from*pageSize); err != nil {
			return err
		}
		return overwrite(to*pageSize, bytes.Repeat(b, int(end-to)))(path)
	}
}

func inside(path string, fn func(*bbolt.Tx) error) error {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	return errorsOf(db.Update(fn), db.Close())
}

// TestFlippedBits flips bits of a file, many times: no sum is wrong, and nothing
// panics or goes on for ever.
func TestFlippedBits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	dir := privateTemp(t)
	path := filled(t, dir, 1000)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for round := range 300 {
		bad := append([]byte(nil), good...)
		for range 1 << (round % 6) {
			// Heads of pages are what matters most.
			at := random.IntN(len(bad)/pageSize) * pageSize
			if round%2 == 0 {
				at += random.IntN(64)
			} else {
				at += random.IntN(pageSize)
			}
			bad[at] ^= 1 << random.IntN(8)
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		c, _ := open(t, dir, minLimit)
		for i := range 1000 {
			key := fileKey(fmt.Sprint("f", i))
			key.Dir = uint64(i % 100)
			switch got := string(c.Get(key)); got {
			case "":
			case string(sumOf(key)):
				found++
			default:
				t.Fatalf("%s has the sum %q", key.Name, got)
			}
			if i%100 == 0 {
				c.Put(fileKey(fmt.Sprint("new", i)), []byte("a sum"))
			}
		}
		c.Close()
	}
	if found == 0 {
		t.Error("no sum was ever found: the test tests nothing")
	}
}

// TestDamagedWhileOpen has the file cut off under a cache that uses it.
func TestDamagedWhileOpen(t *testing.T) {
	dir := privateTemp(t)
	path := filled(t, dir, 10_000)
	c, log := open(t, dir, minLimit)
	if err := os.Truncate(path, 2*pageSize); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		key := fileKey(fmt.Sprint("f", i))
		key.Dir = uint64(i % 100)
		if got := c.Get(key); got != nil {
			t.Fatalf("a sum %q out of nothing", got)
		}
	}
	c.Put(fileKey("new"), []byte("new"))
	wantSum(t, c, fileKey("new"), "new")
	if n := log.count("given up"); n != 1 {
		t.Errorf("said %d times that the file is given up:\n%s", n, log.b.String())
	}
	c.Close()
	c, _ = open(t, dir, minLimit)
	c.Put(fileKey("newer"), []byte("newer"))
	c.Close()
	c, _ = open(t, dir, minLimit)
	wantSum(t, c, fileKey("newer"), "newer")
}

// TestLocked has the second of two caches do without the file.
func TestLocked(t *testing.T) {
	dir := privateTemp(t)
	first, _ := open(t, dir, minLimit)
	second, log := open(t, dir, minLimit)
	if log.count("another process uses it") != 1 {
		t.Errorf("the second says:\n%s", log.b.String())
	}
	second.Put(fileKey("a"), []byte("sum"))
	wantSum(t, second, fileKey("a"), "sum")
	first.Put(fileKey("b"), []byte("sum"))
	wantSum(t, first, fileKey("b"), "sum")
}

// TestUnusable has directories that can't have a file.
func TestUnusable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	public := filepath.Join(t.TempDir(), "public")
	if err := os.Mkdir(public, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(public, 0o777); err != nil {
		t.Fatal(err)
	}
	link := privateTemp(t)
	if err := os.Mkdir(link, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, filepath.Join(link, fileName)); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"a file": file, "below a file": file + "/x", "others can write to it": public, "a symlink for a file": link} {
		c, log := open(t, dir, minLimit)
		if log.count("no cache file") != 1 {
			t.Errorf("%s: says %q", name, log.b.String())
		}
		c.Put(fileKey("a"), []byte("sum"))
		wantSum(t, c, fileKey("a"), "sum")
	}
}

// TestFullDisk has a disk without room for the file.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("mounting a small tmpfs takes root")
	}
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=256k,mode=0700"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	c, log := open(t, dir, minLimit)
	for i := range 20_000 {
		c.Put(fileKey(fmt.Sprint(i)), []byte("sum"))
		if i%1000 == 0 {
			merged(t, c)
		}
	}
	merged(t, c)
	c.Close()
	if n := log.count("given up"); n != 1 {
		t.Errorf("said %d times that the file is given up:\n%s", n, log.b.String())
	}
	wantSum(t, c, fileKey("0"), "sum") // from memory
}

// TestKilled kills a process that writes, again and again; what it has left is
// never damaged.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("CACHE_TEST_DIR"); dir != "" {
		writeForever(t, dir)
	}
	dir := privateTemp(t)
	kept := 0
	for round := range 8 {
		child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		child.Env = append(os.Environ(), "CACHE_TEST_DIR="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadFull(out, make([]byte, 1)) // it has begun to write
		time.Sleep(time.Duration(20+17*round) * time.Millisecond)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed
		if err != nil {
			t.Fatal(err)
		}
		c, log := open(t, dir, minLimit)
		if log.count("WARN") > 0 {
			t.Fatalf("round %d: %s", round, log.b.String())
		}
		for i := range 2000 {
			key := fileKey(fmt.Sprint("f", i))
			switch got := string(c.Get(key)); got {
			case "":
			case string(sumOf(key)):
				kept++
			default:
				t.Fatalf("%s has the sum %q", key.Name, got)
			}
		}
		c.Close()
	}
	if kept == 0 {
		t.Error("nothing was ever kept: the test tests nothing")
	}
}

func writeForever(t *testing.T, dir string) {
	c, log := open(t, dir, minLimit)
	if log.count("WARN") > 0 {
		t.Fatal(log.b.String())
	}
	fmt.Print("x")
	for start := time.Now(); time.Since(start) < 20*time.Second; {
		for i := range 2000 {
			key := fileKey(fmt.Sprint("f", i))
			c.Put(key, sumOf(key))
			key.N, key.Block = 0, 1+i%7
			c.Put(key, make([]byte, i))
			if i%50 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	}
}

// FuzzFile has files that are not ours opened, read and written: those that
// verify lets through do bbolt no harm.
func FuzzFile(f *testing.F) {
	dir := privateTemp(f)
	path := filled(f, dir, 300)
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	m, err := (&verifier{r: bytes.NewReader(good), pages: uint64(len(good) / pageSize)}).meta()
	if err != nil {
		f.Fatal(err)
	}
	good = good[:m.pages*pageSize]
	for _, b := range [][]byte{good, good[:len(good)-pageSize], good[:2*pageSize], []byte("text")} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := openFile(dir, minLimit)
		if err != nil {
			return
		}
		defer r.close()
		for i := range 100 {
			key := fileKey(fmt.Sprint("f", i))
			key.Dir = uint64(i)
			rk, tag := key.record()
			if rec, err := r.read(rk); err != nil {
				return
			} else if sum, _ := rec.find(tag, &key.Version, time.Now()); sum != nil && !bytes.Equal(sum, sumOf(key)) {
				t.Fatalf("%s has the sum %q", key.Name, sum)
			}
		}
		key := fileKey("new")
		rk, tag := key.record()
		rec := merge(rk.bytes(), nil, []item{newItem(tag, &key.Version, r.gen, sumOf(key))}, r.gen, time.Now())
		if r.write([]change{{rk, rec}}) != nil {
			return
		}
		if got, err := r.read(rk); err != nil || !bytes.Equal(got, rec) {
			t.Errorf("what was written is not there: %v", err)
		}
	})
}
