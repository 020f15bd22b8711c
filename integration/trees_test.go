package integration

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// check fails the test if a step of the test itself failed.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// writeFile makes a file, and the directories above it.
func writeFile(t testing.TB, path, content string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, []byte(content), 0o644))
}

// writeTree makes a file for each path below dir.
func writeTree(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for path, content := range files {
		writeFile(t, filepath.Join(dir, path), content)
	}
}

// readFile returns the content of a file, "" and false if there is none.
func readFile(t testing.TB, path string) (string, bool) {
	t.Helper()
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return "", false
	}
	check(t, err)
	return string(b), true
}

// wantFile fails the test unless the file has the content.
func wantFile(t testing.TB, path, content string) {
	t.Helper()
	got, ok := readFile(t, path)
	if !ok || got != content {
		t.Fatalf("%s holds %.40q (there: %t), want %.40q", path, got, ok, content)
	}
}

// randomFile makes a file of n random bytes, the same for the same seed.
func randomFile(t testing.TB, path string, n int, seed byte) {
	t.Helper()
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, b, 0o644))
}

// openTempDir is a temporary directory that other users can enter too.
func openTempDir(t testing.TB) string {
	dir := t.TempDir()
	check(t, os.Chmod(filepath.Dir(dir), 0o755))
	return dir
}

// mountTmpfs mounts an empty tmpfs for the time of the test.
func mountTmpfs(t testing.TB, dir, options string) string {
	t.Helper()
	check(t, os.MkdirAll(dir, 0o755))
	check(t, unix.Mount("tmpfs", dir, "tmpfs", 0, options))
	t.Cleanup(func() { unmount(t, dir) })
	return dir
}

// mountExt4 returns the root of a new ext4 of 1 GiB, which is empty.
func mountExt4(t testing.TB) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "ext4.img")
	check(t, os.WriteFile(image, nil, 0o600))
	check(t, os.Truncate(image, 1<<30))
	dir := t.TempDir()
	mustRun(t, "mkfs.ext4", "-q", image)
	mustRun(t, "mount", "-o", "loop,discard", image, dir)
	t.Cleanup(func() { unmount(t, dir) })
	check(t, os.Remove(filepath.Join(dir, "lost+found")))
	return dir
}

func unmount(t testing.TB, dir string) {
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		t.Errorf("unmount %s: %v", dir, err)
	}
}

// judge asks stock rsync whether it would change anything to make dst equal to
// src: contents by checksum, times to the nanosecond, and all metadata.
func judge(t testing.TB, src, dst string, extra ...string) {
	t.Helper()
	args := append([]string{"rsync", "-aHAXSnic", "--delete", "--modify-window=-1"}, extra...)
	r := run(t, append(args, src+"/", dst+"/")...)
	if r.code != 0 || r.stdout != "" || r.stderr != "" {
		t.Fatalf("rsync sees differences (exit %d):\n%.4000s%s", r.code, r.stdout, r.stderr)
	}
}

// noStagingNames fails the test if a run has left something behind below dir.
func noStagingNames(t testing.TB, dir string) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(filepath.Base(path), ".~syncd~") {
			t.Errorf("left behind: %s", path)
		}
		return err
	}))
}

// allocated is the space in bytes that a file takes on its file system.
func allocated(t testing.TB, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	check(t, unix.Lstat(path, &st))
	return st.Blocks * 512
}

// setTimes sets the modification time of a path, which may be a symlink.
func setTimes(t testing.TB, path string, sec, nsec int64) {
	t.Helper()
	ts := unix.Timespec{Sec: sec, Nsec: nsec}
	check(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW))
}

// addOddities puts into dir what real trees have now and then, and most
// programs get wrong.
func addOddities(t testing.TB, dir string) {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, "odd", name) }
	for i, name := range []string{"new\nline", "tab\t", "\xff\xfe not UTF-8", strings.Repeat("n", 255), "-rf", `back\slash`,
		`\#012 escape of an escape`, "\x1b[31mred", " ", "trailing ", "*", "a:b", "ünï"} {
		writeFile(t, at("names/"+name), name)
		writeFile(t, at("dirs/"+name+"/inside"), name)
		check(t, os.Symlink(name, at(fmt.Sprintf("names/link %d", i))))
	}
	check(t, os.Symlink("/nowhere/at all", at("dangling")))
	addLinks(t, at)
	addModesAndTimes(t, at)
	addAttributes(t, at)
	addSpecials(t, at)
}

