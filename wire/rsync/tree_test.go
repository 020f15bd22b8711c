package rsync_test

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// randomText returns n bytes that compress about two to one.
func randomText(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + rng.IntN(16))
	}
	return b
}

// makeTree builds a tree with every kind of entry.
func makeTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	files := map[string]int{
		"empty": 0, "one": 1, "block-1": 699, "block": 700, "block+1": 701, "token": 32768, "token+1": 32769,
		"big": 600_000, "d1/a": 10, "d1/b": 20, "d1-x": 5, "d1.y": 6, "d1/d2/deep": 3000, "d3/" + strings.Repeat("n", 250): 7,
		"d1/d2/" + strings.Repeat("m", 255): 8, "Z": 1, "\xffz": 2,
	}
	seed := uint64(0)
	for name, n := range files {
		seed++
		path := filepath.Join(dir, name)
		must(os.MkdirAll(filepath.Dir(path), 0o755))
		must(os.WriteFile(path, randomText(seed, n), 0o640))
	}
	must(os.MkdirAll(filepath.Join(dir, "empty dir/x"), 0o700))
	must(os.Symlink("d1/a", filepath.Join(dir, "link")))
	must(os.Symlink("nowhere", filepath.Join(dir, "d3/dangling")))
	must(os.Link(filepath.Join(dir, "big"), filepath.Join(dir, "big2")))
	must(os.Link(filepath.Join(dir, "big"), filepath.Join(dir, "d1/d2/big3")))
	must(os.Link(filepath.Join(dir, "d1/a"), filepath.Join(dir, "d1/a2")))
	must(unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	must(unix.Mknod(filepath.Join(dir, "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	must(unix.Mknod(filepath.Join(dir, "null2"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 300))))
	must(os.Lchown(filepath.Join(dir, "one"), 1, 2))
	must(os.Lchown(filepath.Join(dir, "d1/b"), 54321, 54322))
	must(unix.Lsetxattr(filepath.Join(dir, "one"), "user.short", []byte("v"), 0))
	must(unix.Lsetxattr(filepath.Join(dir, "block"), "user.short", []byte("v"), 0))
	must(unix.Lsetxattr(filepath.Join(dir, "d1"), "user.long", bytes.Repeat([]byte("x"), 100), 0))
	must(unix.Lsetxattr(filepath.Join(dir, "big"), "user.b33", bytes.Repeat([]byte("y"), 33), 0))
	must(unix.Lsetxattr(filepath.Join(dir, "big"), "user.a32", bytes.Repeat([]byte("z"), 32), 0))
	for _, args := range [][]string{
		{"-m", "u:1:rw-,g:2:r--", "block"}, {"-m", "u:1:rw-,g:2:r--", "block-1"}, {"-m", "m::r--", "one"},
		{"-d", "-m", "u:1:rwx", "d1"}, {"-m", "u:54321:r-x,m::rwx", "d1/d2"}, {"-m", "u:1:rwx,u:2:---,m::r-x", "token"},
	} {
		cmd := exec.Command("setfacl", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("setfacl %v: %v: %s", args, err, out)
		}
	}
	// Access times of the last hour: a read with relatime leaves them alone.
	atime := time.Now().Unix() - 3600
	must(filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		seed += 17
		ts := []unix.Timespec{{Sec: atime + int64(seed/50)}, {Sec: 1_600_000_000 + int64(seed/50), Nsec: int64(seed%3) * 1111}}
		must(err)
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, ts, unix.AT_SYMLINK_NOFOLLOW)
	}))
	return dir
}

// entry returns what a list says of a file, names of ids included.
func entry(t *testing.T, root, name string, o rsync.ListOptions) *rsync.File {
	t.Helper()
	path := filepath.Join(root, name)
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	f := &rsync.File{TopDir: name == "."}
	f.Name, f.Mode, f.Size, f.Nlink = name, st.Mode, st.Size, uint32(st.Nlink)
	f.Mtime = wire.Time{Sec: st.Mtim.Sec, Nsec: uint32(st.Mtim.Nsec)}
	f.Atime = st.Atim.Sec
	f.Content = f.IsDir()
	f.Dev, f.Ino, f.UID, f.GID = st.Dev, st.Ino, st.Uid, st.Gid
	if f.IsDevice() {
		f.Rdev = st.Rdev
	}
	if u, err := user.LookupId(strconv.Itoa(int(f.UID))); err == nil {
		f.User = u.Username
	}
	if g, err := user.LookupGroupId(strconv.Itoa(int(f.GID))); err == nil {
		f.Group = g.Name
	}
	if f.IsSymlink() {
		f.Target, _ = os.Readlink(path)
	}
	if f.IsRegular() && o.Checksum > 0 {
		f.Digest = digest(t, path, o)
	}
	if o.Xattrs > 0 || o.ACLs {
		attributes(t, path, f)
	}
	return f
}

// attributes reads xattrs and ACLs.
func attributes(t *testing.T, path string, f *rsync.File) {
	t.Helper()
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		v := make([]byte, 4096)
		n, err := unix.Lgetxattr(path, name, v)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case name == "system.posix_acl_access":
			f.ACL = parseACL(v[:n])
		case name == "system.posix_acl_default":
			f.DefaultACL = parseACL(v[:n])
		case !strings.HasPrefix(name, "system."):
			f.Xattrs = append(f.Xattrs, wire.Xattr{Name: name, Value: v[:n]})
		}
	}
	slices.SortFunc(f.Xattrs, func(a, b wire.Xattr) int { return strings.Compare(a.Name, b.Name) })
}

// parseACL decodes the kernel's form, linux/posix_acl_xattr.h.
func parseACL(b []byte) []wire.ACE {
	var list []wire.ACE
	for b = b[4:]; len(b) >= 8; b = b[8:] {
		e := wire.ACE{Tag: binary.LittleEndian.Uint16(b), Perm: binary.LittleEndian.Uint16(b[2:])}
		if e.Tag == wire.ACLUser || e.Tag == wire.ACLGroup {
			e.ID = binary.LittleEndian.Uint32(b[4:])
		}
		if u, err := user.LookupId(strconv.Itoa(int(e.ID))); err == nil && e.Tag == wire.ACLUser {
			e.Name = u.Username
		}
		if g, err := user.LookupGroupId(strconv.Itoa(int(e.ID))); err == nil && e.Tag == wire.ACLGroup {
			e.Name = g.Name
		}
		list = append(list, e)
	}
	return list
}

// names returns the paths of a tree, "." first, those of one directory
// together.
func names(t *testing.T, root string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		list = append(list, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
