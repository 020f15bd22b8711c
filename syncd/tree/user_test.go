package tree

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

func timeAt(sec int64) time.Time { return time.Unix(sec, 0) }

const (
	// userDirEnv names the directory that a run of this test as nobody works in.
	userDirEnv = "SYNCD_TREE_TEST_USER_DIR"
	nobody     = 65534
	extraGroup = 12345 // of which the other run is a member
)

// TestAsUser runs itself again without privileges.
func TestAsUser(t *testing.T) {
	if path := os.Getenv(userDirEnv); path != "" {
		asUser(t, path)
		return
	}
	path := t.TempDir()
	must(t, os.Chmod(filepath.Dir(path), 0o755))
	must(t, os.Chown(path, nobody, nobody))
	write(t, filepath.Join(path, "roots"), "content of root's")
	must(t, os.MkdirAll(filepath.Join(path, "rootsdir/sub"), 0o755))
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestAsUser$", "-test.v")
	cmd.Env = append(os.Environ(), userDirEnv+"="+path)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
		Uid: nobody, Gid: nobody, Groups: []uint32{extraGroup}}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func asUser(t *testing.T, path string) {
	d := openTestDir(t, path)
	t.Run("a file of root's is read without O_NOATIME", func(t *testing.T) {
		f, _, err := d.Open("roots")
		must(t, err)
		defer f.Close()
		if got := readAll(t, f); got != "content of root's" {
			t.Errorf("content %q", got)
		}
	})
	t.Run("a directory without search permission", func(t *testing.T) {
		must(t, d.Mkdir("blind"))
		sub, err := d.OpenDir("blind")
		must(t, err)
		defer sub.Close()
		must(t, os.Chmod(filepath.Join(path, "blind"), 0o600))
		for _, w := range []Want{{}, all} {
			if e := entry(t, sub, ".", w); e.Mode != unix.S_IFDIR|0o600 {
				t.Errorf("mode %o", e.Mode)
			}
		}
		_, err = sub.Entry("x", Want{})
		wantErr(t, err, fs.ErrPermission, "blind/x")
	})
	t.Run("owner, group and xattrs", func(t *testing.T) { userApplies(t, d) })
	t.Run("own group", func(t *testing.T) {
		for _, gid := range []uint32{extraGroup, nobody} {
			want := wire.Entry{Mode: unix.S_IFREG | 0o600, GID: gid}
			s, err := d.Stage("grouped")
			must(t, err)
			must(t, archive().Apply(s.File, &want, nil))
			must(t, s.Commit())
			if e := entry(t, d, "grouped", Want{}); e.GID != gid {
				t.Errorf("group %d, want %d", e.GID, gid)
			}
		}
	})
	t.Run("xattrs of a file that is not writable", func(t *testing.T) { userXattrs(t, d) })
	t.Run("devices and fifos", func(t *testing.T) {
		m := archive()
		dev := wire.Entry{Name: "dev", Mode: unix.S_IFCHR, Rdev: unix.Mkdev(1, 3)}
		fifo := wire.Entry{Name: "fifo", Mode: unix.S_IFIFO | 0o640}
		if m.Makes(&dev) || !m.Makes(&fifo) || !slices.Equal(m.Notes(), []string{noteDevice}) {
			t.Errorf("notes %q", m.Notes())
		}
		wantErr(t, d.MakeNode(&dev, false, nil), unix.EPERM, "dev")
		must(t, d.MakeNode(&fifo, false, m))
	})
	t.Run("a tree that is not writable", func(t *testing.T) { userRemoves(t, d, path) })
	t.Run("what belongs to root", func(t *testing.T) {
		err := d.RemoveTree("rootsdir", false, nil)
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("error %v", err)
		}
	})
}

func userApplies(t *testing.T, d *Dir) {
	m, want := archive(), full()
	want.Mode = unix.S_IFREG | 0o4754
	s, err := d.Stage("file")
	must(t, err)
	must(t, m.Apply(s.File, &want, nil))
	must(t, s.Commit())
	got := entry(t, d, "file", all)
	if c := m.Diff(&got, &want); c != 0 {
		t.Errorf("differs by %b from what can be kept", c)
	}
	if got.UID != nobody || got.GID != nobody || got.Mode != want.Mode || got.Mtime != want.Mtime ||
		len(got.Xattrs) != 1 || got.Xattrs[0].Name != "user.u" || len(got.ACL) != len(want.ACL) {
		t.Errorf("%+v", got)
	}
	if notes := m.Notes(); !slices.Equal(notes, []string{noteOwner, noteGroup, noteXattr}) {
		t.Errorf("notes %q", notes)
	}
}

// user.* xattrs need write permission, even of the owner.
func userXattrs(t *testing.T, d *Dir) {
	m := archive()
	for i, mode := range []uint32{0o444, 0o400, 0o644} {
		want := wire.Entry{Mode: unix.S_IFREG | mode, UID: nobody, GID: nobody,
			Xattrs: []wire.Xattr{{Name: "user.x", Value: []byte{byte(i)}}}}
		if i == 0 {
			f, err := d.Create("readonly", 0o600)
			must(t, err)
			must(t, f.Close())
		}
		cur := entry(t, d, "readonly", m.Want())
		must(t, m.ApplyAt(d, "readonly", &want, &cur))
		if diff := diffEntries(want, entry(t, d, "readonly", all)); diff != "" {
			t.Errorf("mode %o:\n%s", mode, diff)
		}
	}
}

func userRemoves(t *testing.T, d *Dir, path string) {
	for _, mode := range []os.FileMode{0o500, 0o300, 0o000} {
		write(t, filepath.Join(path, "top/locked/file"), "")
		must(t, os.Chmod(filepath.Join(path, "top/locked"), mode))
		err := d.RemoveTree("top", false, func(path string, step Step) (bool, error) {
			return path != "top/locked/file", nil
		})
		wantErr(t, err, ErrNotEmpty, "top")
		info, err := os.Lstat(filepath.Join(path, "top/locked"))
		must(t, err)
		if info.Mode().Perm() != mode {
			t.Errorf("mode %v after a veto, want %v", info.Mode(), mode)
		}
		must(t, d.RemoveTree("top", false, nil))
	}
}
