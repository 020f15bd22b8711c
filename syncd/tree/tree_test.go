package tree

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

// The tests run as root, but for those in user_test.go.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 && os.Getenv(userDirEnv) == "" {
		println("the tests of package tree need root")
		os.Exit(1)
	}
	unix.Umask(0o022)
	os.Exit(m.Run())
}

// openFDs returns what the descriptors of this process are open on.
func openFDs(t *testing.T) map[string]string {
	t.Helper()
	links, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	fds := make(map[string]string)
	for _, l := range links {
		if target, err := os.Readlink("/proc/self/fd/" + l.Name()); err == nil {
			fds[l.Name()] = target
		}
	}
	return fds
}

// checkFDs fails the test if it ends with more descriptors than it began with.
func checkFDs(t *testing.T) {
	t.Helper()
	before := openFDs(t)
	t.Cleanup(func() {
		for fd, target := range openFDs(t) {
			if _, ok := before[fd]; !ok && !strings.HasPrefix(target, "anon_inode:") {
				t.Errorf("fd %s was leaked: %s", fd, target)
			}
		}
	})
}

// testDir returns an empty directory, opened, and its path. Everything is
// closed and counted when the test ends.
func testDir(t *testing.T) (*Dir, string) {
	t.Helper()
	path := t.TempDir()
	return openTestDir(t, path), path
}

func openTestDir(t *testing.T, path string) *Dir {
	t.Helper()
	checkFDs(t)
	root, err := OpenRoot(path, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	d, err := root.Dir("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// write makes a file, and the directories above it.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr checks an error and that it names operation and path.
func wantErr(t *testing.T, err, want error, path string) {
	t.Helper()
	var pe *fs.PathError
	if !errors.Is(err, want) || !errors.As(err, &pe) {
		t.Fatalf("error %v, want a PathError of %v", err, want)
	}
	if pe.Path != path || pe.Op == "" {
		t.Errorf("error %v names %q and %q, want the path %q", err, pe.Op, pe.Path, path)
	}
}

func entry(t *testing.T, d *Dir, name string, w Want) wire.Entry {
	t.Helper()
	e, err := d.Entry(name, w)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// run runs a program of the system and returns its output.
func run(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v: %s", args, err, errs.String())
	}
	return string(out)
}

// names returns the visible names in path.
func names(t *testing.T, d *Dir) []string {
	t.Helper()
	n, err := d.Names()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for i := range n.Len() {
		list = append(list, n.Name(i))
	}
	return list
}

func readAll(t *testing.T, f *File) string {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, math.MaxInt64))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// mount mounts a file system of the given type on a new directory.
func mount(t *testing.T, fstype, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", path, fstype, 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(path, unix.MNT_DETACH) })
}

// oddNames are names that a file can have and a program can stumble over.
var oddNames = []string{
	"new\nline", "-rf", "--help", " ", "...", "..x", "\xff\xfe\x80", "\x01\x1b[31m", "a b", "ä",
	"%s", "*", "\\", strings.Repeat("n", 255), strings.Repeat("\xff", 255),
}

// badNames are not names of one entry.
var badNames = []string{"", ".", "..", "a/b", "/", "/a", "a/", "a\x00b", "\x00", strings.Repeat("n", 256)}
