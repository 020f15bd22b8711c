package rsync_test

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// node returns an entry with little in it; a name that ends in "/" is a
// directory's.
func node(name string) *rsync.File {
	f := &rsync.File{}
	f.Name, f.Mode, f.Nlink = strings.TrimSuffix(name, "/"), unix.S_IFREG|0o644, 1
	if f.Name != name || name == "." {
		f.Mode = unix.S_IFDIR | 0o755
		f.Content = true
	}
	return f
}

// listed encodes entries as one list and decodes it.
func listed(t testing.TB, o rsync.ListOptions, files ...*rsync.File) *rsync.List {
	t.Helper()
	w, m := writer(o.Protocol)
	e := rsync.NewListEncoder(w, o)
	e.First()
	for _, f := range files {
		if err := e.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.End(0); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	l, err := rsync.NewListDecoder(reader(m.Bytes(), o.Protocol), o).First()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// sortKey is the order as the protocol's description puts it: for each
// component whether it is a directory, and its bytes.
func sortKey(f *rsync.File) []string {
	if f.Name == "." {
		return nil
	}
	var key []string
	parts := strings.Split(f.Name, "/")
	for i, p := range parts {
		if i < len(parts)-1 || f.IsDir() {
			key = append(key, "1"+p+"/")
		} else {
			key = append(key, "0"+p)
		}
	}
	return key
}

func TestSortOrder(t *testing.T) {
	o := rsync.ListOptions{Protocol: 32, Compat: rsync.VarintFlags}
	rapid.Check(t, func(rt *rapid.T) {
		part := rapid.StringMatching(`[a-c.\-/\xe9]{1,3}`)
		seen := map[string]bool{}
		var files []*rsync.File
		for range rapid.IntRange(0, 30).Draw(rt, "n") {
			name := strings.Trim(part.Draw(rt, "name"), "/")
			for _, p := range strings.Split(name, "/") {
				if p == "" || p == "." || p == ".." {
					name = ""
				}
			}
			if name == "" || seen[name] {
				continue
			}
			seen[name] = true
			files = append(files, node(name+rapid.SampledFrom([]string{"", "/"}).Draw(rt, "dir")))
		}
		l := listed(t, o, files...)
		slices.SortFunc(files, func(a, b *rsync.File) int { return slices.Compare(sortKey(a), sortKey(b)) })
		for i, f := range files {
			if got := l.File(i); got == nil || got.Name != f.Name {
				rt.Fatalf("entry %d is %v, want %s", i, got, f.Name)
			}
		}
	})
}

func TestSortOrderOfOldProtocols(t *testing.T) {
	l := listed(t, rsync.ListOptions{Protocol: 28}, node("b/"), node("b-a"), node("b/x"), node("a"))
	var got []string
	l.All(func(_ int, f *rsync.File) bool { got = append(got, f.Name); return true })
	if want := []string{"a", "b", "b-a", "b/x"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDuplicatesKeepTheirNumbers(t *testing.T) {
	o := rsync.ListOptions{Protocol: 32, Compat: rsync.VarintFlags}
	first, second := node("a"), node("a")
	first.Size, second.Size = 1, 2
	for _, c := range []struct {
		name  string
		files []*rsync.File
		want  string
	}{
		{"files", []*rsync.File{first, second, node("b")}, "0 a f1, 2 b f0"},
		{"a directory wins over a file", []*rsync.File{first, node("a/"), node("z")}, "1 z f0, 2 a d"},
		{"a file after a directory", []*rsync.File{node("a/"), node("z"), first}, "1 z f0, 2 a d"},
		{"directories", []*rsync.File{node("a/"), node("a/")}, "0 a d"},
		{"across others", []*rsync.File{node("x"), node("d/"), node("x/"), node("d/x"), node("d/x/")}, "1 d d, 3 d/x d, 4 x d"},
	} {
		l := listed(t, o, c.files...)
		var got []string
		l.All(func(ndx int, f *rsync.File) bool {
			kind := "d"
			if !f.IsDir() {
				kind = fmt.Sprint("f", f.Size)
			}
			got = append(got, fmt.Sprint(ndx, " ", f.Name, " ", kind))
			return true
		})
		if s := strings.Join(got, ", "); s != c.want {
			t.Errorf("%s: %s, want %s", c.name, s, c.want)
		}
		if l.Len() != len(c.files) || l.File(-1) != nil || l.File(l.Len()) != nil {
			t.Errorf("%s: %d entries", c.name, l.Len())
		}
	}
}

// anyFile draws an entry that the options can carry.
func anyFile(t *rapid.T, o rsync.ListOptions, i int) *rsync.File {
	types := []uint32{unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK, unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO, unix.S_IFSOCK}
	f := &rsync.File{}
	f.Name = fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"", "dir/", "dir/sub/", strings.Repeat("l", 254), strings.Repeat("m", 300)}).Draw(t, "prefix"), i)
	f.Mode = rapid.SampledFrom(types).Draw(t, "type") | rapid.Uint32Range(0, 0o7777).Draw(t, "perms")
	f.Mtime.Sec = rapid.Int64Range(0, 1<<32-1).Draw(t, "mtime")
	if o.Protocol >= 30 {
		f.Mtime.Sec = rapid.Int64().Draw(t, "mtime")
	}
	if o.Protocol >= 31 {
		f.Mtime.Nsec = rapid.SampledFrom([]uint32{0, 0, 1, 999_999_999}).Draw(t, "nsec")
	}
	f.Nlink = 1
	if o.Owner {
		f.UID = rapid.SampledFrom([]uint32{0, 1, 1, 1000, 1<<32 - 2}).Draw(t, "uid")
		f.User = map[uint32]string{0: "root", 1: "daemon"}[f.UID]
	}
	if o.Group {
		f.GID = rapid.SampledFrom([]uint32{0, 5, 5, 1<<32 - 2}).Draw(t, "gid")
		f.Group = map[uint32]string{5: "tty"}[f.GID]
	}
	switch {
	case f.IsRegular():
		f.Size = rapid.Int64Min(0).Draw(t, "size")
		f.Digest = []byte("0123456789abcdef")[:o.Checksum]
	case f.IsSymlink():
		f.Target = strings.Repeat("t", rapid.SampledFrom([]int{1, 127, 128, 4095}).Draw(t, "target"))
		f.Size = int64(len(f.Target))
	case f.IsDir():
		f.Content = rapid.Bool().Draw(t, "content") || o.Protocol < 30
		f.TopDir = f.Content && rapid.Bool().Draw(t, "top")
	case f.IsDevice():
		f.Rdev = unix.Mkdev(rapid.SampledFrom([]uint32{0, 1, 1, 300, 4095}).Draw(t, "major"), rapid.SampledFrom([]uint32{0, 255, 256, 1<<20 - 1}).Draw(t, "minor"))
	}
	if o.Atimes && !f.IsDir() {
		f.Atime = rapid.Int64().Draw(t, "atime")
	}
	if o.Crtimes {
		f.Crtime = rapid.SampledFrom([]int64{f.Mtime.Sec, 5}).Draw(t, "crtime")
	}
	if o.Xattrs > 0 {
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 40), 0, 3, rapid.ID).Draw(t, "xattrs") {
			f.Xattrs = append(f.Xattrs, wire.Xattr{Name: fmt.Sprintf("user.%02d", n), Value: []byte(strings.Repeat("v", n))})
		}
		slices.SortFunc(f.Xattrs, func(a, b wire.Xattr) int { return cmp.Compare(a.Name, b.Name) })
	}
	return f
}

