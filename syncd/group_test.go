package syncd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// groupTree is files f000, f001, ... of sizes bytes, each of its own content, and
// what a READ of them asks for.
func groupTree(t *testing.T, sizes ...int) (path string, files []native.ReadFile) {
	t.Helper()
	path = t.TempDir()
	for i, size := range sizes {
		if err := os.WriteFile(filepath.Join(path, groupName(i)), groupContent(i, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i := range sizes {
		files = append(files, native.ReadFile{Path: groupName(i), Version: versionOf(t, path, groupName(i))})
	}
	return path, files
}

func groupName(i int) string { return fmt.Sprintf("f%03d", i) }

func groupContent(i, size int) []byte {
	return bytes.Repeat([]byte{byte(i), byte(i >> 8), 'x'}, size/3+1)[:size]
}

// inPlace has something else take the place of a file.
func inPlace(t *testing.T, path string, i int, put func(name string) error) {
	t.Helper()
	name := filepath.Join(path, groupName(i))
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := put(name); err != nil {
		t.Fatal(err)
	}
}

// readAll takes the answer to a READ: its frames in words, and what came of each
// file that is what the source says it is.
func readAll(t *testing.T, asker *native.Asker, files []native.ReadFile) (frames string, got map[int][]byte) {
	t.Helper()
	var words []string
	got = make(map[int][]byte)
	h := newHasher(delta.XXH3128, new(Stats))
	body := func(i int, n int64) []byte {
		f := tempFile(t)
		if err := asker.RecvFile(f, 0, n); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		got[i] = append(got[i], b...)
		return b
	}
	check := func(i int, b []byte, tr native.Trailer) error {
		h.start()
		h.h.Write(b)
		switch {
		case tr.Status != native.StatusOK:
			words = append(words, fmt.Sprintf("status %d of %d", tr.Status, i))
			delete(got, i)
		case !bytes.Equal(h.digest(), tr.Digest):
			t.Errorf("file %d does not match its digest", i)
		}
		return nil
	}
	for {
		ans, err := asker.Next()
		if err != nil {
			t.Fatal(err)
		}
		first := int(ans.Index)
		switch ans.Type {
		case native.TypeFiles:
			words = append(words, fmt.Sprintf("FILES %d+%d", first, ans.Off))
			bodies := make([][]byte, ans.Off)
			for i := range bodies {
				bodies[i] = body(first+i, files[first+i].Version.Size)
			}
			if err := asker.Trailers(len(bodies), func(i int, tr native.Trailer) error {
				return check(first+i, bodies[i], tr)
			}); err != nil {
				t.Fatal(err)
			}
		case native.TypeData:
			words = append(words, fmt.Sprintf("DATA %d", first))
			b := body(first, ans.N)
			tr, err := asker.Trailer()
			if err != nil {
				t.Fatal(err)
			}
			_ = check(first, b, tr)
		case native.TypeFailed:
			words = append(words, fmt.Sprintf("FAILED %d: %d", first, ans.Status))
		case native.TypeEnd:
			return strings.Join(words, ", "), got
		default:
			t.Fatalf("a frame of type %d", ans.Type)
		}
	}
}

func tempFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestGroups has a source answer READs of small files: which of them go together,
// and that one which can't be had does not keep the others.
func TestGroups(t *testing.T) {
	const kib = 1 << 10
	many := func(n, size int) []int {
		sizes := make([]int, n)
		for i := range sizes {
			sizes[i] = size
		}
		return sizes
	}
	for _, c := range []struct {
		name  string
		sizes []int
		spoil func(t *testing.T, path string, files []native.ReadFile)
		want  string
		lost  []int
	}{
		{"one file", many(1, 10), nil, "DATA 0", nil},
		{"two files", many(2, 10), nil, "FILES 0+2", nil},
		{"as many as a group has", many(groupFiles, 10), nil, "FILES 0+64", nil},
		{"one more", many(groupFiles+1, 10), nil, "FILES 0+64, DATA 64", nil},
		{"two more", many(groupFiles+2, 10), nil, "FILES 0+64, FILES 64+2", nil},
		{"as many bytes as a group has", many(8, groupBytes/8), nil, "FILES 0+8", nil},
		{"more bytes", many(9, groupBytes/8), nil, "FILES 0+8, DATA 8", nil},
		{"the size from which holes are looked for", []int{10, 10, plainFile, 10, plainFile - 1}, nil, "FILES 0+2, DATA 2, FILES 3+2", nil},
		{"empty files", []int{10, 10, 0, 10, 10}, nil, "FILES 0+2, FILES 3+2", nil},
		{"a file that is gone", many(6, 10), func(t *testing.T, path string, _ []native.ReadFile) {
			if err := os.Remove(filepath.Join(path, groupName(2))); err != nil {
				t.Fatal(err)
			}
		}, "FILES 0+2, FAILED 2: 3, FILES 3+3", []int{2}},
		{"a file that has changed", many(4, 4*kib), func(t *testing.T, path string, _ []native.ReadFile) {
			if err := os.Truncate(filepath.Join(path, groupName(1)), kib); err != nil {
				t.Fatal(err)
			}
		}, "FILES 0+4, status 2 of 1", []int{1}},
		{"a file that has grown", many(4, 4*kib), func(t *testing.T, path string, _ []native.ReadFile) {
			if err := os.Truncate(filepath.Join(path, groupName(1)), 8*kib); err != nil {
				t.Fatal(err)
			}
		}, "FILES 0+4, status 2 of 1", []int{1}},
		{"a symlink in the place of a file", many(5, 10), func(t *testing.T, path string, _ []native.ReadFile) {
			inPlace(t, path, 2, func(name string) error { return os.Symlink(groupName(0), name) })
		}, "FILES 0+2, FAILED 2: 2, FILES 3+2", []int{2}},
		{"a directory in its place", many(5, 10), func(t *testing.T, path string, _ []native.ReadFile) {
			inPlace(t, path, 2, func(name string) error { return os.Mkdir(name, 0o755) })
		}, "FILES 0+5, status 2 of 2", []int{2}},
		{"a fifo in its place", many(5, 10), func(t *testing.T, path string, _ []native.ReadFile) {
			inPlace(t, path, 2, func(name string) error { return unix.Mkfifo(name, 0o644) })
			w, err := os.OpenFile(filepath.Join(path, groupName(2)), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(groupContent(2, 10)); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { // which nobody has taken out of it
				b := make([]byte, 11)
				if n, err := w.Read(b); n != 10 || err != nil {
					t.Errorf("the fifo has %d bytes, %v", n, err)
				}
				w.Close()
			})
		}, "FILES 0+5, status 2 of 2", []int{2}},
		{"a range", many(4, 10), func(_ *testing.T, _ string, files []native.ReadFile) {
			files[1].Ranges = []native.Range{{Off: 0, N: 10}}
		}, "DATA 0, DATA 1, FILES 2+2", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, files := groupTree(t, c.sizes...)
			if c.spoil != nil {
				c.spoil(t, path, files)
			}
			asker, end := serveTree(t, path)
			if err := asker.Ask(&native.Read{ID: 1, Files: files}); err != nil {
				t.Fatal(err)
			}
			if err := asker.Flush(); err != nil {
				t.Fatal(err)
			}
			frames, got := readAll(t, asker, files)
			if frames != c.want {
				t.Errorf("the answer is %s; want %s", frames, c.want)
			}
			for _, i := range c.lost {
				if len(got[i]) > 0 {
					t.Errorf("file %d came", i)
				}
				got[i] = groupContent(i, c.sizes[i])
			}
			for i, size := range c.sizes {
				if !bytes.Equal(got[i], groupContent(i, size)) {
					t.Errorf("file %d came with %d bytes, not its %d", i, len(got[i]), size)
				}
			}
			end()
		})
	}
}

// TestGroupsWhole has files change while their group is read: each trailer is about
// its own file, and the stream stays in step.
func TestGroupsWhole(t *testing.T) {
	path, files := groupTree(t, 100, 5000, 5000, 100)
	root, err := tree.OpenRoot(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := &source{view: &view{root: root}, rules: new(filter.List), alg: delta.XXH3128, stats: new(Stats)}
	s.hash = newHasher(s.alg, s.stats)
	defer s.Close()
	a, b := net.Pipe()
	conns := make([]*wire.Conn, 2)
	for i, c := range []net.Conn{a, b} {
		if conns[i], err = wire.NewConn(c, wire.Options{}); err != nil {
			t.Fatal(err)
		}
		defer conns[i].Close()
	}
	r := &native.Read{ID: 1, Files: files}
	for i, f := range files {
		open, err := s.openFile(f.Path, f.Version)
		if err != nil {
			t.Fatal(err)
		}
		s.group.files, s.group.n = append(s.group.files, open), s.group.n+f.Version.Size
		if i == 1 || i == 2 { // when they are open
			if err := os.Truncate(filepath.Join(path, f.Path), int64(4000+1000*(i-1))); err != nil {
				t.Fatal(err)
			}
		}
	}
	sent := make(chan error, 1)
	go func() {
		answerer := native.NewAnswerer(conns[0])
		err := s.sendGroup(answerer, r)
		if err == nil {
			err = answerer.End(1)
		}
		if err == nil {
			err = answerer.Flush()
		}
		sent <- err
	}()
	asker := native.NewAsker(conns[1], s.alg.Size())
	ans, err := asker.Next()
	if err != nil || ans.Type != native.TypeFiles || ans.Off != 4 {
		t.Fatalf("frame type %d of %d files, %v", ans.Type, ans.Off, err)
	}
	if err := asker.Discard(ans.N); err != nil {
		t.Fatal(err)
	}
	var statuses []native.Status
	if err := asker.Trailers(4, func(_ int, tr native.Trailer) error {
		statuses = append(statuses, tr.Status)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(statuses); got != "[0 2 2 0]" {
		t.Errorf("the statuses are %s, want those in the middle to say that the file changed", got)
	}
	if ans, err := asker.Next(); err != nil || ans.Type != native.TypeEnd {
		t.Errorf("behind the group: type %d, %v", ans.Type, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if len(s.group.files) > 0 {
		t.Error("the files of the group stay open")
	}
}

// TestManySmallFiles pushes and pulls more files than are under way at a time, so
// that jobs are used again, between directories of all kinds of them, twice: what
// is there has to be replaced the second time.
func TestManySmallFiles(t *testing.T) {
	const dirs, perDir = 6, 800
	src := t.TempDir()
	write := func(version int) {
		for d := range dirs {
			dir := filepath.Join(src, fmt.Sprint("d", d))
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for i := range perDir {
				path := filepath.Join(dir, groupName(i))
				if err := os.WriteFile(path, groupContent(d*perDir+i+version, (i*7+version)%200), 0o600|os.FileMode(i%8)); err != nil {
					t.Fatal(err)
				}
				when := time.Unix(int64(1e9+d*perDir+i+version), int64(i))
				if err := os.Chtimes(path, when, when); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	writable, pushed, pulled := false, t.TempDir(), t.TempDir()
	cfg := config.Default()
	cfg.Fsync = string(FsyncNone)
	cfg.Modules = []config.Module{{Name: "src", Path: src}, {Name: "dst", Path: pushed, ReadOnly: &writable}}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan struct{})
	go func() {
		defer close(served)
		NewServer(cfg, slog.New(slog.DiscardHandler)).Serve(ctx, l)
	}()
	defer func() { cancel(); <-served }()
	at := l.Addr().String()
	for version := range 2 {
		write(version)
		for way, ends := range map[string][2]Location{
			"push": {{Path: src + "/"}, {Host: at, Module: "dst", Path: "/"}},
			"pull": {{Host: at, Module: "src", Path: "/"}, {Path: pulled}},
		} {
			tr := &Transfer{Sources: []Location{ends[0]}, Dest: ends[1], Filter: new(filter.List), Stats: NewStats(),
				Timeout: time.Minute, Note: func(n native.Note) { t.Errorf("%s: %s", way, n.Text) }}
			r, err := tr.Run(ctx)
			if err != nil || r.Exit != 0 || r.Transferred != dirs*perDir || r.Redone != 0 {
				t.Fatalf("%s %d: %v, %+v", way, version, err, r)
			}
			if r.PathBytes.User != 0 || r.PathBytes.Splice != r.LiteralBytes {
				t.Errorf("%s: %d literal bytes, by path %+v", way, r.LiteralBytes, r.PathBytes)
			}
		}
		for _, dst := range []string{pushed, pulled} {
			sameTrees(t, src, dst)
		}
	}
}

// sameTrees fails the test unless all files of a are in b, with mode and time.
func sameTrees(t *testing.T, a, b string) {
	t.Helper()
	err := filepath.Walk(a, func(path string, st os.FileInfo, err error) error {
		if err != nil || st.IsDir() {
			return err
		}
		other := b + strings.TrimPrefix(path, a)
		got, err := os.Stat(other)
		if err != nil {
			return err
		}
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(other)
		if err != nil {
			return err
		}
		if got.Mode() != st.Mode() || !got.ModTime().Equal(st.ModTime()) || !bytes.Equal(content, want) {
			return fmt.Errorf("%s is %v %v with %d bytes, want %v %v with %d", other, got.Mode(), got.ModTime(), len(content), st.Mode(), st.ModTime(), len(want))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestJobsAreUsedAgain ends jobs. Only one that nobody else can know any more comes
// again, and as an empty one.
func TestJobsAreUsedAgain(t *testing.T) {
	for _, c := range []struct {
		name         string
		plain, ahead bool
		made, again  bool
	}{
		{"a small new file", true, false, true, true},
		{"a file that was asked for twice", false, false, true, false},
		{"one that the maker is still to come to", true, true, true, false},
		{"one that failed", true, false, false, false},
	} {
		k := new(sink)
		j := k.newJob()
		j.node = &node{refs: 2, own: 2}
		j.entry.Name, j.reached, j.plain = "f", true, c.plain
		j.ahead.Store(c.ahead)
		k.settle(j, c.made)
		next := k.newJob()
		if (next == j) != c.again {
			t.Errorf("%s: used again: %v, want %v", c.name, next == j, c.again)
		}
		if next.node != nil || next.entry.Name != "" || next.reached || next.plain {
			t.Errorf("%s: the next job is not empty", c.name)
		}
	}
}

func TestLimitsFollowOpenFiles(t *testing.T) {
	for n, want := range map[uint64]limits{
		1 << 20:        {jobs: 4096, roomy: 3584, ahead: 512, held: 1000},
		math.MaxUint64: {jobs: 4096, roomy: 3584, ahead: 512, held: 1000},
		4096:           {jobs: 1024, roomy: 896, ahead: 512, held: 256},
		1024:           {jobs: 256, roomy: 224, ahead: 128, held: 64},
		10:             {jobs: 16, roomy: 14, ahead: 8, held: 4},
	} {
		if got := limitsFor(n); got != want {
			t.Errorf("with %d open files: %+v, want %+v", n, got, want)
		}
	}
}