// addLinks makes hard links, in one directory and across several.
func addLinks(t testing.TB, at func(string) string) {
	writeFile(t, at("links/one/first"), "five names")
	for _, name := range []string{"links/one/second", "links/two/third", "links/two/deep/fourth", "above"} {
		check(t, os.MkdirAll(filepath.Dir(at(name)), 0o755))
		check(t, os.Link(at("links/one/first"), at(name)))
	}
	check(t, os.Symlink("target", at("links/one/symlink")))
	check(t, os.Link(at("links/one/symlink"), at("links/two/symlink")))
}

func addModesAndTimes(t testing.TB, at func(string) string) {
	for name, mode := range map[string]uint32{"none": 0, "suid": 0o4755, "sgid": 0o2711, "all": 0o7777, "write-only": 0o222} {
		writeFile(t, at("modes/"+name), name)
		check(t, os.Chown(at("modes/"+name), 12345, 54321))
		check(t, unix.Chmod(at("modes/"+name), mode)) // chown takes set-ID bits away
	}
	for name, mode := range map[string]uint32{"sticky": 0o1777, "sgid dir": 0o2770, "read-only": 0o555, "no entry": 0} {
		writeFile(t, at("modes/"+name+"/inside"), name)
		check(t, unix.Chmod(at("modes/"+name), mode))
	}
	for name, sec := range map[string]int64{"1901": -1<<31 + 1, "1969": -1, "1970": 0, "2038": 1 << 31, "2200": 7258118400} {
		writeFile(t, at("times/"+name), name)
		setTimes(t, at("times/"+name), sec, 123456789)
	}
	check(t, os.Symlink("1970", at("times/symlink")))
	setTimes(t, at("times/symlink"), 1<<31, 999999999)
	check(t, os.Mkdir(at("times/dir"), 0o755))
	setTimes(t, at("times/dir"), -86400, 1)
}

func addAttributes(t testing.TB, at func(string) string) {
	writeFile(t, at("attributes/file"), "attributes")
	check(t, os.Mkdir(at("attributes/dir"), 0o755))
	for _, path := range []string{at("attributes/file"), at("attributes/dir")} {
		check(t, unix.Lsetxattr(path, "user.empty", nil, 0))
		check(t, unix.Lsetxattr(path, "user.binary", []byte("\x00\xff\n"), 0))
		check(t, unix.Lsetxattr(path, "user.large", bytes.Repeat([]byte("x"), 2000), 0))
		check(t, unix.Lsetxattr(path, "trusted.root", []byte("only root sees it"), 0))
		mustRun(t, "setfacl", "-m", "u:12345:rw-,g:54321:r--,u:daemon:---,m::rwx", path)
	}
	mustRun(t, "setfacl", "-d", "-m", "u:12345:rwx,g::r-x", at("attributes/dir"))
	check(t, os.Symlink("file", at("attributes/symlink")))
	check(t, unix.Lsetxattr(at("attributes/symlink"), "trusted.symlink", []byte("too"), 0))
}

// addSpecials makes files that are not plain: sparse ones, fifos, sockets and
// devices.
func addSpecials(t testing.TB, at func(string) string) {
	check(t, os.MkdirAll(at("special"), 0o755))
	sparse, err := os.Create(at("special/sparse"))
	check(t, err)
	defer sparse.Close()
	for _, off := range []int64{1 << 20, 9 << 20, 40 << 20} {
		_, err := sparse.WriteAt(bytes.Repeat([]byte("data"), 4096), off)
		check(t, err)
	}
	check(t, sparse.Truncate(64<<20)) // a hole at the end
	check(t, os.Truncate(at("special/sparse"), 64<<20))
	writeFile(t, at("special/all hole"), "")
	check(t, os.Truncate(at("special/all hole"), 3<<20+1))
	for name, dev := range map[string]struct{ mode, major, minor uint32 }{
		"fifo":   {unix.S_IFIFO | 0o640, 0, 0},
		"socket": {unix.S_IFSOCK | 0o755, 0, 0},
		"char":   {unix.S_IFCHR | 0o666, 1, 3},
		"block":  {unix.S_IFBLK | 0o600, 259, 70000}, // beyond 8 bits
	} {
		check(t, unix.Mknod(at("special/"+name), dev.mode, int(unix.Mkdev(dev.major, dev.minor))))
		setTimes(t, at("special/"+name), 1_000_000_000, 42)
	}
	check(t, os.Link(at("special/fifo"), at("special/fifo's other name")))
}