// TestListsSurvive sends drawn entries in every layout.
func TestListsSurvive(t *testing.T) {
	all := rsync.IncRecurse | rsync.SafeList | rsync.VarintFlags | rsync.ID0Names
	rapid.Check(t, func(rt *rapid.T) {
		o := rsync.ListOptions{Protocol: rapid.IntRange(27, 32).Draw(rt, "protocol"), Owner: rapid.Bool().Draw(rt, "o"), Group: rapid.Bool().Draw(rt, "g"),
			Links: true, Devices: true, Specials: rapid.Bool().Draw(rt, "specials")}
		if o.Protocol >= 30 {
			o.Compat = rsync.Compat(rapid.Uint16().Draw(rt, "compat")) & all &^ rsync.IncRecurse
			o.Atimes, o.Xattrs = rapid.Bool().Draw(rt, "U"), rapid.IntRange(0, 1).Draw(rt, "X")
			o.Crtimes = o.Compat&rsync.VarintFlags != 0 && rapid.Bool().Draw(rt, "N")
		}
		o.Checksum = rapid.SampledFrom([]int{0, 16}).Draw(rt, "c")
		var files []*rsync.File
		for i := range rapid.IntRange(0, 20).Draw(rt, "n") {
			files = append(files, anyFile(rt, o, i))
		}
		got := map[string]*rsync.File{}
		listed(t, o, files...).All(func(_ int, f *rsync.File) bool { got[f.Name] = f; return true })
		for _, want := range files {
			if o.Compat&rsync.ID0Names == 0 && want.UID == 0 {
				want.User = ""
			}
			if o.Checksum == 0 {
				want.Digest = nil
			}
			diff := gocmp.Diff(want, got[want.Name], cmpopts.IgnoreUnexported(rsync.File{}), cmpopts.EquateEmpty(),
				cmpopts.IgnoreFields(rsync.File{}, "Abbrev"), gocmp.Comparer(func(a, b wire.Xattr) bool { return a.Name == b.Name }))
			if diff != "" {
				rt.Fatalf("-want +got\n%s", diff)
			}
		}
	})
}

