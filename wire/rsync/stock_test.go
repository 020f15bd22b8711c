package rsync_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire/rsync"
)

// A scenario is one choice of options; all are run as client against the stock
// daemon, in both directions.
type scenario struct {
	name     string
	protocol int
	args     rsync.Args
}

// archive is -rlptgoD with the capabilities of a client that wants
// incremental recursion.
func archive(letters string) rsync.Args {
	return rsync.Args{Recursive: true, Links: true, Perms: true, Times: true, Group: true, Owner: true,
		Devices: true, Specials: true, Capabilities: letters + rsync.CapLetters}
}

// with returns archive args changed by f.
func with(letters string, f func(a *rsync.Args)) rsync.Args {
	a := archive(letters)
	f(&a)
	return a
}

func full(a *rsync.Args) { a.HardLinks, a.ACLs, a.Xattrs, a.Checksum = 1, true, 1, true }

func scenarios() []scenario {
	list := []scenario{
		{"plain", 32, archive("i")},
		{"no inc-recurse", 32, archive("")},
		{"-HAXc", 32, with("i", full)},
		{"-HAXc no inc-recurse", 32, with("", full)},
		{"-HAXc no varints", 32, with("i", func(a *rsync.Args) { full(a); a.Capabilities = "iLsfxCI" })},
		{"-HAXc no letters", 32, with("", func(a *rsync.Args) { full(a); a.Capabilities = "." })},
		{"-HAXc 31", 31, with("i", full)},
		{"-HAXc 30", 30, with("i", full)},
		{"-HAXc 30 no inc-recurse", 30, with("", full)},
		{"-Hc 29", 29, with("", func(a *rsync.Args) { a.HardLinks, a.Checksum = 1, true })},
		{"-Hc 28", 28, with("", func(a *rsync.Args) { a.HardLinks, a.Checksum = 1, true })},
		{"-Hc 27", 27, with("", func(a *rsync.Args) { a.HardLinks, a.Checksum = 1, true })},
		{"-U", 32, with("i", func(a *rsync.Args) { a.AccessTimes = 1 })},
		{"--numeric-ids", 32, with("", func(a *rsync.Args) { a.NumericIDs = true })},
		{"secluded", 32, with("i", func(a *rsync.Args) { a.Secluded = true })},
		{"secluded 29", 29, with("i", func(a *rsync.Args) { a.Secluded = true })},
		{"--cc=none", 32, with("i", func(a *rsync.Args) { a.ChecksumChoice = "none" })},
		{"--cc=md5,xxh64", 32, with("i", func(a *rsync.Args) { a.ChecksumChoice, a.Checksum = "md5,xxh64", true })},
		{"--cc=sha1", 32, with("i", func(a *rsync.Args) { a.ChecksumChoice = "sha1" })},
		{"--cc=xxh3", 32, with("i", func(a *rsync.Args) { a.ChecksumChoice, a.ChecksumSeed = "xxh3", -5 })},
		{"-z negotiated", 32, with("i", func(a *rsync.Args) { a.Compress = true })},
		{"zlib 30 long blocks", 30, with("i", func(a *rsync.Args) { a.Compress, a.BlockSize = true, 100_000; a.Capabilities = "iLsfxCI" })},
		{"zlib 29", 29, with("", func(a *rsync.Args) { a.Compress = true })},
	}
	for _, z := range []string{"zstd", "lz4", "zlibx", "zlib"} {
		list = append(list, scenario{z, 32, with("i", func(a *rsync.Args) { a.Compress, a.CompressChoice = true, z })},
			scenario{z + " long blocks", 32, with("i", func(a *rsync.Args) { a.Compress, a.CompressChoice, a.BlockSize = true, z, 100_000 })})
	}
	return list
}

