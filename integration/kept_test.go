package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// keptTree has entries of all kinds that differ in what is kept of them, and
// symlinks to targets.
func keptTree(t *testing.T, targets ...string) func(src, old string) {
	return func(src, old string) {
		for i, c := range []struct {
			name           string
			mode           os.FileMode
			uid, gid       int
			there, changed bool
		}{
			{"new", 0o640, 0, 0, false, false}, {"script", 0o751, 1, 1, false, false}, {"mode", 0o604, 2, 2, true, false},
			{"changed", 0o666, 3, 54321, true, true}, {"dir/new", 0o777, 54321, 3, false, false}, {"dir/changed", 0o600, 0, 1, true, true},
			{"new dir/file", 0o444, 1, 0, false, false},
		} {
			p := filepath.Join(src, c.name)
			writeFile(t, p, "content")
			check(t, os.Chown(p, c.uid, c.gid))
			check(t, os.Chmod(p, c.mode))
			if c.there {
				p := filepath.Join(old, c.name)
				writeFile(t, p, map[bool]string{true: "other content", false: "content"}[c.changed])
				check(t, os.Chown(p, 7+i, 8+i))
				check(t, os.Chmod(p, 0o700))
			}
		}
		for name, mode := range map[string]uint32{"fifo": unix.S_IFIFO | 0o640, "dir/socket": unix.S_IFSOCK | 0o755, "device": unix.S_IFCHR | 0o600} {
			check(t, unix.Mknod(filepath.Join(src, name), mode, int(unix.Mkdev(1, 3))))
		}
		for i, target := range append(targets, "new", "dir/new") {
			for _, dir := range []string{"", "dir", "new dir"} {
				p := filepath.Join(src, dir, "link"+string(rune('a'+i)))
				check(t, os.Symlink(target, p))
			}
		}
		check(t, os.Symlink("old", filepath.Join(old, "linka")))
		check(t, os.Symlink("new", filepath.Join(old, "linkb")))
		check(t, os.Symlink("new", filepath.Join(old, "gone link")))
		check(t, os.Chmod(filepath.Join(src, "dir"), 0o2750))
		check(t, os.Chown(filepath.Join(src, "new dir"), 5, 6))
		setTreeTimes(t, src)
		setTreeTimes(t, old)
		setTimes(t, filepath.Join(old, "mode"), 1_300_000_000, 0)
	}
}

// TestKept has every way keep of the entries what stock keeps.
func TestKept(t *testing.T) {
	b := newBeside(t, keptTree(t, "../new", "/etc/passwd", "..", "../..", "../../new", "./new", "./../new", "dir/../new", "../dir/../new",
		".././new", "..//new", "sub/..", "...", "a/.../b", "../dst", "./"))
	b.base = "-Hi"
	for _, options := range []string{
		"-rt", "-r", "-rlt", "-rlpt", "-rD", "-rptgo", "-rltgoD", "-a --no-p", "-a --no-perms --no-owner", "-a --no-o --no-g", "-a --no-t", "-a --no-l",
		"-a --no-links --delete", "-a --no-D", "-a --no-devices", "-a --no-specials", "-a -O", "-a -J", "-a --omit-dir-times --no-p -p", "--no-p -a",
		"-a --safe-links", "-a --safe-links --delete", "-n -a --no-t --safe-links", "-rc --no-t",
	} {
		t.Run(options, func(t *testing.T) { b.run(t, strings.Fields(options)...) })
	}
}

// TestChanged has every way change permissions and owners as stock does.
func TestChanged(t *testing.T) {
	b := newBeside(t, keptTree(t), "use chroot = no", "numeric ids = no", "munge symlinks = no") // a daemon that knows names
	for _, options := range []string{
		"--chmod=Dg+s,Fo-rwx", "--chmod=ugo=rwX", "--chmod=F600 --chmod=D711", "--no-p --chmod=a+w", "-n --chmod=go-w",
		"--chown=1234:4321", "--chown=:4321", "--chown=daemon", "--chown=bin:daemon", "--usermap=0:7,daemon:8,b*:9,*:10", "--usermap=1-2:bin",
		"--groupmap=0-3:77,*:78", "--no-o --no-g --chown=1234:4321", "--chown=1234:4321 --no-o", "--no-o --no-g --usermap=*:7 --chmod=o=", "--groupmap=*:78 --no-g",
		"--usermap=:99", "--numeric-ids --usermap=0:5,*:6", "--usermap=54321:daemon --groupmap=*:sys --numeric-ids",
	} {
		t.Run(options, func(t *testing.T) { b.run(t, strings.Fields(options)...) })
	}
}

