package cache

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed9553035b/syncd/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logBuffer is what a cache says.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// past is when the files of these tests changed.
var past = wire.Time{Sec: 1e9, Nsec: 5}

func fileKey(name string) Key {
	return Key{Dev: 1, Dir: 2, Name: name, Version: wire.Version{Size: 10, Mtime: past, Ctime: past, Ino: 3}, Alg: "xxh3-128", N: 10}
}

// sumOf is a sum that no other file has, as long as any other.
func sumOf(key Key) []byte { return fmt.Appendf(nil, "%-16s", key.Name) }

// open opens a cache on a directory and waits for its file, if it gets one.
func open(t testing.TB, dir string, limit int64) (*Cache, *logBuffer) {
	t.Helper()
	log := new(logBuffer)
	c := New(slog.New(slog.NewTextHandler(log, nil)))
	c.every = time.Millisecond
	c.Open(dir, limit)
	t.Cleanup(func() { c.Close() })
	for end := time.Now().Add(10 * time.Second); log.count("opened")+log.count("no cache file") == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the cache file is never opened")
		}
	}
	return c, log
}

// privateTemp is a directory that only this user can write to.
func privateTemp(t testing.TB) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "cache")
}

// merged waits until no fresh sum waits.
func merged(t testing.TB, c *Cache) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		c.mu.Lock()
		done := len(c.fresh) == 0 && c.merging == nil
		c.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(end) {
			t.Fatal("fresh sums are never merged")
		}
	}
}

func wantSum(t testing.TB, c *Cache, key Key, want string) {
	t.Helper()
	if got := string(c.Get(key)); got != want {
		t.Errorf("%s %d+%d: got %q, want %q", key.Name, key.Off, key.N, got, want)
	}
}

func TestNilCacheRemembersNothing(t *testing.T) {
	var c *Cache
	c.Put(fileKey("a"), []byte("sum"))
	wantSum(t, c, fileKey("a"), "")
}

// TestKeysAreApart has each field of a key tell two sums apart, in memory, when
// merged, and in the file.
func TestKeysAreApart(t *testing.T) {
	base := fileKey("a")
	variants := map[string]func(*Key){
		"device":        func(k *Key) { k.Dev++ },
		"directory":     func(k *Key) { k.Dir++ },
		"name":          func(k *Key) { k.Name = "b" },
		"size":          func(k *Key) { k.Version.Size++ },
		"mtime":         func(k *Key) { k.Version.Mtime.Sec++ },
		"mtime's ns":    func(k *Key) { k.Version.Mtime.Nsec++ },
		"ctime":         func(k *Key) { k.Version.Ctime.Sec++ },
		"ctime's ns":    func(k *Key) { k.Version.Ctime.Nsec++ },
		"inode":         func(k *Key) { k.Version.Ino++ },
		"algorithm":     func(k *Key) { k.Alg = "blake3" },
		"range's start": func(k *Key) { k.Off, k.N = 1, 9 },
		"range's end":   func(k *Key) { k.N = 9 },
		"far range":     func(k *Key) { k.Version.Size, k.Off, k.N = 1<<40, 3<<32, 10 },
		"block":         func(k *Key) { k.N, k.Block = 0, 700 },
	}
	dir := privateTemp(t)
	c, _ := open(t, dir, 0)
	c.Put(base, []byte("base"))
	for _, stage := range []string{"fresh", "merged", "read"} {
		wantSum(t, c, base, "base")
		for name, vary := range variants {
			key := base
			vary(&key)
			if got := c.Get(key); got != nil {
				t.Errorf("%s: another %s finds %q", stage, name, got)
			}
		}
		switch stage {
		case "fresh":
			merged(t, c)
		case "merged":
			c.Close()
			c, _ = open(t, dir, 0)
		}
	}
	for name, vary := range variants {
		key := base
		vary(&key)
		if key.Version == base.Version && key.Name == base.Name {
			c.Put(key, fmt.Appendf(nil, "%-32s", name))
		}
	}
	merged(t, c)
	wantSum(t, c, base, "base") // what is of the same version is kept beside it
	for name, vary := range variants {
		key := base
		vary(&key)
		if key.Version == base.Version && key.Name == base.Name {
			wantSum(t, c, key, fmt.Sprintf("%-32s", name))
		}
	}
}