func TestACLsSurvive(t *testing.T) {
	o := rsync.ListOptions{Protocol: 32, Compat: rsync.VarintFlags, ACLs: true}
	ace := func(tag, perm uint16, id uint32) wire.ACE { return wire.ACE{Tag: tag, Perm: perm, ID: id} }
	full := func(group, mask uint16, named ...wire.ACE) []wire.ACE {
		list := []wire.ACE{ace(wire.ACLUserObj, 6, 0)}
		for _, tag := range []uint16{wire.ACLUser, wire.ACLGroup} {
			if tag == wire.ACLGroup {
				list = append(list, ace(wire.ACLGroupObj, group, 0))
			}
			for _, e := range named {
				if e.Tag == tag {
					list = append(list, e)
				}
			}
		}
		return append(list, ace(wire.ACLMask, mask, 0), ace(wire.ACLOther, 4, 0))
	}
	u, g := ace(wire.ACLUser, 7, 5), ace(wire.ACLGroup, 0, 6)
	for i, list := range [][]wire.ACE{nil, full(4, 4), full(0, 4), full(4, 4, u), full(0, 4, u, g), full(7, 4, g)} {
		// The mask is what the mode shows as the group's bits.
		f, same, dir := node("f"), node("same"), node("d/")
		f.ACL, same.ACL, dir.ACL = list, list, list
		dir.Mode, dir.DefaultACL = unix.S_IFDIR|0o644, list
		l := listed(t, o, f, same, dir)
		l.All(func(_ int, got *rsync.File) bool {
			if diff := gocmp.Diff(list, got.ACL); diff != "" {
				t.Errorf("%d: %s: -want +got\n%s", i, got.Name, diff)
			}
			if diff := gocmp.Diff(list, got.DefaultACL); got.IsDir() && diff != "" {
				t.Errorf("%d: %s: default: -want +got\n%s", i, got.Name, diff)
			}
			return true
		})
	}
}

func TestFilesThatCannotBeListed(t *testing.T) {
	long := strings.Repeat("x", 4096)
	for name, change := range map[string]func(f *rsync.File){
		"no name":          func(f *rsync.File) { f.Name = "" },
		"dots":             func(f *rsync.File) { f.Name = "a/../b" },
		"rooted":           func(f *rsync.File) { f.Name = "/a" },
		"slash at the end": func(f *rsync.File) { f.Name = "a/" },
		"NUL":              func(f *rsync.File) { f.Name = "a\x00b" },
		"long name":        func(f *rsync.File) { f.Name = long },
		"mode":             func(f *rsync.File) { f.Mode = 0o644 },
		"size":             func(f *rsync.File) { f.Size = -1 },
		"nanoseconds":      func(f *rsync.File) { f.Mtime.Nsec = 1e9 },
		"empty target":     func(f *rsync.File) { f.Mode = unix.S_IFLNK | 0o777 },
		"long target":      func(f *rsync.File) { f.Mode, f.Target = unix.S_IFLNK|0o777, long },
		"checksum":         func(f *rsync.File) { f.Digest = f.Digest[:15] },
		"ACL tag":          func(f *rsync.File) { f.ACL = []wire.ACE{{Tag: 3}} },
		"ACL permission":   func(f *rsync.File) { f.ACL = []wire.ACE{{Tag: wire.ACLOther, Perm: 8}} },
		"system xattr":     func(f *rsync.File) { f.Xattrs = []wire.Xattr{{Name: "system.x"}} },
		"xattr twice":      func(f *rsync.File) { f.Xattrs = []wire.Xattr{{Name: "user.x"}, {Name: "user.x"}} },
		"missing":          func(f *rsync.File) { f.Missing, f.Mode = true, 0 },
	} {
		o := rsync.ListOptions{Protocol: 32, Compat: rsync.VarintFlags, Links: true, ACLs: true, Xattrs: 1, Checksum: 16}
		w, m := writer(32)
		e := rsync.NewListEncoder(w, o)
		e.First()
		f := node("f")
		f.Digest = make([]byte, 16)
		change(f)
		if err := e.Add(f); !errors.Is(err, rsync.ErrEntry) {
			t.Errorf("%s: %v", name, err)
		}
		if w.Flush(); m.Len() > 0 {
			t.Errorf("%s: %d bytes were written", name, m.Len())
		}
	}
}

func TestAllocationFollowsArrival(t *testing.T) {
	// Each claims far more than it brings.
	xattr := encoded(32, func(w *rsync.Writer) {
		w.VarInt(1) // SAME_NAME is off: flags, name
		w.Byte(1)
		w.Write([]byte("f"))
		w.VarLong(0, 3)
		w.VarLong(0, 4)
		w.Int(unix.S_IFREG)
		w.VarInt(0)
		w.VarInt(65536)
		w.VarInt(2)
		w.VarInt(10)
	})
	head := encoded(32, func(w *rsync.Writer) { w.SumHead(rsync.SumHead{Count: 1<<31 - 2, Block: 700, StrongLen: 16}) })
	for name, use := range map[string]func() error{
		"xattrs": func() error {
			o := rsync.ListOptions{Protocol: 32, Compat: rsync.VarintFlags, Xattrs: 1}
			_, err := rsync.NewListDecoder(reader(xattr, 32), o).First()
			return err
		},
		"sums": func() error {
			r := reader(head, 32)
			h, err := r.SumHead(16)
			if err != nil {
				return err
			}
			_, err = rsync.ReadSums(r, h, 1<<31-1)
			return err
		},
		"bytes": func() error { _, err := reader([]byte("abc"), 32).Bytes(1 << 30); return err },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := use()
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: a cut stream was taken", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
}