// TestMkPath makes all directories on the way to the target, for a directory and
// for a file that gets another name.
func TestMkPath(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	writeTree(t, src, map[string]string{"file": "x", "sub/file": "y"})
	setTreeTimes(t, src)
	d := serveDir(t, dir)
	for name, to := range map[string]string{"local": dir + "/", "push": d.url("m/"), "push to stock": stockURL(stockDaemon(t, module{name: "m", path: dir, writable: true}), "m/")} {
		into := strings.ReplaceAll(name, " ", "") + "/"
		if r := run(t, program, "sync", src+"/", to+into+"a/b/c/"); r.code == 0 {
			t.Errorf("%s: made without the option", name)
		}
		mustRun(t, program, "sync", "--mkpath", src+"/", to+into+"a/b/c/")
		judge(t, src, filepath.Join(dir, into, "a/b/c"))
		mustRun(t, program, "sync", "--mkpath", src+"/file", to+into+"d/e/f/renamed")
		wantFile(t, filepath.Join(dir, into, "d/e/f/renamed"), "x")
	}
	mustRun(t, "rsync", "-a", "--mkpath", src+"/", stockURL(d.addr, "m/stock/a/b/"))
	judge(t, src, filepath.Join(dir, "stock/a/b"))
}

// TestClosedDirectories has an ordinary user work in directories of his that he
// can't write to: they keep their modes, whether or not modes are kept.
func TestClosedDirectories(t *testing.T) {
	dir := openTempDir(t)
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	writeTree(t, src, map[string]string{"d/new": "new", "d/changed": "new", "d/sub/new": "new", "e/same": "x"})
	setTreeTimes(t, src)
	local := func(t *testing.T) []string { return []string{src + "/", dst + "/"} }
	pull := func(t *testing.T) []string { return []string{serveDir(t, src).url("m/"), dst + "/"} }
	check(t, os.Mkdir(dst, 0o755))
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: dst, writable: true}}, wrap: asNobody()})
	push := func(*testing.T) []string { return []string{src + "/", d.url("m/")} }
	for name, way := range map[string]func(*testing.T) []string{"local": local, "pull": pull, "push": push} {
		for options, mode := range map[string]os.FileMode{"-rt --delete": 0o500, "-a --no-perms --delete": 0o500, "-a --delete": 0o755} {
			t.Run(name+" "+options, func(t *testing.T) {
				writeTree(t, dst, map[string]string{"d/changed": "old", "d/gone": "x", "d/sub/gone": "x", "e/same": "x", "e/gone": "x"})
				dirs := []string{"d/sub", "d", "e"}
				mustRun(t, "chown", "-R", "nobody:nogroup", dst)
				for _, d := range dirs {
					check(t, os.Chmod(filepath.Join(dst, d), 0o500))
				}
				args := append(strings.Fields(options), way(t)...)
				wantExit(t, run(t, asNobody(syncArgs(args...)...)...), 0)
				judge(t, src, dst, "--no-owner", "--no-group", "--no-perms", "--omit-dir-times")
				for _, d := range dirs {
					st, err := os.Stat(filepath.Join(dst, d))
					check(t, err)
					if st.Mode().Perm() != mode {
						t.Errorf("%s has the mode %v, want %v", d, st.Mode().Perm(), mode)
					}
				}
				check(t, os.RemoveAll(filepath.Join(dst, "d")))
				check(t, os.RemoveAll(filepath.Join(dst, "e")))
			})
		}
	}
}

// TestOwnersMappedOnce deletes in a directory without maps of owners being held
// against an owner that is the result of one.
func TestOwnersMappedOnce(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	writeTree(t, src, map[string]string{"d/file": "x"})
	writeTree(t, dst, map[string]string{"d/gone": "x"})
	check(t, os.Chown(filepath.Join(src, "d"), 5, 5))
	check(t, os.Chmod(filepath.Join(src, "d"), 0o500))
	mustSync(t, "--delete", "--usermap=5:6,6:7", "--groupmap=5:6,6:7", src+"/", dst+"/")
	var st unix.Stat_t
	check(t, unix.Stat(filepath.Join(dst, "d"), &st))
	if st.Uid != 6 || st.Gid != 6 || st.Mode&0o7777 != 0o500 {
		t.Errorf("owner %d:%d, mode %o; want 6:6, 500", st.Uid, st.Gid, st.Mode&0o7777)
	}
	if _, there := readFile(t, filepath.Join(dst, "d/gone")); there {
		t.Error("what the source lacks is there")
	}
}
