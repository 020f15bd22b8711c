package tree

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

// archive keeps everything.
func archive() *Meta {
	return &Meta{Perms: true, Owner: true, Group: true, Times: true, Xattrs: true, ACLs: true,
		Devices: true, Specials: true}
}

// sameFile ignores what belongs to an inode and not to what it is for.
var sameFile = cmpopts.IgnoreFields(wire.Entry{}, "Name", "Dev", "Ino", "Ctime", "Nlink")

func nodes() []wire.Entry {
	base := wire.Entry{UID: 1234567, GID: 7654321, Mtime: wire.Time{Sec: 1500000000, Nsec: 999999999}}
	with := func(mode uint32, set func(*wire.Entry)) wire.Entry {
		e := base
		e.Mode = mode
		if set != nil {
			set(&e)
		}
		return e
	}
	return []wire.Entry{
		with(unix.S_IFLNK|0o777, func(e *wire.Entry) { e.Target, e.Size = "../\xff/nowhere", 12 }),
		with(unix.S_IFLNK|0o777, func(e *wire.Entry) {
			e.Target, e.Size = strings.Repeat("t", pathMax-1), pathMax-1
			e.Xattrs = []wire.Xattr{{Name: "trusted.x", Value: []byte("v")}}
		}),
		with(unix.S_IFIFO|0o6000, nil),
		with(unix.S_IFIFO|0o641, func(e *wire.Entry) {
			e.ACL = []wire.ACE{{Tag: wire.ACLUserObj, Perm: 6}, {Tag: wire.ACLUser, Perm: 4, ID: 99},
				{Tag: wire.ACLGroupObj}, {Tag: wire.ACLMask, Perm: 4}, {Tag: wire.ACLOther, Perm: 1}}
		}),
		with(unix.S_IFSOCK|0o755, func(e *wire.Entry) {
			e.Xattrs = []wire.Xattr{{Name: "security.x", Value: []byte{0}}}
		}),
		with(unix.S_IFCHR|0o666, func(e *wire.Entry) { e.Rdev = unix.Mkdev(4095, 0xfffff) }),
		with(unix.S_IFBLK, func(e *wire.Entry) { e.Rdev = unix.Mkdev(1, 256) }),
	}
}

func TestMakeNode(t *testing.T) {
	d, path := testDir(t)
	m := archive()
	for _, private := range []bool{true, false} {
		taken := []string{strings.Repeat("long", 63)}
		if !private {
			for name := range occupy(t, path) {
				taken = append(taken, name)
			}
		}
		for _, e := range nodes() {
			for _, name := range taken {
				if private {
					os.Remove(filepath.Join(path, name))
				}
				e.Name = name
				must(t, d.MakeNode(&e, private, m))
				got := entry(t, d, name, m.Want())
				if diff := cmp.Diff(e, got, sameFile, cmpopts.IgnoreFields(wire.Entry{}, "User", "Group"),
					cmpopts.IgnoreFields(wire.ACE{}, "Name"), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("private %v, over %q:\n%s", private, name, diff)
				}
				if c := m.Diff(&got, &e); c != 0 {
					t.Errorf("%o over %q differs by %b", e.Mode, name, c)
				}
			}
		}
	}
	n, err := d.Names()
	must(t, err)
	if len(n.Leftovers()) != 0 || len(m.Notes()) != 0 {
		t.Errorf("left over: %q; notes %q", n.Leftovers(), m.Notes())
	}
}

func TestMakeNodeWithoutMeta(t *testing.T) {
	d, _ := testDir(t)
	e := wire.Entry{Name: "fifo", Mode: unix.S_IFIFO | 0o777, UID: 5}
	must(t, d.MakeNode(&e, false, nil))
	if got := entry(t, d, "fifo", Want{}); got.Mode != unix.S_IFIFO|0o600 || got.UID != 0 {
		t.Errorf("%+v", got)
	}
}

