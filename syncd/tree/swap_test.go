package tree

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

// flip exchanges two entries of the directory path as fast as it can, until
// stop is called. It holds the directory, which can be flipped itself.
func flip(t *testing.T, path, a, b string) (stop func()) {
	t.Helper()
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	done := make(chan struct{})
	var flipper sync.WaitGroup
	flipper.Go(func() {
		defer unix.Close(fd)
		for {
			select {
			case <-done:
				return
			default: // fails while one of them is away
				_ = unix.Renameat2(fd, a, fd, b, unix.RENAME_EXCHANGE)
			}
		}
	})
	return func() { close(done); flipper.Wait() }
}

// snapshot returns all metadata below path, ctimes too: nothing that was set
// or made there and undone escapes it.
func snapshot(t *testing.T, path string) []wire.Entry {
	t.Helper()
	d := openTestDir(t, path)
	list := []wire.Entry{entry(t, d, ".", all)}
	for _, name := range names(t, d) {
		e := entry(t, d, name, all)
		list = append(list, e)
		if e.IsDir() {
			list = append(list, snapshot(t, filepath.Join(path, name))...)
		}
	}
	return list
}

// A symlink that is swapped in for a directory or a file while each kind of
// operation runs leads nowhere: what it points to is neither read nor changed.
func TestSwappedSymlinksLeadNowhere(t *testing.T) {
	const enough = 50 // rounds in which the operation found the right thing
	outside, path := t.TempDir(), t.TempDir()
	write(t, filepath.Join(outside, "file"), "canary")
	write(t, filepath.Join(outside, "sub/file"), "canary")
	must(t, os.Symlink("file", filepath.Join(outside, "link")))
	write(t, filepath.Join(path, "dir/file"), "inside")
	must(t, os.Symlink(outside, filepath.Join(path, "dirlink")))
	write(t, filepath.Join(path, "file"), "inside")
	must(t, os.Symlink(filepath.Join(outside, "file"), filepath.Join(path, "filelink")))

	s := swapTest{t: t, top: openTestDir(t, path), path: path, outside: outside}
	root, err := OpenRoot(path, false)
	must(t, err)
	defer root.Close()
	s.root = root
	before := snapshot(t, outside)
	defer flip(t, path, "dir", "dirlink")()
	defer flip(t, path, "file", "filelink")()
	operations := s.operations()
	for _, name := range slices.Sorted(maps.Keys(operations)) {
		op, rounds, worked := operations[name], 0, 0
		start := time.Now()
		for (worked < enough || rounds < 10*enough) && time.Since(start) < 10*time.Second {
			if op() == nil {
				worked++
			}
			rounds++
		}
		t.Logf("%s: worked in %d of %d rounds", name, worked, rounds)
		if worked < enough {
			t.Errorf("%s: too often in the way of the swapping", name)
		}
		if diff := cmp.Diff(before, snapshot(t, outside)); diff != "" {
			t.Fatalf("%s changed what the symlink points to:\n%s", name, diff)
		}
	}
}

type swapTest struct {
	t             *testing.T
	root          *Root
	top           *Dir
	path, outside string
}

