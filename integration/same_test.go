package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sameTree is a tree of some hundred directories with a bit of everything, whose
// listing takes more than sameWire bytes.
func sameTree(t testing.TB, dir string) string {
	t.Helper()
	for i := range 100 {
		for j := range 30 {
			writeFile(t, filepath.Join(dir, fmt.Sprintf("d%d/sub/file-with-some-name-%d", i, j)), "content")
		}
	}
	in := func(name string) string { return filepath.Join(dir, "d7/sub", name) }
	check(t, os.Symlink("target", in("link")))
	check(t, unix.Mkfifo(in("fifo"), 0o640))
	check(t, unix.Mknod(in("null"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	check(t, unix.Setxattr(in("file-with-some-name-1"), "user.a", []byte("b"), 0))
	check(t, os.Mkdir(in("empty"), 0o755))
	return dir
}

const sameWire = 40_000

// TestSameDirectoriesAreNotListed has an unchanged tree cost a digest for each
// directory, and every change noticed nevertheless.
func TestSameDirectoriesAreNotListed(t *testing.T) {
	src := sameTree(t, t.TempDir())
	in := func(name string) string { return filepath.Join(src, "d7/sub", name) }
	file := in("file-with-some-name-1")
	into := t.TempDir()
	d := serve(t, daemonConfig{modules: []module{{name: "src", path: src}, {name: "m", path: into, writable: true}}})
	mtime := time.Unix(1e9, 500)
	for _, way := range []string{"pull", "push"} {
		dst := into
		args := []string{"-HAX", "--delete", src + "/", d.url("m/")}
		if way == "pull" {
			dst = t.TempDir()
			args = []string{"-HAX", "--delete", d.url("src/"), dst}
		}
		unchanged := func() {
			t.Helper()
			s := mustSync(t, args...)
			if n := s.WireSent + s.WireReceived; n > sameWire || s.Entries < 3000 || s.Transferred != 0 {
				t.Errorf("%s: an unchanged tree of %d entries took %d bytes, and %d files", way, s.Entries, n, s.Transferred)
			}
		}
		mustSync(t, args...)
		judge(t, src, dst)
		for _, c := range []struct {
			name   string
			change func() error
		}{
			{"nothing", func() error { return nil }},
			{"content and mtime", func() error { return os.WriteFile(file, []byte("CONTENT"), 0o644) }},
			{"mtime", func() error { mtime = mtime.Add(1); return os.Chtimes(file, mtime, mtime) }},
			{"size", func() error {
				check(t, os.WriteFile(file, []byte("longer content "+way), 0o644))
				return os.Chtimes(file, mtime, mtime)
			}},
			{"mode", func() error { return os.Chmod(file, 0o600) }},
			{"mode again", func() error { return os.Chmod(file, 0o644) }},
			{"owner", func() error { return os.Chown(file, len(way), 12345) }},
			{"xattr", func() error { return unix.Setxattr(file, "user.a", []byte(way), 0) }},
			{"ACL", func() error { mustRun(t, "setfacl", "-m", fmt.Sprintf("u:%d:r", len(way)+1), file); return nil }},
			{"symlink", func() error {
				check(t, os.Remove(in("link")))
				return os.Symlink("target of "+way, in("link"))
			}},
			{"hard link", func() error { return os.Link(file, in("hard-"+way)) }},
			{"a name of a hard link", func() error { return os.Remove(in("hard-" + way)) }},
			{"new file", func() error { return os.WriteFile(in("new-"+way), nil, 0o644) }},
			{"deleted file", func() error { return os.Remove(in("new-" + way)) }},
			{"mode of a directory", func() error { return os.Chmod(in("empty"), os.FileMode(0o700+len(way))) }},
			{"a file for a directory", func() error {
				check(t, os.Remove(in("empty")))
				return os.WriteFile(in("empty"), nil, 0o644)
			}},
			{"a directory for a file", func() error {
				check(t, os.Remove(in("empty")))
				return os.Mkdir(in("empty"), 0o755)
			}},
			{"an extra file at the sink", func() error { return os.WriteFile(filepath.Join(dst, "d7/sub/extra"), nil, 0o644) }},
			{"a file that is lost at the sink", func() error { return os.Remove(filepath.Join(dst, "d7/sub/fifo")) }},
		} {
			t.Run(way+" "+c.name, func(t *testing.T) {
				unchanged()
				check(t, c.change())
				mustSync(t, args...)
				judge(t, src, dst)
			})
		}
	}
}

// TestSameAndOptions has the options that change what a sink wants heeded where
// its directories are the source's.
func TestSameAndOptions(t *testing.T) {
	src, dst := sameTree(t, t.TempDir()), t.TempDir()
	d := serve(t, daemonConfig{modules: []module{{name: "src", path: src}}})
	url := d.url("src/")
	file := func(dir string) string { return filepath.Join(dir, "d7/sub/file-with-some-name-1") }
	mustSync(t, url, dst)

	mustSync(t, "-X", url, dst) // an xattr that the sink has not looked at
	judge(t, src, dst)

	check(t, os.WriteFile(file(dst), []byte("CONTENT"), 0o644))
	st, err := os.Stat(file(src))
	check(t, err)
	check(t, os.Chtimes(file(dst), st.ModTime(), st.ModTime()))
	if s := mustSync(t, url, dst); s.Transferred != 0 {
		t.Error("without -c the change was noticed: the test tests nothing")
	}
	if s := mustSync(t, "-cX", url, dst); s.Transferred != 1 {
		t.Errorf("-c transferred %d files, want 1", s.Transferred)
	}
	judge(t, src, dst)

	// What is excluded is neither listed nor deleted.
	before := mustSync(t, "--exclude=*-1", "--delete", url, dst)
	wantFile(t, file(dst), "content")
	if all := mustSync(t, url, dst); before.Entries != all.Entries-100 {
		t.Errorf("%d entries with an exclude that matches 100, %d without", before.Entries, all.Entries)
	}

	// A symlink that takes the place of a directory.
	check(t, os.Rename(filepath.Join(src, "d7/sub"), filepath.Join(src, "d7/gone")))
	check(t, os.Symlink("/", filepath.Join(src, "d7/sub")))
	mustSync(t, "-X", "--delete", url, dst)
	judge(t, src, dst)

	// -H: two files that the source links, and that are apart at the sink.
	check(t, os.Remove(filepath.Join(src, "d8/sub/file-with-some-name-1")))
	check(t, os.Link(filepath.Join(src, "d8/sub/file-with-some-name-2"), filepath.Join(src, "d8/sub/file-with-some-name-1")))
	mustSync(t, url, dst)
	mustSync(t, "-HAX", url, dst)
	judge(t, src, dst)
}