func TestMakeNodeFailures(t *testing.T) {
	d, path := testDir(t)
	must(t, d.Mkdir("dir"))
	write(t, filepath.Join(path, "file"), "old")
	link := func(name, target string) wire.Entry {
		return wire.Entry{Name: name, Mode: unix.S_IFLNK | 0o777, Target: target}
	}
	tests := []struct {
		name    string
		e       wire.Entry
		private bool
		err     error
	}{
		{"over a directory", link("dir", "x"), false, ErrIsDir},
		{"over a directory, private", link("dir", "x"), true, fs.ErrExist},
		{"over a file, private", link("file", "x"), true, fs.ErrExist},
		{"no target", link("file", ""), false, fs.ErrNotExist},
		{"NUL in the target", link("file", "a\x00b"), false, unix.EINVAL},
		{"target too long", link("file", strings.Repeat("x", pathMax)), false, unix.ENAMETOOLONG},
		{"a regular file", wire.Entry{Name: "file", Mode: unix.S_IFREG}, false, unix.EINVAL},
		{"a directory", wire.Entry{Name: "file", Mode: unix.S_IFDIR}, false, unix.EINVAL},
		{"no type", wire.Entry{Name: "file"}, false, unix.EINVAL},
		{"a device number beyond the kernel's", wire.Entry{Name: "file", Mode: unix.S_IFCHR, Rdev: 1 << 32}, false, unix.EINVAL},
		{"a time that is none", wire.Entry{Name: "file", Mode: unix.S_IFIFO,
			Mtime: wire.Time{Nsec: unix.UTIME_NOW}}, false, unix.EINVAL},
		{"an owner that is none", wire.Entry{Name: "file", Mode: unix.S_IFIFO, UID: 1<<32 - 1}, false, unix.EINVAL},
		{"an xattr that a fifo can not have", wire.Entry{Name: "new", Mode: unix.S_IFIFO,
			Xattrs: []wire.Xattr{{Name: "user.x"}}}, true, unix.EPERM},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := d.MakeNode(&tt.e, tt.private, archive())
			wantErr(t, err, tt.err, tt.e.Name)
			if got := walk(t, path); !slices.Equal(got, []string{"dir", "file"}) || content(t, path+"/file") != "old" {
				t.Errorf("left: %q", got)
			}
		})
	}
}

// Who can write to the directory can put something else under the new name.
func TestFinishNodeChecksTheInode(t *testing.T) {
	d, path := testDir(t)
	e := wire.Entry{Name: "node", Mode: unix.S_IFCHR | 0o666, Rdev: unix.Mkdev(1, 3)}
	wrong := map[string]wire.Entry{
		"another type":   {Name: "t", Mode: unix.S_IFIFO},
		"another device": {Name: "r", Mode: unix.S_IFCHR, Rdev: unix.Mkdev(1, 5)},
		"a hard link":    {Name: "l", Mode: unix.S_IFCHR, Rdev: unix.Mkdev(1, 3)},
	}
	for name, w := range wrong {
		must(t, d.MakeNode(&w, true, nil))
		if name == "a hard link" {
			must(t, os.Link(filepath.Join(path, w.Name), filepath.Join(path, "other")))
		}
		wantErr(t, d.finishNode(w.Name, &e, archive()), ErrChanged, "node")
	}
}

func TestLink(t *testing.T) {
	d, path := testDir(t)
	must(t, d.Mkdir("sub"))
	sub, err := d.OpenDir("sub")
	must(t, err)
	defer sub.Close()
	for new := range occupy(t, path) {
		for _, old := range []string{"file", "symlink", "fifo", "socket", "device"} {
			source := occupied(t, path, "sub/"+old, old)
			for range 2 { // the second time it is linked already
				must(t, d.Link(sub, old, new))
				if e := entry(t, d, new, Want{}); e.Ino != source.Ino || e.Nlink != 2 {
					t.Errorf("%s to %s: %+v", new, old, e)
				}
			}
			must(t, os.Remove(filepath.Join(path, new)))
			must(t, os.Remove(filepath.Join(path, "sub", old)))
			if new != "nothing" {
				write(t, filepath.Join(path, new), "")
			}
		}
	}
	n, err := d.Names()
	must(t, err)
	if len(n.Leftovers()) != 0 {
		t.Errorf("left over: %q", n.Leftovers())
	}
}

// occupied makes a path of the type that its kind says.
func occupied(t *testing.T, dir, path, kind string) (st unix.Stat_t) {
	t.Helper()
	p := filepath.Join(dir, path)
	switch kind {
	case "file":
		write(t, p, "")
	case "symlink":
		must(t, os.Symlink("/etc/passwd", p))
	case "fifo":
		must(t, unix.Mkfifo(p, 0o600))
	case "socket":
		must(t, unix.Mknod(p, unix.S_IFSOCK|0o600, 0))
	case "device":
		must(t, unix.Mknod(p, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	}
	must(t, unix.Lstat(p, &st))
	return st
}

func TestLinkFailures(t *testing.T) {
	d, path := testDir(t)
	write(t, filepath.Join(path, "file"), "")
	must(t, d.Mkdir("dir"))
	wantErr(t, d.Link(d, "file", "dir"), ErrIsDir, "dir")
	wantErr(t, d.Link(d, "none", "new"), fs.ErrNotExist, "new")
	wantErr(t, d.Link(d, "none", "file"), fs.ErrNotExist, "file")
	wantErr(t, d.Link(d, "dir", "new"), unix.EPERM, "new")
	if got := walk(t, path); !slices.Equal(got, []string{"dir", "file"}) {
		t.Errorf("left: %q", got)
	}
}