func (s *swapTest) operations() map[string]func() error {
	m := archive()
	xattrs := []wire.Xattr{{Name: "user.x", Value: []byte("1")}, {Name: "trusted.x", Value: []byte("1")}}
	n := int64(0)
	meta := func(mode uint32) *wire.Entry {
		n++ // a change in each round
		return &wire.Entry{Mode: mode | uint32(n%2), UID: uint32(n), GID: uint32(n), Mtime: wire.Time{Sec: n}, Xattrs: xattrs[:n%3]}
	}
	return map[string]func() error{
		"Root.Dir and Names": s.below(func(d *Dir) error {
			names, err := d.Names()
			if err == nil && names.Len() > 1 {
				s.t.Errorf("%d names, those of the outside", names.Len())
			}
			return err
		}),
		"Entry below":  s.below(func(d *Dir) error { _, err := d.Entry("file", all); return err }),
		"Open below":   s.below(func(d *Dir) error { return s.read(d, "file") }),
		"Open":         func() error { return s.read(s.top, "file") },
		"Entry":        func() error { _, err := s.top.Entry("file", all); return err },
		"ApplyAt file": func() error { return m.ApplyAt(s.top, "file", meta(unix.S_IFREG|0o600), nil) },
		"ApplyAt dir":  func() error { return m.ApplyAt(s.top, "dir", meta(unix.S_IFDIR|0o700), nil) },
		"ApplyAt link": func() error { return m.ApplyAt(s.top, "dir", meta(unix.S_IFLNK|0o777), nil) },
		"ApplyAt below": s.below(func(d *Dir) error {
			return m.ApplyAt(d, "file", meta(unix.S_IFREG|0o600), nil)
		}),
		"Mkdir and Remove": s.below(func(d *Dir) error {
			if err := d.Mkdir("new"); err != nil {
				return err
			}
			return d.Remove("new", true)
		}),
		"Create, MakeNode and Link": s.below(func(d *Dir) error { return s.make(d, m, meta(unix.S_IFIFO|0o600)) }),
		"Stage":                     s.below(func(d *Dir) error { return s.stage(d, m, meta(unix.S_IFREG|0o600)) }),
		"StageDir":                  s.below(s.stageDir),
		"RemoveLeftover": s.below(func(d *Dir) error {
			name := stagingDirName("x")
			if err := d.Mkdir(name); err != nil {
				return err
			}
			return d.RemoveLeftover(name)
		}),
		"RemoveTree": s.removeTree,
	}
}

// below opens the directory that is flipped, and runs op in it.
func (s *swapTest) below(op func(d *Dir) error) func() error {
	n := 0
	return func() error {
		n++
		var d *Dir
		var err error
		if n%2 == 0 {
			d, err = s.root.Dir("dir")
		} else {
			d, err = s.top.OpenDir("dir")
		}
		if err != nil {
			return err
		}
		defer d.Close()
		return op(d)
	}
}

func (s *swapTest) read(d *Dir, name string) error {
	f, _, err := d.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if got := readAll(s.t, f); got != "inside" {
		s.t.Errorf("read %q", got)
	}
	return nil
}

func (s *swapTest) make(d *Dir, m *Meta, fifo *wire.Entry) error {
	f, err := d.Create("new", 0o600)
	if err != nil {
		return err
	}
	f.Close()
	fifo.Name, fifo.Xattrs = "fifo", nil
	if err := d.MakeNode(fifo, false, m); err != nil {
		return err
	}
	if err := s.top.Link(d, "new", "linked"); err != nil {
		return err
	}
	if err := s.top.Remove("linked", false); err != nil {
		return err
	}
	if err := d.Remove("fifo", false); err != nil {
		return err
	}
	return d.Remove("new", false)
}

func (s *swapTest) stage(d *Dir, m *Meta, want *wire.Entry) error {
	st, err := d.Stage("staged")
	if err != nil {
		return err
	}
	defer st.Discard()
	if err := m.Apply(st.File, want, nil); err != nil {
		return err
	}
	if err := st.Commit(); err != nil {
		return err
	}
	return d.Remove("staged", false)
}

func (s *swapTest) stageDir(d *Dir) error {
	st, err := d.StageDir("new")
	if err != nil {
		return err
	}
	defer st.Discard()
	f, err := st.Dir.Create("file", 0o600)
	if err != nil {
		return err
	}
	f.Close()
	if err := st.Commit(); err != nil {
		return err
	}
	return d.RemoveTree("new", true, nil)
}

// removeTree removes a tree of its own while that and all in it are flipped.
func (s *swapTest) removeTree() error {
	top := filepath.Join(s.path, "tree")
	write(s.t, filepath.Join(top, "sub/file"), "inside")
	must(s.t, os.Symlink(s.outside, filepath.Join(top, "link")))
	must(s.t, os.Symlink(s.outside, filepath.Join(s.path, "treelink")))
	stopSub := flip(s.t, top, "sub", "link") // first: it opens a path
	stopTop := flip(s.t, s.path, "tree", "treelink")
	err := s.top.RemoveTree("tree", false, nil)
	stopTop()
	stopSub()
	must(s.t, os.RemoveAll(top))
	must(s.t, os.RemoveAll(filepath.Join(s.path, "treelink")))
	return err
}
