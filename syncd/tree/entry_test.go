package tree

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

// all is every Want.
var all = Want{Xattrs: true, ACLs: true, Names: true}

func TestEntryOfEveryType(t *testing.T) {
	d, path := testDir(t)
	p := func(name string) string { return filepath.Join(path, name) }
	write(t, p("file"), "12345")
	must(t, os.Link(p("file"), p("link")))
	must(t, os.Mkdir(p("dir"), 0o751))
	must(t, os.Symlink("../some/where", p("symlink")))
	must(t, unix.Mkfifo(p("fifo"), 0o620))
	must(t, unix.Mknod(p("socket"), unix.S_IFSOCK|0o600, 0))
	must(t, unix.Mknod(p("char"), unix.S_IFCHR|0o600, int(unix.Mkdev(4095, 0xfffff))))
	must(t, unix.Mknod(p("block"), unix.S_IFBLK|0o600, int(unix.Mkdev(7, 300))))
	want := map[string]wire.Entry{
		"file":    {Mode: unix.S_IFREG | 0o644, Nlink: 2, Size: 5},
		"dir":     {Mode: unix.S_IFDIR | 0o751, Nlink: 2},
		"symlink": {Mode: unix.S_IFLNK | 0o777, Nlink: 1, Size: 13, Target: "../some/where"},
		"fifo":    {Mode: unix.S_IFIFO | 0o600, Nlink: 1},
		"socket":  {Mode: unix.S_IFSOCK | 0o600, Nlink: 1},
		"char":    {Mode: unix.S_IFCHR | 0o600, Nlink: 1, Rdev: unix.Mkdev(4095, 0xfffff)},
		"block":   {Mode: unix.S_IFBLK | 0o600, Nlink: 1, Rdev: unix.Mkdev(7, 300)},
	}
	for name, e := range want {
		must(t, unix.Lchown(p(name), 1234567, 7654321))
		ts := unix.Timespec{Sec: 1600000000, Nsec: 123456789}
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, p(name), []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
		var st unix.Stat_t
		must(t, unix.Lstat(p(name), &st))
		e.Name, e.UID, e.GID = name, 1234567, 7654321
		e.Dev, e.Ino = st.Dev, st.Ino
		e.Mtime = wire.Time{Sec: 1600000000, Nsec: 123456789}
		e.Ctime = wire.Time{Sec: st.Ctim.Sec, Nsec: uint32(st.Ctim.Nsec)}
		for _, w := range []Want{{}, {Names: true}, {Xattrs: true}, {ACLs: true}, all} {
			if diff := cmp.Diff(e, entry(t, d, name, w)); diff != "" {
				t.Errorf("%s with %+v:\n%s", name, w, diff)
			}
		}
	}
}

func TestEntryNames(t *testing.T) {
	d, path := testDir(t)
	write(t, filepath.Join(path, "file"), "")
	for range 2 { // looked up, and remembered
		if e := entry(t, d, "file", Want{Names: true}); e.User != "root" || e.Group != "root" {
			t.Errorf("owners %q and %q", e.User, e.Group)
		}
	}
	if e := entry(t, d, "file", Want{}); e.User != "" || e.Group != "" {
		t.Errorf("owners %q and %q, which nobody asked for", e.User, e.Group)
	}
}

func TestEntryOfOddNames(t *testing.T) {
	d, path := testDir(t)
	for _, name := range oddNames {
		write(t, filepath.Join(path, name), name)
		for _, w := range []Want{{}, all} {
			if e := entry(t, d, name, w); e.Name != name || e.Size != int64(len(name)) {
				t.Errorf("%q: %+v", name, e)
			}
		}
	}
}

func TestEntryTargets(t *testing.T) {
	d, path := testDir(t)
	for i, size := range []int{1, 255, 256, pathMax - 2, pathMax - 1} {
		target := strings.Repeat("\xfft", (size+1)/2)[:size]
		name := string(rune('a' + i))
		must(t, os.Symlink(target, filepath.Join(path, name)))
		for _, w := range []Want{{}, all} {
			if e := entry(t, d, name, w); e.Target != target || e.Size != int64(size) {
				t.Errorf("a target of %d bytes: size %d, %d bytes", size, e.Size, len(e.Target))
			}
		}
	}
}

