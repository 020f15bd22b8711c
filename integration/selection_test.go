package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// selectionTree has files that differ in one thing each, from what an earlier run
// has left.
func selectionTree(t *testing.T) func(src, old string) {
	return func(src, old string) {
		for name, c := range map[string]struct {
			new, old      string
			newAge, after int64 // seconds by which the source's is older than now, and the target's is younger
		}{
			"equal":            {"content", "content", 100, 0},
			"other time":       {"content", "CONTENT", 100, 10},
			"a second younger": {"content", "CONTENT", 100, 1},
			"a second older":   {"content", "CONTENT", 100, -1},
			"older":            {"content", "CONTENT", 100, -50},
			"other content":    {"content", "CONTENT", 100, 0},
			"other size":       {"content, more", "content", 100, 0},
			"younger, shorter": {"content, more", "content", 100, 20},
			"new":              {"content", "", 100, 0},
			"new/empty":        {"", "", 100, 0},
			"empty":            {"", "x", 100, 0},
			"gone":             {"", "old", 0, 100},
			"large":            {strings.Repeat("x", 5000), strings.Repeat("y", 4000), 100, 0},
			"large and new":    {strings.Repeat("x", 5000), "", 100, 0},
			"dir/new":          {"content", "", 100, 0},
			"dir/there":        {"content", "CONTENT", 100, 10},
			"new dir/sub/new":  {"content", "", 100, 0},
			"gone dir/file":    {"", "old", 0, 100},
		} {
			const now = 1_500_000_000
			write := func(dir, content string, at int64) {
				p := filepath.Join(dir, strings.ReplaceAll(name, "new/empty", "new.empty"))
				writeFile(t, p, content)
				setTimes(t, p, at, 0)
			}
			if c.newAge > 0 {
				write(src, c.new, now-c.newAge)
			}
			if c.old != "" {
				write(old, c.old, now-c.newAge+c.after)
			}
		}
		check(t, os.Symlink("there", filepath.Join(src, "dir/link")))
		check(t, os.Symlink("elsewhere", filepath.Join(old, "dir/link")))
		check(t, os.Symlink("there", filepath.Join(src, "dir/new link")))
		for _, d := range []string{src, old} {
			for _, p := range []string{"dir/link", "dir/new link", "new dir/sub", "new dir", "gone dir", "dir", "."} {
				if _, err := os.Lstat(filepath.Join(d, p)); err == nil {
					setTimes(t, filepath.Join(d, p), 1_400_000_000, 0)
				}
			}
		}
	}
}

// TestSelection has options choose what is transferred, with what stock makes of
// them in every way.
func TestSelection(t *testing.T) {
	b := newBeside(t, selectionTree(t))
	for _, options := range []string{
		"--modify-window=0", "--size-only", "-I", "--size-only -I", "-c -I", "-c --size-only", "--existing", "--ignore-non-existing", "--ignore-existing",
		"--existing --ignore-existing", "--existing --delete", "--ignore-existing --delete", "--max-size=4999", "--max-size=5k-120", "--min-size=8",
		"--max-size=10 --min-size=1", "--min-size=4999+1 --delete", "--max-size=0", "--modify-window=1", "-@10", "-u", "-u --modify-window=1",
		"-u --existing", "-n -I", "-n --existing --delete", "-n --max-size=10",
	} {
		t.Run(options, func(t *testing.T) { b.run(t, strings.Fields(options)...) })
	}
}

// TestSelectionOfLinks is the same for names of one file.
func TestSelectionOfLinks(t *testing.T) {
	b := newBeside(t, func(src, old string) {
		writeFile(t, filepath.Join(src, "1"), "content")
		setTimes(t, filepath.Join(src, "1"), 1_500_000_000, 0)
		for _, name := range []string{"2", "3", "4"} {
			check(t, os.Link(filepath.Join(src, "1"), filepath.Join(src, name)))
		}
		for name, at := range map[string]int64{"1": 1_600_000_000, "2": 1_400_000_000, "3": 1_500_000_000} {
			writeFile(t, filepath.Join(old, name), "CONTENT "+name)
			setTimes(t, filepath.Join(old, name), at, 0)
		}
		for _, d := range []string{src, old} {
			setTimes(t, d, 1_400_000_000, 0)
		}
	})
	b.links = true
	for _, options := range []string{"-I", "--existing", "--ignore-existing", "-u", "--max-size=3", "--size-only"} {
		t.Run(options, func(t *testing.T) { b.run(t, strings.Fields(options)...) })
	}
}

// TestOnlyDelete deletes what the source lacks, although a file that is to stay
// stands where the source has a directory, if nothing is to be made in any case.
func TestOnlyDelete(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	writeTree(t, src, map[string]string{"way/file": "x", "z/file": "x"})
	ways(t, src, dst, func(t *testing.T, sync func(...string) result) {
		for _, options := range []string{"--ignore-existing --delete", "--existing --ignore-existing --delete"} {
			writeTree(t, dst, map[string]string{"way": "x", "gone": "x", "z/gone": "x"})
			wantExit(t, sync(strings.Fields(options)...), 23)
			wantFile(t, filepath.Join(dst, "way"), "x")
			for _, name := range []string{"gone", "z/gone"} {
				if _, there := readFile(t, filepath.Join(dst, name)); there != (options[2] == 'i') {
					t.Errorf("%s: %s is there: %t", options, name, there)
				}
			}
		}
	})
}