// TestClock has nothing trusted that a later change could look like.
func TestClock(t *testing.T) {
	now := time.Unix(2e9, 0)
	at := func(d time.Duration) Key {
		key, when := fileKey("a"), now.Add(d)
		key.Version.Ctime = wire.Time{Sec: when.Unix(), Nsec: uint32(when.Nanosecond())}
		return key
	}
	for _, c := range []struct {
		name    string
		changed time.Duration
		stored  bool
	}{
		{"a second ago", -time.Second, true},
		{"a clock step ago", -ClockStep, true},
		{"less than a clock step ago", 1 - ClockStep, false},
		{"now", 0, false},
		{"in the future, for the clock was set back", time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := New(slog.New(slog.DiscardHandler))
			clock := now
			m.now = func() time.Time { return clock }
			m.Put(at(c.changed), []byte("sum"))
			clock = now.Add(2 * time.Hour)
			want := ""
			if c.stored {
				want = "sum"
			}
			wantSum(t, m, at(c.changed), want)
		})
	}
	t.Run("set back after the sum was taken", func(t *testing.T) {
		m := New(slog.New(slog.DiscardHandler))
		clock := now
		m.now = func() time.Time { return clock }
		key := at(-time.Minute)
		m.Put(key, []byte("sum"))
		clock = now.Add(-time.Hour)
		wantSum(t, m, key, "") // the file itself is from the future
		clock = now
		m.mu.Lock()
		m.merge()
		m.mu.Unlock()
		wantSum(t, m, key, "sum")
		clock = now.Add(-time.Second)
		wantSum(t, m, key, "") // the record is
	})
}

// TestRestart has sums live on in the file, and leave it when they are not asked
// for in two generations.
func TestRestart(t *testing.T) {
	dir := privateTemp(t)
	sum := bytes.Repeat([]byte("s"), 64<<10)
	large := func(i int) Key {
		key := fileKey(fmt.Sprint("f", i))
		key.N, key.Block = 0, 4096
		return key
	}
	c, _ := open(t, dir, minLimit)
	for i := range 400 { // 25 MiB: six times the limit
		c.Put(large(i), sum)
		if c.Get(large(0)) == nil {
			t.Fatalf("what is asked for was forgotten after %d others", i)
		}
		if i%16 == 15 { // memory would answer for the file
			c.Close()
			c, _ = open(t, dir, minLimit)
		}
		st, err := os.Stat(filepath.Join(dir, fileName))
		if err != nil || st.Size() > minLimit {
			t.Fatalf("the file has %d bytes, more than its limit: %v", st.Size(), err)
		}
	}
	c.Close()
	c, log := open(t, dir, minLimit)
	if c.Get(large(0)) == nil || c.Get(large(399)) == nil {
		t.Error("what was in use was forgotten")
	}
	if c.Get(large(1)) != nil {
		t.Error("what was not asked for is there for ever")
	}
	if log.count("WARN") != 0 {
		t.Errorf("warnings: %s", log.b.String())
	}
}

// TestMemoryIsBounded has memory alone keep what is in use.
func TestMemoryIsBounded(t *testing.T) {
	c := New(slog.New(slog.DiscardHandler))
	sum := make([]byte, memoryBytes/8)
	key := func(i int) Key {
		k := fileKey(fmt.Sprint(i))
		k.N, k.Block = 0, 1
		return k
	}
	for i := range 40 {
		c.Put(key(i), sum)
		if c.Get(key(0)) == nil {
			t.Fatalf("what is asked for was forgotten after %d others", i)
		}
	}
	if c.Get(key(1)) != nil {
		t.Error("what was not asked for was remembered for ever")
	}
	if c.Get(key(39)) == nil {
		t.Error("the newest was forgotten")
	}
	c.Put(key(99), make([]byte, memoryBytes+1))
	if c.Get(key(99)) != nil {
		t.Error("more was remembered than fits")
	}
}

// TestSlowDisk has sums forgotten rather than piled up while nobody writes.
func TestSlowDisk(t *testing.T) {
	c := New(slog.New(slog.DiscardHandler))
	c.wake = make(chan struct{}, 1) // a writer that never comes
	for i := range 2 * maxFresh {
		c.Put(fileKey(fmt.Sprint(i)), []byte("sum"))
	}
	if len(c.fresh) != maxFresh {
		t.Errorf("%d sums wait, want %d", len(c.fresh), maxFresh)
	}
}

// TestManyAtOnce is for the race detector.
func TestManyAtOnce(t *testing.T) {
	c, _ := open(t, privateTemp(t), minLimit)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 2000 {
				key := fileKey(fmt.Sprint(i))
				key.Dir = uint64(i % 50)
				if got := c.Get(key); got != nil && !bytes.Equal(got, sumOf(key)) {
					t.Errorf("%s has the sum %q", key.Name, got)
				}
				c.Put(key, sumOf(key))
			}
		})
	}
	wg.Wait()
}
