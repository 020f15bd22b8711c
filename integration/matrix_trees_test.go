package integration

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// matrixTrees are the trees of the matrix: what each puts into a directory.
var matrixTrees = map[string]func(t *testing.T, dir string){
	"names": func(t *testing.T, dir string) {
		for i, name := range []string{"new\nline", "tab\t", "\xff\xfe not UTF-8", strings.Repeat("n", 255), "-rf", `back\slash`,
			`\#012 escape of an escape`, "\x1b[31mred", " ", "trailing ", "*", "[a", "a:b", "ünï", ".hidden", "..."} {
			writeFile(t, filepath.Join(dir, "names", name), name)
			writeFile(t, filepath.Join(dir, "dirs", name, "inside"), name)
			check(t, os.Symlink(name, filepath.Join(dir, fmt.Sprintf("link %d", i))))
		}
		for _, name := range []string{"a", "a.b", "a-b", "a0", "a b"} { // "a/" sorts behind "a.b/"
			writeFile(t, filepath.Join(dir, "order", name, "in", name), name)
			writeFile(t, filepath.Join(dir, "order", name+".file"), name)
		}
	},
	"deep": func(t *testing.T, dir string) {
		for i := range 60 {
			dir = filepath.Join(dir, fmt.Sprintf("level %d of the tree", i))
			writeFile(t, filepath.Join(dir, "file"), strings.Repeat("deep", i*100))
		}
	},
	"wide": func(t *testing.T, dir string) {
		for i := range 800 {
			writeFile(t, filepath.Join(dir, fmt.Sprintf("all/file%d", i)), strings.Repeat("x", i))
		}
		for i := range 150 {
			writeFile(t, filepath.Join(dir, fmt.Sprintf("dir%d/file", i)), "wide")
		}
	},
	"links": func(t *testing.T, dir string) {
		addLinks(t, func(name string) string { return filepath.Join(dir, name) })
		for i := range 20 {
			writeFile(t, filepath.Join(dir, fmt.Sprintf("from/%d", i)), fmt.Sprint("linked", i))
			check(t, os.MkdirAll(filepath.Join(dir, fmt.Sprintf("to/%d", i%3)), 0o755))
			check(t, os.Link(filepath.Join(dir, fmt.Sprintf("from/%d", i)), filepath.Join(dir, fmt.Sprintf("to/%d/%d", i%3, i))))
		}
	},
	"sparse": func(t *testing.T, dir string) {
		for name, at := range map[string][]int64{"begin": {0}, "middle": {1 << 20, 2<<20 + 4096}, "nothing": nil, "end": {3<<20 - 4096}} {
			writeFile(t, filepath.Join(dir, name), "")
			f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
			check(t, err)
			for _, off := range at {
				_, err := f.WriteAt(bytes.Repeat([]byte("data"), 1024), off)
				check(t, err)
			}
			check(t, f.Truncate(3<<20))
			check(t, f.Close())
		}
	},
	"devices": func(t *testing.T, dir string) {
		for name, dev := range map[string]struct{ mode, major, minor uint32 }{
			"fifo": {unix.S_IFIFO | 0o640, 0, 0}, "socket": {unix.S_IFSOCK | 0o755, 0, 0}, "char": {unix.S_IFCHR | 0o666, 1, 3},
			"block": {unix.S_IFBLK | 0o600, 259, 70000}, "another": {unix.S_IFCHR | 0o600, 259, 70001},
		} {
			check(t, unix.Mknod(filepath.Join(dir, name), dev.mode, int(unix.Mkdev(dev.major, dev.minor))))
		}
		writeFile(t, filepath.Join(dir, "file"), "a file")
	},
	"attributes": func(t *testing.T, dir string) {
		addAttributes(t, func(name string) string { return filepath.Join(dir, name) })
		for i := range 6 { // in groups that share their values, and some alone
			name := filepath.Join(dir, fmt.Sprintf("more/%d", i))
			writeFile(t, name, "attributes")
			check(t, unix.Lsetxattr(name, "user.shared", bytes.Repeat([]byte{byte(i % 3)}, 10+60*(i%3)), 0))
			mustRun(t, "setfacl", "-m", fmt.Sprintf("u:%d:r--", 2000+i%2), name)
		}
	},
	"modes": func(t *testing.T, dir string) {
		addModesAndTimes(t, func(name string) string { return filepath.Join(dir, name) })
	},
	"large": func(t *testing.T, dir string) {
		randomFile(t, filepath.Join(dir, "random"), 2<<20+17, 1)
		randomFile(t, filepath.Join(dir, "small"), 70_000, 2)
		randomFile(t, filepath.Join(dir, "other"), 700_001, 3)
		writeFile(t, filepath.Join(dir, "text"), strings.Repeat("all work and no play\n", 1<<15))
		writeFile(t, filepath.Join(dir, "zeros"), strings.Repeat("\x00", 1<<20))
		writeFile(t, filepath.Join(dir, "empty"), "")
	},
	"empty": func(*testing.T, string) {},
	"unreadable": func(t *testing.T, dir string) {
		writeTree(t, dir, map[string]string{"a": "a", "b/secret": "secret", "b/z": "z", "c": "c", "closed/x": "x", "listed/x": "x"})
		check(t, os.Chmod(filepath.Join(dir, "b/secret"), 0))
		check(t, os.Chmod(filepath.Join(dir, "closed"), 0))
		check(t, os.Chmod(filepath.Join(dir, "listed"), 0o744)) // its names can be read, and nothing of what they name
	},
	"changing": func(t *testing.T, dir string) {
		for i := range 200 {
			randomFile(t, filepath.Join(dir, fmt.Sprintf("%d/%d", i%8, i)), 20_000, byte(i))
		}
	},
}

