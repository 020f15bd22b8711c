package integration

import (
	"os"
	"path/filepath"
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