func TestEntryReplacesAll(t *testing.T) {
	d, path := testDir(t)
	write(t, filepath.Join(path, "file"), "")
	e := wire.Entry{Name: "x", User: "u", Target: "t", Xattrs: []wire.Xattr{{Name: "user.x"}},
		ACL: []wire.ACE{{Tag: 1}}, DefaultACL: []wire.ACE{{Tag: 1}}, Digest: []byte{1}, Rdev: 1}
	must(t, d.EntryInto("file", Want{}, &e))
	if diff := cmp.Diff(entry(t, d, "file", Want{}), e); diff != "" {
		t.Error(diff)
	}
}

func TestEntryOfWhatIsNotThere(t *testing.T) {
	d, _ := testDir(t)
	for _, w := range []Want{{}, all} {
		_, err := d.Entry("none", w)
		wantErr(t, err, fs.ErrNotExist, "none")
	}
}

func TestEntryAllocatesNothing(t *testing.T) {
	d, path := testDir(t)
	write(t, filepath.Join(path, "file"), "")
	var e wire.Entry
	got := testing.AllocsPerRun(100, func() {
		if err := d.EntryInto("file", Want{Names: true}, &e); err != nil {
			t.Fatal(err)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestEntryXattrsAsGetfattr(t *testing.T) {
	d, path := testDir(t)
	big := strings.Repeat("v", 3000)
	for _, name := range []string{"file", "dir", "secret"} {
		p := filepath.Join(path, name)
		if name == "dir" {
			must(t, os.Mkdir(p, 0o755))
		} else {
			write(t, p, "")
		}
		run(t, "setfattr", "-n", "user.b", "-v", "0x00ff0a", p)
		run(t, "setfattr", "-n", "user.a", "-v", big, p)
		run(t, "setfattr", "-n", "user.empty", p)
		run(t, "setfattr", "-n", "trusted.t", "-v", "tt", p)
		run(t, "setfattr", "-n", "security.s", "-v", "ss", p)
		run(t, "setfacl", "-m", "u:1234:r", p) // system.*, which must not show
	}
	must(t, os.Chmod(filepath.Join(path, "secret"), 0))
	want := []wire.Xattr{{Name: "security.s", Value: []byte("ss")}, {Name: "trusted.t", Value: []byte("tt")},
		{Name: "user.a", Value: []byte(big)}, {Name: "user.b", Value: []byte{0, 0xff, '\n'}},
		{Name: "user.empty", Value: []byte{}}}
	for _, name := range []string{"file", "dir", "secret"} {
		if diff := cmp.Diff(want, entry(t, d, name, Want{Xattrs: true}).Xattrs); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	sub, err := d.OpenDir("dir")
	must(t, err)
	defer sub.Close()
	if diff := cmp.Diff(want, entry(t, sub, ".", Want{Xattrs: true}).Xattrs); diff != "" {
		t.Errorf("the directory itself:\n%s", diff)
	}
}

func TestEntryXattrsOfASymlink(t *testing.T) {
	d, path := testDir(t)
	write(t, filepath.Join(path, "file"), "")
	run(t, "setfattr", "-n", "trusted.file", filepath.Join(path, "file"))
	must(t, os.Symlink("file", filepath.Join(path, "link")))
	run(t, "setfattr", "-h", "-n", "trusted.link", "-v", "l", filepath.Join(path, "link"))
	want := []wire.Xattr{{Name: "trusted.link", Value: []byte("l")}}
	if diff := cmp.Diff(want, entry(t, d, "link", all).Xattrs); diff != "" {
		t.Error(diff)
	}
}

func TestEntryACLs(t *testing.T) {
	d, path := testDir(t)
	p := filepath.Join(path, "dir")
	must(t, os.Mkdir(p, 0o750))
	if e := entry(t, d, "dir", all); e.ACL != nil || e.DefaultACL != nil {
		t.Errorf("without ACLs: %+v", e)
	}
	run(t, "setfacl", "-m", "u:1:rwx,u:77777:r,g:77777:-,m:rw", p)
	run(t, "setfacl", "-d", "-m", "u::rwx,g::r,o::-", p)
	wantACL := []wire.ACE{{Tag: wire.ACLUserObj, Perm: 7}, {Tag: wire.ACLUser, Perm: 7, ID: 1, Name: userName(t, 1)},
		{Tag: wire.ACLUser, Perm: 4, ID: 77777}, {Tag: wire.ACLGroupObj, Perm: 5},
		{Tag: wire.ACLGroup, Perm: 0, ID: 77777}, {Tag: wire.ACLMask, Perm: 6}, {Tag: wire.ACLOther}}
	wantDefault := []wire.ACE{{Tag: wire.ACLUserObj, Perm: 7}, {Tag: wire.ACLGroupObj, Perm: 4}, {Tag: wire.ACLOther}}
	e := entry(t, d, "dir", all)
	if diff := cmp.Diff(wantACL, e.ACL); diff != "" {
		t.Errorf("access:\n%s", diff)
	}
	if diff := cmp.Diff(wantDefault, e.DefaultACL); diff != "" {
		t.Errorf("default:\n%s", diff)
	}
	if e.Mode&0o777 != 0o760 {
		t.Errorf("mode %o: its group bits are the mask", e.Mode)
	}
}

func userName(t *testing.T, id uint32) string {
	t.Helper()
	var table ids
	name := table.userName(id)
	if name == "" {
		t.Fatalf("user %d has no name here", id)
	}
	return name
}

func FuzzDecodeACL(f *testing.F) {
	f.Add([]byte{})
	f.Add(encodeACL([]wire.ACE{{Tag: wire.ACLUserObj, Perm: 7}, {Tag: wire.ACLUser, Perm: 1, ID: 5}}))
	f.Add([]byte{2, 0, 0, 0})
	f.Add([]byte{1, 0, 0, 0, 1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		acl, err := decodeACL(b)
		if err != nil || acl == nil {
			return
		}
		again, err := decodeACL(encodeACL(acl))
		if err != nil || !cmp.Equal(acl, again) {
			t.Errorf("%v became %v, %v", acl, again, err)
		}
	})
}

func TestIDsRemember(t *testing.T) {
	asked := 0
	lookup := func(name string) (string, error) {
		asked++
		if name == "known" || name == "17" {
			return "17", nil
		}
		return "", os.ErrNotExist
	}
	var table idTable
	for range 3 {
		if id := table.idOf(5, "known", lookup); id != 17 {
			t.Errorf("a known name is %d", id)
		}
		if id := table.idOf(5, "unknown", lookup); id != 5 {
			t.Errorf("an unknown name is %d", id)
		}
		if name := table.nameOf(17, lookup); name != "17" {
			t.Errorf("a known id is %q", name)
		}
		if name := table.nameOf(18, lookup); name != "" {
			t.Errorf("an unknown id is %q", name)
		}
	}
	if asked != 4 {
		t.Errorf("%d lookups, want 4", asked)
	}
	for _, name := range []string{"", "known\n", "a:b", "x\x00", strings.Repeat("x", maxIDName+1)} {
		table.idOf(5, name, lookup)
	}
	if table.idOf(0, "known", lookup) != 0 || asked != 4 {
		t.Errorf("%d lookups: names that can not be, and number 0, need none", asked-4)
	}
	for i := range uint32(maxIDs + 10) {
		table.nameOf(i, lookup)
		table.idOf(1, time.Duration(i).String(), lookup)
	}
	if len(table.name) > maxIDs || len(table.id) > maxIDs {
		t.Errorf("%d names and %d ids remembered", len(table.name), len(table.id))
	}
}
