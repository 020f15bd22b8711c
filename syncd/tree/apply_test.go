package tree

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

// full is a file with everything that a file can have.
func full() wire.Entry {
	return wire.Entry{Mode: unix.S_IFREG | 0o6754, UID: 1234567, GID: 7654321,
		Mtime: wire.Time{Sec: 1234567890, Nsec: 987654321},
		Xattrs: []wire.Xattr{{Name: "security.capability", Value: []byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")},
			{Name: "trusted.t", Value: []byte("t")}, {Name: "user.u", Value: bytes.Repeat([]byte{0, 255}, 500)}},
		ACL: []wire.ACE{{Tag: wire.ACLUserObj, Perm: 7}, {Tag: wire.ACLUser, Perm: 1, ID: 333},
			{Tag: wire.ACLUser, Perm: 7, ID: 444}, {Tag: wire.ACLGroupObj, Perm: 2},
			{Tag: wire.ACLGroup, Perm: 5, ID: 555}, {Tag: wire.ACLMask, Perm: 5}, {Tag: wire.ACLOther, Perm: 4}},
	}
}

func diffEntries(want, got wire.Entry) string {
	return cmp.Diff(want, got, sameFile, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(wire.Entry{}, "User", "Group", "Size"),
		cmpopts.IgnoreFields(wire.ACE{}, "Name"))
}

func TestApplyToAStagedFile(t *testing.T) {
	d, path := testDir(t)
	run(t, "setfacl", "-d", "-m", "u:777:rwx", path) // which the staged file inherits
	want, m := full(), archive()
	s, err := d.Stage("file")
	must(t, err)
	defer s.Discard()
	_, err = s.File.WriteAt([]byte("content"), 0)
	must(t, err)
	must(t, m.Apply(s.File, &want, nil))
	must(t, s.Commit())
	got := entry(t, d, "file", all)
	if diff := diffEntries(want, got); diff != "" {
		t.Error(diff)
	}
	if c := m.Diff(&got, &want); c&^ChangeSize != 0 {
		t.Errorf("differs by %b", c)
	}
	wantACL := "# file: file\n# owner: 1234567\n# group: 7654321\n# flags: ss-\nuser::rwx\nuser:333:--x\nuser:444:rwx\n" +
		"group::-w-\ngroup:555:r-x\nmask::r-x\nother::r--\n\n"
	got2 := run(t, "getfacl", "-n", "-E", "--absolute-names", filepath.Join(path, "file"))
	if got2 = strings.Replace(got2, path+"/", "", 1); got2 != wantACL {
		t.Errorf("getfacl says\n%swant\n%s", got2, wantACL)
	}
	wantAttr := "security.capability=0x0100000200040000000000000000000000000000\ntrusted.t=0x74\nuser.u=0x" + strings.Repeat("00ff", 500)
	got2 = run(t, "getfattr", "-d", "-m", "^(user|trusted|security)", "-e", "hex", "--absolute-names", filepath.Join(path, "file"))
	if _, attrs, _ := strings.Cut(got2, "\n"); strings.TrimSpace(attrs) != wantAttr {
		t.Errorf("getfattr says\n%swant\n%s", attrs, wantAttr)
	}
}

// Each entry becomes each other one of its type, with no more calls than that takes.
func TestApplyAtMakesEqual(t *testing.T) {
	d, path := testDir(t)
	dir := full()
	dir.Mode = unix.S_IFDIR | 0o1754
	dir.Xattrs = append(dir.Xattrs[1:], wire.Xattr{Name: "user.without-value"})
	dir.DefaultACL = []wire.ACE{{Tag: wire.ACLUserObj, Perm: 7}, {Tag: wire.ACLGroupObj, Perm: 4}, {Tag: wire.ACLOther}}
	bare := func(mode uint32) wire.Entry { return wire.Entry{Mode: mode, Mtime: wire.Time{Sec: -1, Nsec: 1}} }
	link := bare(unix.S_IFLNK | 0o777)
	link.Target, link.UID, link.GID = "x", 5, 6
	wants := map[string][]wire.Entry{
		"file":    {full(), bare(unix.S_IFREG), full(), bare(unix.S_IFREG | 0o777)},
		"dir":     {dir, bare(unix.S_IFDIR), dir, bare(unix.S_IFDIR | 0o2775)},
		"symlink": {link, {Mode: link.Mode, Target: "x", Xattrs: []wire.Xattr{{Name: "trusted.l", Value: []byte("l")}}}, link},
		"fifo":    {bare(unix.S_IFIFO), bare(unix.S_IFIFO | 0o4711), {Mode: unix.S_IFIFO | 0o600, UID: 7}},
		"socket":  {bare(unix.S_IFSOCK), {Mode: unix.S_IFSOCK | 0o666, GID: 7}},
		"null":    {{Mode: unix.S_IFCHR | 0o600, Rdev: unix.Mkdev(1, 3), UID: 3}},
	}
	write(t, filepath.Join(path, "file"), "")
	must(t, d.Mkdir("dir"))
	must(t, os.Symlink("x", filepath.Join(path, "symlink")))
	must(t, unix.Mkfifo(filepath.Join(path, "fifo"), 0o600))
	must(t, unix.Mknod(filepath.Join(path, "socket"), unix.S_IFSOCK|0o600, 0))
	must(t, unix.Mknod(filepath.Join(path, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	for name, list := range wants {
		for i, want := range list {
			m := archive()
			cur := entry(t, d, name, m.Want())
			must(t, m.ApplyAt(d, name, &want, &cur))
			got := entry(t, d, name, m.Want())
			if diff := diffEntries(want, got); diff != "" {
				t.Errorf("%s, step %d:\n%s", name, i, diff)
			}
			if c := m.Diff(&got, &want) &^ ChangeSize; c != 0 {
				t.Errorf("%s, step %d differs by %b", name, i, c)
			}
			must(t, m.ApplyAt(d, name, &want, &got))
			if again := entry(t, d, name, m.Want()); again.Ctime != got.Ctime {
				t.Errorf("%s, step %d: what is equal was set again", name, i)
			}
		}
	}
}

func TestApplyAtTheDirectoryItself(t *testing.T) {
	d, _ := testDir(t)
	want := wire.Entry{Mode: unix.S_IFDIR | 0o500, UID: 3, Mtime: wire.Time{Sec: 5, Nsec: 6},
		Xattrs: []wire.Xattr{{Name: "user.x", Value: []byte("1")}}}
	cur := entry(t, d, ".", all)
	must(t, archive().ApplyAt(d, ".", &want, &cur))
	if diff := diffEntries(want, entry(t, d, ".", all)); diff != "" {
		t.Error(diff)
	}
}

func TestApplyAtChecksTheInode(t *testing.T) {
	d, path := testDir(t)
	write(t, filepath.Join(path, "a"), "")
	write(t, filepath.Join(path, "b"), "")
	must(t, os.Symlink("a", filepath.Join(path, "link")))
	a := entry(t, d, "a", Want{})
	for _, name := range []string{"b", "link"} {
		wantErr(t, archive().ApplyAt(d, name, &a, &a), ErrChanged, name)
	}
	wantErr(t, archive().ApplyAt(d, "link", &a, nil), ErrChanged, "link")
	must(t, archive().ApplyAt(d, "b", &a, nil)) // any file will do
	other := a
	other.Dev++
	wantErr(t, archive().ApplyAt(d, "a", &a, &other), ErrChanged, "a")
	wantErr(t, archive().ApplyAt(d, "none", &a, nil), os.ErrNotExist, "none")
}

func TestApplyModes(t *testing.T) {
	const file, dir = unix.S_IFREG, unix.S_IFDIR
	tests := []struct {
		name  string
		m     *Meta
		umask int
		want  uint32 // mode of the source
		old   uint32 // mode of what is replaced, 0 if nothing
		got   uint32
	}{
		{"kept", &Meta{Perms: true}, 0o077, file | 0o6777, 0, 0o6777},
		{"kept, over another", &Meta{Perms: true}, 0o077, file | 0o666, file | 0o600, 0o666},
		{"kept with ACLs", &Meta{ACLs: true}, 0o077, file | 0o666, file | 0o600, 0o666},
		{"not kept, new", &Meta{}, 0o027, file | 0o777, 0, 0o750},
		{"not kept, new, set-ID bits", &Meta{}, 0, file | 0o7777, 0, 0o777},
		{"not kept, over another", &Meta{}, 0o027, file | 0o777, file | 0o4601, 0o4601},
		{"not kept, directory", &Meta{}, 0o027, dir | 0o3777, 0, 0o750},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := testDir(t)
			defer unix.Umask(unix.Umask(tt.umask))
			want := wire.Entry{Mode: tt.want}
			var old *wire.Entry
			if tt.old != 0 {
				old = &wire.Entry{Mode: tt.old}
			}
			if want.IsDir() {
				must(t, d.Mkdir("x"))
				must(t, tt.m.ApplyAt(d, "x", &want, nil))
			} else {
				f, err := d.Create("x", 0o600)
				must(t, err)
				defer f.Close()
				must(t, tt.m.Apply(f, &want, old))
			}
			if e := entry(t, d, "x", Want{}); e.Mode&0o7777 != tt.got {
				t.Errorf("mode %o, want %o", e.Mode&0o7777, tt.got)
			}
		})
	}
}

func TestNewDirectoryKeepsTheInheritedGroupBit(t *testing.T) {
	d, path := testDir(t)
	must(t, unix.Chmod(path, 0o2755))
	must(t, d.Mkdir("x"))
	var m Meta
	must(t, m.ApplyAt(d, "x", &wire.Entry{Mode: unix.S_IFDIR | 0o777}, nil))
	if e := entry(t, d, "x", Want{}); e.Mode&0o7777 != 0o2755 {
		t.Errorf("mode %o", e.Mode)
	}
}

func TestApplyToAFileThatNobodyMayRead(t *testing.T) {
	d, path := testDir(t)
	write(t, filepath.Join(path, "file"), "")
	must(t, os.Chmod(filepath.Join(path, "file"), 0))
	want := full()
	cur := entry(t, d, "file", all)
	must(t, archive().ApplyAt(d, "file", &want, &cur))
	if diff := diffEntries(want, entry(t, d, "file", all)); diff != "" {
		t.Error(diff)
	}
}

func TestApplyLeavesAccessTimesAlone(t *testing.T) {
	d, path := testDir(t)
	p := filepath.Join(path, "file")
	write(t, p, "")
	must(t, os.Chtimes(p, timeAt(11), timeAt(22)))
	want := wire.Entry{Mode: unix.S_IFREG | 0o644, Mtime: wire.Time{Sec: 33}}
	must(t, (&Meta{Times: true}).ApplyAt(d, "file", &want, nil))
	var st unix.Stat_t
	must(t, unix.Stat(p, &st))
	if st.Atim.Sec != 11 || st.Mtim.Sec != 33 {
		t.Errorf("atime %d, mtime %d", st.Atim.Sec, st.Mtim.Sec)
	}
}

func TestApplyWhereTheFileSystemLacksIt(t *testing.T) {
	path := t.TempDir()
	mount(t, "ramfs", path)
	d := openTestDir(t, path)
	write(t, filepath.Join(path, "file"), "")
	if e := entry(t, d, "file", all); e.Xattrs != nil || e.ACL != nil {
		t.Errorf("%+v", e)
	}
	want := full()
	want.Mode = unix.S_IFREG | 0o4751
	f, err := d.Create("made", 0o600)
	must(t, err)
	defer f.Close()
	err = archive().Apply(f, &want, nil)
	if !errors.Is(err, unix.EOPNOTSUPP) || !strings.Contains(err.Error(), "does not have such xattrs") ||
		!strings.Contains(err.Error(), "does not have ACLs") {
		t.Errorf("error: %v", err)
	}
	got := entry(t, d, "made", all) // the rest is applied
	if got.Mode != want.Mode || got.UID != want.UID || got.Mtime != want.Mtime {
		t.Errorf("%+v", got)
	}
	want.Xattrs, want.ACL = nil, nil
	must(t, archive().Apply(f, &want, nil)) // nothing wanted, nothing missing
}

// A file whose owner could not be set must not run as who owns it instead.
func TestApplyDropsSetIDBitsIfChownFails(t *testing.T) {
	d, path := testDir(t)
	write(t, filepath.Join(path, "file"), "")
	want := wire.Entry{Mode: unix.S_IFREG | 0o6755, UID: 1<<32 - 1}
	wantErr(t, archive().ApplyAt(d, "file", &want, nil), unix.EINVAL, "file")
	if e := entry(t, d, "file", Want{}); e.Mode&0o7777 != 0o755 {
		t.Errorf("mode %o", e.Mode)
	}
}

func TestApplyNeverRemovesALabel(t *testing.T) {
	cur := []wire.Xattr{{Name: "security.SMACK64"}, {Name: "security.selinux"}, {Name: "user.x"}}
	if set, remove := diffXattrs(cur, nil); len(set) != 0 || !cmp.Equal(remove, []string{"user.x"}) {
		t.Errorf("set %v, remove %v", set, remove)
	}
}

// What a peer sends as an ACL is judged by the kernel, and harms nothing else.
func TestApplyRefusesACLsThatAreNone(t *testing.T) {
	d, path := testDir(t)
	write(t, filepath.Join(path, "file"), "")
	for _, acl := range [][]wire.ACE{
		{{Tag: wire.ACLMask, Perm: 7}},
		{{Tag: 0xffff, Perm: 0xffff, ID: 0xffffffff}},
		bytesACL(20000),
	} {
		want := wire.Entry{Mode: unix.S_IFREG | 0o644, ACL: acl}
		err := (&Meta{ACLs: true}).ApplyAt(d, "file", &want, nil)
		if err == nil {
			t.Errorf("an ACL of %d entries was set", len(acl))
		}
	}
	if e := entry(t, d, "file", all); e.ACL != nil || e.Mode&0o7777 != 0o644 {
		t.Errorf("%+v", e)
	}
}

func bytesACL(n int) []wire.ACE {
	acl := make([]wire.ACE, n)
	for i := range acl {
		acl[i] = wire.ACE{Tag: wire.ACLUser, ID: uint32(i + 1)}
	}
	return acl
}

// The window is for comparing; what is set is the source's time to the nanosecond.
func TestApplySetsTimesWithinTheWindow(t *testing.T) {
	d, _ := testDir(t)
	f, err := d.Create("file", 0o600)
	must(t, err)
	defer f.Close()
	v, err := VersionOf(f)
	must(t, err)
	want := wire.Entry{Mode: unix.S_IFREG, Mtime: wire.Time{Sec: v.Mtime.Sec, Nsec: v.Mtime.Nsec ^ 1}}
	m := Meta{Times: true, ModifyWindow: 3600}
	must(t, m.Apply(f, &want, nil))
	if e := entry(t, d, "file", Want{}); e.Mtime != want.Mtime {
		t.Errorf("mtime %+v, want %+v", e.Mtime, want.Mtime)
	}
}

// What is there and called equal keeps the time that may be the better one: of a
// source that knows seconds only. For a file ExactTimes overrules that.
func TestApplyAtKeepsTimesThatAreTheSame(t *testing.T) {
	for name, exact := range map[string]bool{"kept": false, "exact": true} {
		t.Run(name, func(t *testing.T) {
			d, path := testDir(t)
			write(t, filepath.Join(path, "file"), "")
			m := Meta{Perms: true, Times: true, WholeSeconds: true, ExactTimes: exact}
			must(t, os.Chtimes(filepath.Join(path, "file"), time.Time{}, time.Unix(1e9, 5)))
			cur := entry(t, d, "file", m.Want())
			want := wire.Entry{Mode: unix.S_IFREG | 0o604, Mtime: wire.Time{Sec: 1e9}}
			must(t, m.ApplyAt(d, "file", &want, &cur))
			got := entry(t, d, "file", m.Want())
			if kept := got.Mtime.Nsec == 5; kept == exact || got.Mode != want.Mode {
				t.Errorf("mode %o, mtime %+v", got.Mode, got.Mtime)
			}
		})
	}
}
