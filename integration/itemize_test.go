package integration

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sampleTree makes a small tree with most of what real ones have. Nothing in
// it is new: stock rsync does not set times that are right to the second.
func sampleTree(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "src")
	for i := range 40 {
		randomFile(t, filepath.Join(dir, fmt.Sprintf("d%d/sub/file%d.%s", i%4, i, []string{"txt", "bak", "o"}[i%3])), i*700, byte(i))
	}
	addOddities(t, dir)
	check(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		setTimes(t, path, 1_400_000_000+int64(len(path)), 0)
		return err
	}))
	return dir
}

// copyOf is an exact copy of a directory.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	mustRun(t, "cp", "-a", dir, to)
	return to
}

// TestItemize compares what -i shows with what stock rsync shows for the same
// changes, and checks that -n changes nothing.
func TestItemize(t *testing.T) {
	src := sampleTree(t)
	old := copyOf(t, src)
	churn(t, src, 60, 7)
	ours, stocks := copyOf(t, old), copyOf(t, old)
	want := itemized(t, "rsync", "-aHAXi", "--delete", src+"/", stocks+"/")

	before := snapshot(t, ours)
	dry := itemized(t, program, "sync", "-HAXin", "--delete", src+"/", ours+"/")
	if after := snapshot(t, ours); after != before {
		t.Errorf("-n changed something:\n%s", after)
	}
	wet := itemized(t, program, "sync", "-HAXi", "--delete", src+"/", ours+"/")
	diffLines(t, "-n", dry, want)
	diffLines(t, "the run", wet, want)
	judge(t, src, ours)
	t.Logf("%d itemized lines, equal to stock rsync's", len(want))
}

func sortedLines(s string) []string {
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	slices.Sort(lines)
	return lines
}

// itemized runs a command and returns its itemized lines. Which of several new
// names of one file comes first, and gets its content, is the program's choice.
func itemized(t *testing.T, command ...string) []string {
	t.Helper()
	var lines []string
	for line := range strings.Lines(mustRun(t, command...)) {
		line, _, _ = strings.Cut(strings.TrimSuffix(line, "\n"), " => ")
		lines = append(lines, strings.Replace(line, "hf+++++++++", ">f+++++++++", 1))
	}
	slices.Sort(lines)
	return lines
}

func diffLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, l := range got {
		if !slices.Contains(want, l) {
			t.Errorf("%s: only ours:  %s", what, l)
		}
	}
	for _, l := range want {
		if !slices.Contains(got, l) {
			t.Errorf("%s: only stock: %s", what, l)
		}
	}
}

// TestFilters compares what arrives under filter rules with what stock rsync
// copies.
func TestFilters(t *testing.T) {
	src := sampleTree(t)
	check(t, os.RemoveAll(filepath.Join(src, "odd/special"))) // large, and no matter of rules
	setTimes(t, filepath.Join(src, "odd"), 1_400_000_000, 0)
	rules := filepath.Join(t.TempDir(), "rules")
	writeFile(t, rules, "# comment\n*.bak\n\n+ d0/sub/file0*\nd0/sub/*\n; comment\n- /d3/\n")
	d := serveDir(t, src)
	for _, args := range [][]string{
		{"--exclude=*.bak"},
		{"--exclude=sub/"},
		{"--exclude=/d1"},
		{"--exclude=d?/sub/file1*"},
		{"--exclude=**/file[0-3]?.*"},
		{"--include=*/", "--include=*.txt", "--exclude=*"},
		{"--include=/d2/", "--include=/d2/***", "--exclude=*"},
		{"--exclude-from=" + rules},
		{"--exclude=*.o", "--exclude-from=" + rules, "--include=*.bak"},
		{"--exclude=new*", `--exclude=back\\slash`},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			for way, from := range map[string]string{"local": src + "/", "pull": d.url("m/")} {
				ours, stocks := t.TempDir(), t.TempDir()
				mustRun(t, append(append([]string{"rsync", "-aHAX"}, args...), src+"/", stocks+"/")...)
				mustSync(t, append(args, "-HAX", from, ours+"/")...)
				judge(t, stocks, ours)
				// What is excluded is not deleted either.
				writeFile(t, filepath.Join(ours, "d1/sub/extra.bak"), "x")
				writeFile(t, filepath.Join(stocks, "d1/sub/extra.bak"), "x")
				mustRun(t, append(append([]string{"rsync", "-aHAX", "--delete"}, args...), src+"/", stocks+"/")...)
				mustSync(t, append(args, "-HAX", "--delete", from, ours+"/")...)
				if a, b := names(t, ours), names(t, stocks); a != b {
					t.Errorf("%s: with --delete there is\n%s\nstock has\n%s", way, a, b)
				}
			}
		})
	}
}

// names is all that is below dir, as text.
func names(t *testing.T, dir string) string {
	t.Helper()
	return strings.Join(sortedLines(mustRun(t, "find", dir, "-printf", "%P\n")), "\n")
}
