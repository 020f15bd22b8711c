package integration

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// churner changes a tree at random, the same way for the same seed.
type churner struct {
	t      testing.TB
	dir    string
	rand   *rand.Rand
	paths  []string // all that was there at the beginning, but dir itself
	linked []string // of those, regular files with several names
	made   int      // for names that are new
	done   map[string]int
}

// maxChurnedDir is the number of entries of the largest directory that is
// removed or replaced: the tree has to stay a large one.
const maxChurnedDir = 40

// churn makes n changes below dir and returns how many there were of each
// kind.
func churn(t testing.TB, dir string, n int, seed uint64) map[string]int {
	t.Helper()
	c := &churner{t: t, dir: dir, rand: rand.New(rand.NewPCG(seed, seed)), done: make(map[string]int)}
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		c.paths = append(c.paths, path)
		st, err := d.Info()
		if err == nil && st.Mode().IsRegular() && st.Sys().(*syscall.Stat_t).Nlink > 1 {
			c.linked = append(c.linked, path)
		}
		return err
	}))
	kinds := []struct {
		name   string
		change func(path string, st fs.FileInfo) bool
	}{
		{"edit", c.edit}, {"truncate", c.truncate}, {"add", c.add}, {"delete", c.remove}, {"rename", c.rename},
		{"change type", c.changeType}, {"chmod", c.chmod}, {"chown", c.chown}, {"touch", c.touch},
		{"set xattr", c.setXattr}, {"set ACL", c.setACL}, {"link", c.link}, {"unlink", c.breakLink},
	}
	for changed := 0; changed < n; {
		path := c.paths[c.rand.IntN(len(c.paths))]
		st, err := os.Lstat(path)
		if err != nil {
			continue // a change before this one took it away
		}
		kind := kinds[c.rand.IntN(len(kinds))]
		if kind.change(path, st) {
			c.done[kind.name]++
			changed++
		}
	}
	return c.done
}

// fresh returns a name that nothing has, beside path.
func (c *churner) fresh(path string) string {
	c.made++
	return filepath.Join(filepath.Dir(path), fmt.Sprintf("churned %d", c.made))
}

// small reports whether path may be taken away.
func (c *churner) small(path string) bool {
	n := 0
	err := filepath.WalkDir(path, func(string, fs.DirEntry, error) error {
		if n++; n > maxChurnedDir {
			return fs.SkipAll
		}
		return nil
	})
	return err == nil && n <= maxChurnedDir
}

func (c *churner) edit(path string, st fs.FileInfo) bool {
	if !st.Mode().IsRegular() || st.Size() == 0 {
		return false
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	check(c.t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte("edited"), c.rand.Int64N(st.Size()))
	check(c.t, err)
	return true
}

func (c *churner) truncate(path string, st fs.FileInfo) bool {
	if !st.Mode().IsRegular() {
		return false
	}
	check(c.t, os.Truncate(path, c.rand.Int64N(2*st.Size()+1)))
	return true
}

func (c *churner) add(path string, _ fs.FileInfo) bool {
	if c.rand.IntN(2) == 0 {
		writeFile(c.t, c.fresh(path), strings.Repeat("new ", c.rand.IntN(50_000)))
	} else {
		writeFile(c.t, filepath.Join(c.fresh(path), "a", "b"), "in new directories")
	}
	return true
}

func (c *churner) remove(path string, _ fs.FileInfo) bool {
	if !c.small(path) {
		return false
	}
	check(c.t, os.RemoveAll(path))
	return true
}

func (c *churner) rename(path string, _ fs.FileInfo) bool {
	to := c.fresh(c.paths[c.rand.IntN(len(c.paths))])
	return os.Rename(path, to) == nil // not into itself, or where nothing is any more
}

func (c *churner) changeType(path string, st fs.FileInfo) bool {
	if !c.small(path) {
		return false
	}
	check(c.t, os.RemoveAll(path))
	makers := []func(){
		func() { writeFile(c.t, filepath.Join(path, "now a directory"), "x") },
		func() { writeFile(c.t, path, "now a file") },
		func() { check(c.t, os.Symlink("now a symlink", path)) },
		func() { check(c.t, unix.Mkfifo(path, 0o644)) },
	}
	is := map[fs.FileMode]int{fs.ModeDir: 0, 0: 1, fs.ModeSymlink: 2, fs.ModeNamedPipe: 3}[st.Mode().Type()]
	makers[(is+1+c.rand.IntN(3))%4]()
	return true
}

func (c *churner) chmod(path string, st fs.FileInfo) bool {
	if st.Mode()&fs.ModeSymlink != 0 {
		return false
	}
	check(c.t, unix.Chmod(path, uint32(c.rand.IntN(0o10000))))
	return true
}

func (c *churner) chown(path string, _ fs.FileInfo) bool {
	check(c.t, os.Lchown(path, c.rand.IntN(3), c.rand.IntN(70_000)))
	return true
}

func (c *churner) touch(path string, _ fs.FileInfo) bool {
	setTimes(c.t, path, c.rand.Int64N(1<<31), c.rand.Int64N(1e9))
	return true
}

func (c *churner) setXattr(path string, st fs.FileInfo) bool {
	if !st.Mode().IsRegular() && !st.IsDir() {
		return false
	}
	name := fmt.Sprintf("user.churn%d", c.rand.IntN(3))
	if unix.Lremovexattr(path, name) != nil {
		check(c.t, unix.Lsetxattr(path, name, bytes.Repeat([]byte("v"), c.rand.IntN(300)), 0))
	}
	return true
}

func (c *churner) setACL(path string, st fs.FileInfo) bool {
	switch {
	case !st.Mode().IsRegular() && !st.IsDir():
		return false
	case c.rand.IntN(3) == 0:
		mustRun(c.t, "setfacl", "-b", path)
	case st.IsDir() && c.rand.IntN(2) == 0:
		mustRun(c.t, "setfacl", "-d", "-m", fmt.Sprintf("u:%d:rwx", 100+c.rand.IntN(3)), path)
	default:
		mustRun(c.t, "setfacl", "-m", fmt.Sprintf("u:%d:r--", 100+c.rand.IntN(3)), path)
	}
	return true
}

func (c *churner) link(path string, st fs.FileInfo) bool {
	to := c.fresh(c.paths[c.rand.IntN(len(c.paths))])
	if st.IsDir() || os.Link(path, to) != nil {
		return false
	}
	if st.Mode().IsRegular() {
		c.linked = append(c.linked, path, to)
	}
	return true
}

// breakLink gives one name of a file that has several an inode of its own.
func (c *churner) breakLink(string, fs.FileInfo) bool {
	if len(c.linked) == 0 {
		return false
	}
	path := c.linked[c.rand.IntN(len(c.linked))]
	st, err := os.Lstat(path)
	if err != nil || !st.Mode().IsRegular() {
		return false
	}
	check(c.t, os.Remove(path))
	writeFile(c.t, path, "an inode of its own")
	return true
}