// oldCopy makes a destination in which one big file is an earlier version:
// some blocks moved, some changed.
func oldCopy(t *testing.T, src string) string {
	t.Helper()
	dst := t.TempDir()
	b, err := os.ReadFile(filepath.Join(src, "big"))
	if err != nil {
		t.Fatal(err)
	}
	cut := len(b) / 12
	old := append(append([]byte("inserted"), b[cut:]...), b[:cut]...)
	copy(old[len(b)/2:], "changed")
	if err := os.WriteFile(filepath.Join(dst, "big"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	return dst
}

func TestPullFromStockDaemon(t *testing.T) {
	src := makeTree(t)
	addr := stockDaemon(t, module(src))
	for _, sc := range scenarios() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			a := sc.args
			a.Sender, a.Paths = true, []string{"m/"}
			x := &testReceiver{link: dial(t, addr), t: t, root: oldCopy(t, src)}
			s, err := connect(t, x.link, &a, sc.protocol)
			if err != nil {
				t.Fatal(err)
			}
			x.s = s
			if err := rsync.WriteFilters(x.w, nil); err != nil {
				t.Fatal(err)
			}
			if err := x.w.Flush(); err != nil {
				t.Fatal(err)
			}
			if err := x.receive(); err != nil {
				t.Fatalf("%v; stock says %q", err, x.text)
			}
			if want := strings.Contains(a.Capabilities, "i") && sc.protocol >= 30; s.IncRecurse() != want {
				t.Errorf("incremental recursion is %v", s.IncRecurse())
			}
			if len(x.text) > 0 {
				t.Errorf("stock says %q", x.text)
			}
			checkTree(t, x, src)
			if _, ok := s.Checksum.Algorithm(); ok && x.copied < 300_000 {
				t.Errorf("%d bytes copied from the basis", x.copied)
			}
			if x.stats.TotalSize < 600_000 || x.stats.Written <= x.literal/8 {
				t.Errorf("statistics %+v", x.stats)
			}
		})
	}
}

// checkTree compares what was listed and what was received with the source.
func checkTree(t *testing.T, x *testReceiver, src string) {
	t.Helper()
	o := x.s.ListOptions()
	groups := map[[2]uint64]string{}
	for _, name := range names(t, src) {
		got := x.files[name]
		if got == nil {
			t.Errorf("%q is not in the list", name)
			continue
		}
		want := entry(t, src, name, o)
		linked := got.Nlink > 1
		if linked {
			id := [2]uint64{got.Dev, got.Ino}
			if first := groups[id]; first != "" && !sameFile(t, filepath.Join(src, first), filepath.Join(src, name)) {
				t.Errorf("%q and %q are one group of hard links", first, name)
			}
			groups[id] = name
		}
		if o.HardLinks && !want.IsDir() && want.Nlink > 1 && !linked {
			t.Errorf("%q is not in a group of hard links", name)
		}
		project(want, o)
		ignore := []cmp.Option{cmpopts.IgnoreFields(rsync.File{}, "Entry.Dev", "Entry.Ino", "Entry.Nlink", "Abbrev", "TopDir"),
			cmpopts.IgnoreUnexported(rsync.File{}), cmpopts.EquateEmpty()}
		if want.IsDir() {
			// Long attributes of directories are not asked for.
			ignore = append(ignore, cmpopts.IgnoreFields(rsync.File{}, "Entry.Xattrs"))
		}
		if diff := cmp.Diff(want, got, ignore...); diff != "" {
			t.Errorf("%q: -source +received\n%s", name, diff)
		}
		if want.IsRegular() {
			w, _ := os.ReadFile(filepath.Join(src, name))
			g, err := os.ReadFile(filepath.Join(x.root, name))
			if err != nil || !bytes.Equal(w, g) {
				t.Errorf("content of %q differs: %v", name, err)
			}
		}
	}
	if len(x.files) != len(names(t, src)) {
		t.Errorf("%d entries listed", len(x.files))
	}
}

// project reduces an entry to what the protocol carries.
func project(f *rsync.File, o rsync.ListOptions) {
	if o.Protocol < 31 {
		f.Mtime.Nsec = 0
	}
	if f.IsDir() || !o.Atimes {
		f.Atime = 0
	}
	if !f.IsRegular() && !f.IsSymlink() {
		f.Size = 0
	}
	// Stock sends no name of id 0 without inc-recurse or its letter.
	named := o.Compat&(rsync.ID0Names|rsync.IncRecurse) != 0
	if o.NumericIDs || f.UID == 0 && !named {
		f.User = ""
	}
	if o.NumericIDs || f.GID == 0 && !named {
		f.Group = ""
	}
}

