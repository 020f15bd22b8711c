package integration

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSymlinkSwap exchanges a directory of the tree with a symlink to a place
// outside, again and again while transfers work below it. On the side of the
// target nothing outside is changed; on the side of the source nothing from
// outside is sent.
func TestSymlinkSwap(t *testing.T) {
	const canary = "this is outside"
	for _, side := range []string{"target", "source"} {
		t.Run(side, func(t *testing.T) {
			dir := t.TempDir()
			src, dst, outside := filepath.Join(dir, "src"), filepath.Join(dir, "dst"), filepath.Join(dir, "outside")
			check(t, os.Mkdir(dst, 0o755))
			for _, name := range swappedNames() {
				writeFile(t, filepath.Join(outside, name), canary)
			}
			before := snapshot(t, outside)
			swapped := map[string]string{"target": dst, "source": src}[side]
			ways(t, src, dst, func(t *testing.T, sync func(...string) result) {
				exits := make(map[int]int)
				flips := 0
				for i := range 10 {
					for j, name := range swappedNames() {
						if j%2 == i%2 {
							writeFile(t, filepath.Join(src, name), fmt.Sprint("inside ", i))
						}
					}
					stop := flip(t, filepath.Join(swapped, "parent"), filepath.Join(swapped, "link"), outside)
					r := sync("-c", "--delete", "--exclude=/link", "--timeout=20")
					flips += stop()
					wantExit(t, r, 0, 23, 24)
					exits[r.code]++
					noCanary(t, dst, canary)
					if after := snapshot(t, outside); after != before {
						t.Fatalf("what is outside changed:\n%s\nwas:\n%s", after, before)
					}
				}
				t.Logf("10 transfers with %d exchanges of a parent directory and a symlink in the %s: exits %v; outside untouched, nothing from there arrived", flips, side, exits)
			})
		})
	}
}

// swappedNames are the files below the directory that is swapped, and of what
// is outside.
func swappedNames() (names []string) {
	for i := range 120 {
		names = append(names, fmt.Sprintf("parent/sub%d/file%d", i%4, i))
	}
	return names
}

// flip exchanges dir and link all the time; link is made anew as a symlink to
// the parent outside when no symlink is left. stop ends that, puts the
// directory back and returns how often there was an exchange.
func flip(t *testing.T, dir, link, outside string) (stop func() int) {
	t.Helper()
	target := filepath.Join(outside, "parent")
	arm := func() {
		check(t, os.MkdirAll(dir, 0o755))
		check(t, os.RemoveAll(link))
		check(t, os.Symlink(target, link))
	}
	if isSymlink(dir) {
		check(t, os.Remove(dir))
	}
	arm()
	n := 0
	end := loop(func() error {
		if !isSymlink(dir) && !isSymlink(link) {
			// A transfer has replaced the symlink by a directory. The other
			// one is aside, as link: one of them has to go.
			_ = os.RemoveAll(link)
			_ = os.Symlink(target, link)
		}
		if unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE) == nil {
			n++
		}
		time.Sleep(100 * time.Microsecond) // let each state be seen
		return nil
	})
	return func() int {
		check(t, end())
		if isSymlink(dir) {
			check(t, os.Remove(dir))
			if !isSymlink(link) {
				check(t, os.Rename(link, dir))
			}
		}
		check(t, os.RemoveAll(link))
		return n
	}
}

func isSymlink(path string) bool {
	st, err := os.Lstat(path)
	return err == nil && st.Mode()&fs.ModeSymlink != 0
}

// snapshot is all that a transfer could change below dir, as text.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := os.Lstat(path)
		if err != nil {
			return err
		}
		var content []byte
		if d.Type().IsRegular() {
			content, err = os.ReadFile(path)
		}
		fmt.Fprintf(&b, "%s %v %d %v %s\n", path, st.Mode(), st.Size(), st.ModTime(), content)
		return err
	}))
	return b.String()
}

// noCanary fails the test if a file in dir has what only files outside have.
func noCanary(t *testing.T, dir, canary string) {
	t.Helper()
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), canary) {
			t.Fatalf("%s came from outside", path)
		}
		return err
	}))
}
