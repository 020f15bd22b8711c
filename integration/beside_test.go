package integration

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// beside runs stock rsync, and every way that a transfer can go with our program
// in a part of it, over the same source and the same old target.
type beside struct {
	dir         string // has src, old, and dst/N for what is made
	ours, stock string // addresses of daemons of dir
	base        string // options of all runs; "-aHi" if empty
	links       bool   // which name of several is sent is the program's choice: only trees are compared
	made        atomic.Int64
}

// newBeside has grow fill the source and the old target. keys are lines of the
// stock daemon's module.
func newBeside(t *testing.T, grow func(src, old string), keys ...string) *beside {
	t.Helper()
	b := &beside{dir: t.TempDir()}
	for _, name := range []string{"src", "old", "dst"} {
		check(t, os.Mkdir(filepath.Join(b.dir, name), 0o755))
	}
	grow(b.dir+"/src", b.dir+"/old")
	b.ours, b.stock = serveDir(t, b.dir).addr, stockDaemon(t, module{name: "m", path: b.dir, writable: true, keys: strings.Join(keys, "\n")})
	return b
}

// besideWays are the command lines, with the program, and where source and
// target are: "" here, "syncd://" or "rsync://" for a module of either daemon.
var besideWays = []struct {
	name     string
	command  []string
	from, to string
	stock    bool // which daemon
}{
	{"local", []string{"syncd"}, "", "", false},
	{"pull", []string{"syncd"}, "syncd://", "", false},
	{"push", []string{"syncd"}, "", "syncd://", false},
	{"pull from stock", []string{"syncd"}, "rsync://", "", true},
	{"push to stock", []string{"syncd"}, "", "rsync://", true},
	{"stock pulls", []string{"rsync"}, "rsync://", "", false},
	{"stock pushes", []string{"rsync"}, "", "rsync://", false},
}

// target makes a copy of the old target, and returns its path below dir.
func (b *beside) target(t *testing.T) string {
	dst := fmt.Sprint("dst/", b.made.Add(1))
	mustRun(t, "cp", "-a", b.dir+"/old", filepath.Join(b.dir, dst))
	return dst
}

// run compares what all ways make of the options with what stock makes of them
// between two directories: the exit code, what -i shows and the tree. Options are
// spelled alike for both programs.
func (b *beside) run(t *testing.T, options ...string) {
	t.Helper()
	t.Parallel() // stock spends most of its time asleep
	options = append(strings.Fields(cmp.Or(b.base, "-aHi")), options...)
	dst := b.target(t)
	want := run(t, slices.Concat([]string{"rsync"}, options, []string{b.dir + "/src/", filepath.Join(b.dir, dst) + "/"})...)
	tree := b.tree(t, dst)
	for _, w := range besideWays {
		t.Run(w.name, func(t *testing.T) {
			dst := b.target(t)
			addr := b.ours
			if w.stock {
				addr = b.stock
			}
			place := func(scheme, p string) string {
				if scheme == "" {
					return filepath.Join(b.dir, p) + "/"
				}
				return scheme + addr + "/m/" + p + "/"
			}
			command := w.command
			if command[0] == "syncd" {
				command = []string{program, "sync"}
			}
			got := run(t, slices.Concat(command, options, []string{place(w.from, "src"), place(w.to, dst)})...)
			if got.code != want.code {
				t.Errorf("exit %d, stock %d:\n%s\nstock:\n%s", got.code, want.code, got.stderr, want.stderr)
			}
			if !b.links {
				diffLines(t, "itemized", b.items(options, got.stdout), b.items(options, want.stdout))
			}
			diffLines(t, "the tree", b.tree(t, dst), tree)
		})
	}
}

// items are the itemized lines of a run, in order, whatever the direction. What
// stock deletes first changes the times of directories, which it then sets.
func (b *beside) items(options []string, out string) (lines []string) {
	early := slices.Contains(options, "--delete-before")
	for _, l := range sortedLines(out) {
		if itemLine.MatchString(l) && !(early && strings.HasPrefix(l, ".d..t......")) {
			lines = append(lines, strings.Replace(l, "<", ">", 1))
		}
	}
	return lines
}

// tree is all that can be told of a target, but for times of now: those of
// directories that nobody sets.
func (b *beside) tree(t *testing.T, dst string) []string {
	lines := treeLines(t, filepath.Join(b.dir, dst))
	for i := range lines {
		lines[i] = timeOfNow.ReplaceAllString(lines[i], " now,")
	}
	return lines
}

// timeOfNow is a time since 2025, in a line about a tree; sources have none.
var timeOfNow = regexp.MustCompile(` (1[789]|2)\d{8}\.\d{9},`)