func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y unix.Stat_t
	if err := unix.Lstat(a, &x); err != nil {
		t.Fatal(err)
	}
	if err := unix.Lstat(b, &y); err != nil {
		t.Fatal(err)
	}
	return x.Ino == y.Ino && x.Dev == y.Dev
}

func TestPushToStockDaemon(t *testing.T) {
	src := makeTree(t)
	for _, sc := range scenarios() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			dst := oldCopy(t, src)
			addr := stockDaemon(t, module(dst))
			a := sc.args
			a.Paths = []string{"m/"}
			x := &testSender{link: dial(t, addr), t: t, root: src}
			s, err := connect(t, x.link, &a, sc.protocol)
			if err != nil {
				t.Fatal(err)
			}
			x.s = s
			if err := x.send(); err != nil {
				t.Fatalf("%v; stock says %q", err, x.text)
			}
			if len(x.text) > 0 {
				t.Errorf("stock says %q", x.text)
			}
			if _, ok := s.Checksum.Algorithm(); ok && x.deltas == 0 {
				t.Error("no block was matched")
			}
			// Protocols below 31 lose nanoseconds.
			options := "-rlpgoD"
			if sc.protocol >= 31 {
				options += "t"
			}
			if a.ACLs {
				options += "HAX"
			}
			same(t, options, src, dst)
		})
	}
}

// TestNamesForStockDaemon sends a list of names ahead of a pull.
func TestNamesForStockDaemon(t *testing.T) {
	src := makeTree(t)
	addr := stockDaemon(t, module(src))
	for _, protocol := range []int{32, 31, 30, 29} {
		a := rsync.Args{Sender: true, Links: true, Relative: true, FilesFrom: "-", From0: true, Capabilities: rsync.CapLetters, Paths: []string{"m/"}}
		x := &testReceiver{link: dial(t, addr), t: t, root: t.TempDir()}
		var err error
		if x.s, err = connect(t, x.link, &a, protocol); err != nil {
			t.Fatal(err)
		}
		list := []string{"one", "d1/a", "link"}
		err = rsync.WriteFilters(x.w, []string{"- big"})
		if err == nil {
			err = rsync.WriteNames(x.w, func() (string, bool) {
				if len(list) == 0 {
					return "", false
				}
				name := list[0]
				list = list[1:]
				return name, true
			})
		}
		if err == nil {
			err = x.receive()
		}
		if err != nil {
			t.Errorf("protocol %d: %v; stock says %q", protocol, err, x.text)
		}
		var got []string
		for name, f := range x.files {
			if !f.IsDir() {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if want := []string{"d1/a", "link", "one"}; !slices.Equal(got, want) {
			t.Errorf("protocol %d: %q", protocol, got)
		}
	}
}

// TestNamesFromStockDaemon lets the daemon say what a push is to send.
func TestNamesFromStockDaemon(t *testing.T) {
	dst := t.TempDir()
	if err := os.WriteFile(filepath.Join(dst, "list"), []byte("one\nd1/a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := stockDaemon(t, module(dst))
	for _, protocol := range []int{32, 30, 29} {
		a := rsync.Args{Relative: true, FilesFrom: "/list", Capabilities: rsync.CapLetters, Paths: []string{"m/"}}
		l := dial(t, addr)
		s, err := connect(t, l, &a, protocol)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		err = rsync.ReadNames(l.r, func(name string) error { got = append(got, name); return nil })
		if want := []string{"one", "d1/a"}; !slices.Equal(got, want) || err != nil {
			t.Errorf("protocol %d: %q, %v", protocol, got, err)
		}
		x := &testSender{link: l, t: t, s: s, root: t.TempDir()}
		if err := x.send(); err != nil {
			t.Errorf("protocol %d: %v; stock says %q", protocol, err, x.text)
		}
	}
}

func ExampleArgs_Build() {
	a := rsync.Args{Sender: true, Recursive: true, Links: true, Capabilities: "i" + rsync.CapLetters, Paths: []string{"m/"}}
	head, tail := a.Build(32)
	fmt.Println(head, tail)
	// Output: [--server --sender -lre.iLsfxCIvu] [. m/]
}