// matrixAge makes dst an older copy of src: of the files some are missing, some
// differ in the middle, at the end or in their mode, and some are too many. The
// times say so, and are the same each time that the tree is made.
func matrixAge(t *testing.T, src, dst string) {
	t.Helper()
	mustRun(t, "rsync", "-aHAX", src+"/", dst+"/")
	var dirs []string
	n := 0
	check(t, filepath.WalkDir(dst, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			dirs = append(dirs, path)
			return nil
		}
		n++
		if d.Type().IsRegular() {
			return ageFile(t, path, n%6)
		}
		switch n % 4 {
		case 0:
			return os.Remove(path)
		case 1:
			setTimes(t, path, 1_000_000_000, 0)
		case 2:
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Symlink("elsewhere", path)
		}
		return nil
	}))
	for i, d := range dirs {
		switch i % 5 {
		case 1:
			writeFile(t, filepath.Join(d, "extraneous"), "too many")
			setTimes(t, filepath.Join(d, "extraneous"), 1_000_000_000, 0)
		case 2:
			check(t, os.Chmod(d, 0o711))
		case 3:
			writeFile(t, filepath.Join(d, "more/of it/file"), "too many")
		}
	}
	check(t, filepath.WalkDir(dst, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			setTimes(t, path, 1_000_000_000, 0)
		}
		return err
	}))
}

// ageFile changes a file in one of six ways.
func ageFile(t *testing.T, path string, way int) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	switch way {
	case 0:
		return os.Remove(path)
	case 1:
		for at := len(b) / 3; at < len(b); at += 100_000 {
			b[at] ^= 1
		}
	case 2:
		b = append(b, "appended"...)
	case 3:
		return os.Chmod(path, 0o600)
	case 4:
		b = append([]byte("inserted"), b[:len(b)/2]...)
	case 5:
		return nil
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		return err
	}
	setTimes(t, path, 1_000_000_000, 0)
	return nil
}

// setTreeTimes gives all in a tree times in the past, with parts of a second.
func setTreeTimes(t *testing.T, dir string) {
	t.Helper()
	n := int64(0)
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if n++; err == nil && !strings.Contains(path, "/times/") {
			setTimes(t, path, 1_400_000_000+n, 100_003*n)
		}
		return err
	}))
}

// treeLines is all that can be told of a tree, a line for each path.
func treeLines(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	first := make(map[uint64]string) // the first name of each inode
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		rel := strings.TrimPrefix(path, dir)
		if first[st.Ino] == "" {
			first[st.Ino] = rel
		}
		line := fmt.Sprintf("%q %o %d:%d dev %x, %d.%09d, %q", rel, st.Mode, st.Uid, st.Gid, st.Rdev, st.Mtim.Sec, st.Mtim.Nsec, first[st.Ino])
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %d bytes %x", len(b), sum(b))
		case unix.S_IFLNK:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" -> %q", target)
		}
		lines = append(lines, line+attributes(t, path))
		return nil
	}))
	return lines
}

// attributes are the extended ones, with ACLs.
func attributes(t *testing.T, path string) (text string) {
	t.Helper()
	names := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, names)
	check(t, err)
	for _, name := range strings.Split(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		check(t, err)
		text += fmt.Sprintf(" %s=%x", name, sum(value[:n]))
	}
	return text
}
