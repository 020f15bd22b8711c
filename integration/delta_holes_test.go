package integration

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDeltaOfSparseFile has files with holes, also at their ends, updated: what
// is put together has the size of the source before it is verified.
func TestDeltaOfSparseFile(t *testing.T) {
	for name, edit := range map[string]func(t *testing.T, f *os.File){
		"a block in front": func(t *testing.T, f *os.File) {
			_, err := f.WriteAt([]byte("changed"), 100<<10)
			check(t, err)
		},
		"a hole at the end that grew": func(t *testing.T, f *os.File) { check(t, f.Truncate(48<<20)) },
		"data where the end was":      func(t *testing.T, f *os.File) { _, err := f.WriteAt(make([]byte, 5000), 40<<20); check(t, err) },
	} {
		for _, way := range []string{"pull", "push", "pull from stock"} {
			t.Run(way+", "+name, func(t *testing.T) {
				src, dst := t.TempDir(), t.TempDir()
				path := filepath.Join(src, "f")
				randomFile(t, path, 4<<20, 5)
				check(t, os.Truncate(path, 40<<20))
				mustRun(t, "cp", "--sparse=always", "-p", path, filepath.Join(dst, "f"))
				check(t, os.Chtimes(filepath.Join(dst, "f"), time.Unix(1e9, 0), time.Unix(1e9, 0)))
				f, err := os.OpenFile(path, os.O_RDWR, 0)
				check(t, err)
				edit(t, f)
				check(t, f.Close())
				modules := []module{{name: "dst", path: dst, writable: true}, {name: "src", path: src}}
				args := []string{"", dst}
				switch way {
				case "pull":
					args[0] = serve(t, daemonConfig{modules: modules}).url("src/")
				case "push":
					args = []string{src + "/", serve(t, daemonConfig{modules: modules}).url("dst/")}
				default:
					args[0] = stockURL(stockDaemon(t, modules...), "src/")
				}
				s := mustSync(t, args...)
				if s.LiteralBytes > 2<<20 || s.Redone > 0 {
					t.Errorf("%d literal bytes, %d redone: the basis was of no use", s.LiteralBytes, s.Redone)
				}
				wantEqual(t, path, filepath.Join(dst, "f"))
				judge(t, src, dst)
			})
		}
	}
}

// TestDeltaToSparseFile has a file without holes become one with holes: the blocks that
// are allocated ahead for what is copied are not in the way, wherever a hole is.
func TestDeltaToSparseFile(t *testing.T) {
	const size = 40 << 20
	root := mountExt4(t)
	for name, hole := range map[string][2]int64{
		"in front":               {0, 5 << 20},
		"in the middle":          {5 << 20, 16 << 20},
		"behind what was copied": {23 << 20, 24 << 20},
		"at the end":             {30 << 20, size},
	} {
		for _, way := range []string{"pull", "push"} {
			t.Run(way+", "+name, func(t *testing.T) {
				src, dst := filepath.Join(root, way, name, "src"), filepath.Join(root, way, name, "dst")
				check(t, os.MkdirAll(src, 0o755))
				check(t, os.MkdirAll(dst, 0o755))
				path, old := filepath.Join(src, "f"), filepath.Join(dst, "f")
				randomFile(t, old, size, 6)
				mustRun(t, "cp", "--sparse=never", old, path)
				check(t, os.Chtimes(old, time.Unix(1e9, 0), time.Unix(1e9, 0)))
				mustRun(t, "fallocate", "--punch-hole", "--offset", strconv.FormatInt(hole[0], 10), "--length", strconv.FormatInt(hole[1]-hole[0], 10), path)
				d := serve(t, daemonConfig{modules: []module{{name: "dst", path: dst, writable: true}, {name: "src", path: src}}})
				args := []string{d.url("src/"), dst}
				if way == "push" {
					args = []string{src + "/", d.url("dst/")}
				}
				s := mustSync(t, args...)
				if s.MatchedBytes < size/2 {
					t.Errorf("%d bytes matched: no delta was made", s.MatchedBytes)
				}
				wantEqual(t, path, old)
				mustRun(t, "sync", "-f", old) // only then are all blocks counted
				if got, want := allocatedBytes(t, old), allocatedBytes(t, path); got > want+64<<10 {
					t.Errorf("%d bytes are allocated, %d at the source", got, want)
				}
			})
		}
	}
}

// TestNothingInCommonButHoles pushes a file with a hole over one that has nothing in
// common with it: of what was begun to put it together nothing goes on.
func TestNothingInCommonButHoles(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	randomFile(t, filepath.Join(src, "f"), 8<<20, 7)
	randomFile(t, filepath.Join(dst, "f"), 8<<20, 8)
	mustRun(t, "fallocate", "--punch-hole", "--offset", "2MiB", "--length", "4MiB", filepath.Join(src, "f"))
	check(t, os.Chtimes(filepath.Join(dst, "f"), time.Unix(1e9, 0), time.Unix(1e9, 0)))
	d := serve(t, daemonConfig{modules: []module{{name: "dst", path: dst, writable: true}}})
	if s := mustSync(t, src+"/", d.url("dst/")); s.MatchedBytes > 0 || s.LiteralBytes != 4<<20 {
		t.Errorf("%d bytes matched, %d literal", s.MatchedBytes, s.LiteralBytes)
	}
	judge(t, src, dst)
	if stacks := d.stacks(); !strings.Contains(stacks, "goroutine ") || strings.Contains(stacks, "builder)") {
		t.Errorf("there are workers left, or no stacks:\n%s", stacks)
	}
}

// allocatedBytes is what a file takes on its disk.
func allocatedBytes(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	check(t, err)
	return st.Sys().(*syscall.Stat_t).Blocks * 512
}

// TestAltDestThatIsNotThere pushes the first of a series of backups: that there
// is none before it is said, and no more.
func TestAltDestThatIsNotThere(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	writeTree(t, src, map[string]string{"a": "1", "d/b": "2"})
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: dst, writable: true}}})
	r := run(t, syncArgs("--link-dest=../mon", src+"/", d.url("m/tue/"))...)
	wantExit(t, r, 0)
	judge(t, src, filepath.Join(dst, "tue"))
}
