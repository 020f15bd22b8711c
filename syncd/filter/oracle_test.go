package filter

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// stock returns the stock rsync that the tests compare with.
func stock(t *testing.T) string {
	t.Helper()
	bin, err := exec.LookPath("rsync")
	if err != nil {
		t.Fatalf("the stock peer is missing: %v", err)
	}
	version, err := exec.Command(bin, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := bytes.Cut(version, []byte("\n"))
	t.Logf("compared with %s", line)
	return bin
}

// names are what the generated trees consist of: few, so that rules hit.
var names = []string{"a", "b", "c", "ab", "abc", "foo", "foo.o", "a.o", ".x", "b-c", "B", "1", "a b", "b]", "a[b", `a\b`, "x_1", "*"}

// randomTree makes a tree of three levels below dir, with merge files.
func randomTree(t *testing.T, r *rand.Rand, dir string, depth int) {
	t.Helper()
	for _, name := range names {
		file := filepath.Join(dir, name)
		switch {
		case r.IntN(3) == 0:
		case depth > 0 && r.IntN(5) < 2:
			if err := os.Mkdir(file, 0o755); err != nil {
				t.Fatal(err)
			}
			randomTree(t, r, file, depth-1)
		default:
			writeFile(t, file, "")
		}
	}
	// Stock takes the directory of a merge file for a part of its anchored
	// patterns: "/foo" does not work in a directory named "a[b".
	special := strings.ContainsAny(dir, `*[\`)
	for _, name := range []string{".rules", ".words", ".cvsignore"} {
		if r.IntN(4) > 0 || special {
			continue
		}
		var b strings.Builder
		for range 1 + r.IntN(3) {
			switch name {
			case ".rules":
				fmt.Fprintf(&b, "%s\n", randomRule(r, false))
			case ".words":
				fmt.Fprintf(&b, "%s\n\n; comment\n#\n", randomPattern(r))
			default:
				fmt.Fprintf(&b, "%s ", strings.ReplaceAll(randomPattern(r), " ", "?"))
			}
		}
		writeFile(t, filepath.Join(dir, name), b.String())
	}
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// randomPattern makes a pattern from pieces that interact.
func randomPattern(r *rand.Rand) string {
	var b strings.Builder
	if r.IntN(4) == 0 {
		b.WriteString("/")
	}
	element := func() {
		for range 1 + r.IntN(3) {
			switch r.IntN(8) {
			case 0, 1:
				b.WriteString(pick(r, names...))
			case 2:
				b.WriteString("*")
			case 3:
				b.WriteString(pick(r, "a", "b", "o", ".", "_"))
			case 4:
				b.WriteString(pick(r, "?", "?", `\*`, `\a`, `\`, "-", "]"))
			case 5:
				b.WriteString(pick(r, "**", "**", "***"))
			case 6:
				b.WriteString(pick(r, "[abc]", "[!a]", "[^b-z]", "[[:alpha:]]", "[[:digit:]_]", "[]b]", "[a-]", `[\]]`, "[a", "[[:x:]]",
					"[!]]", "[[:upper:][:punct:]]", "[-a]", "[a-c-z]", "[[:]", "[/]", "[[:space:]]", "[+--]", `[a-\c]`))
			case 7:
				b.WriteString(pick(r, "**/", "/**", "a*o"))
			}
		}
	}
	element()
	for r.IntN(3) == 0 {
		b.WriteString("/")
		element()
	}
	b.WriteString(pick(r, "", "", "", "", "/", "/", "/***", "/**", "***"))
	return b.String()
}

// randomRule makes a --filter rule; merges says whether it may be a dir-merge
// or CVS rule.
func randomRule(r *rand.Rand, merges bool) string {
	if merges && r.IntN(4) == 0 {
		return pick(r, ": .rules", ":e .rules", ":n .rules", ":- .words", ":+n .words", "dir-merge,- .words", ":C", "-C", ":s- .words",
			":p .rules", ":/ .rules", "!", ": /.rules", ":rs- .words", ":-w .cvsignore", ":n- .words")
	}
	verb := pick(r, "-", "-", "-", "+", "+", "H", "S", "P", "R", "exclude", "include,", "hide", "protect", "show", "risk,")
	mods := ""
	if r.IntN(4) == 0 {
		mods = pick(r, "!", "/", "p", "!p", "x")
		if verb == "-" || verb == "+" {
			mods += pick(r, "", "s", "r", "rs")
		} else if !strings.HasSuffix(verb, ",") {
			mods = "," + mods
		}
	}
	return strings.TrimSuffix(verb+mods, ",") + pick(r, " ", " ", "_") + randomPattern(r)
}

// openIn opens merge files the way a walk in the tree at root does.
func openIn(root, dir string) opener {
	return func(name string) (io.ReadCloser, error) {
		if !path.IsAbs(name) {
			name = filepath.Join(root, dir, name)
		}
		info, err := os.Stat(name)
		if err == nil && !info.Mode().IsRegular() {
			return nil, fs.ErrNotExist
		}
		return os.Open(name)
	}
}

// walk returns the paths of the tree at root that l lets through, directories
// with a slash at the end.
func walk(t *testing.T, l *List, root string) []string {
	t.Helper()
	var got []string
	var visit func(parent *Scope, dir string)
	visit = func(parent *Scope, dir string) {
		scope, err := l.Enter(parent, dir, openIn(root, dir))
		if err != nil {
			t.Fatalf("Enter(%q): %v", dir, err)
		}
		for _, e := range readDir(t, filepath.Join(root, dir)) {
			p := path.Join(dir, e.Name())
			if scope.Match(p, e.IsDir(), Sender) == Exclude {
				continue
			}
			if e.IsDir() {
				got = append(got, p+"/")
				visit(scope, p)
			} else {
				got = append(got, p)
			}
		}
	}
	visit(nil, "")
	slices.Sort(got)
	return got
}

func readDir(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// doomed returns the paths of the tree at dst that --delete removes if the
// source is empty.
func doomed(t *testing.T, l *List, dst string) []string {
	t.Helper()
	var got []string
	// remove returns whether dir is empty afterwards.
	var remove func(parent *Scope, dir string, side Side) bool
	remove = func(parent *Scope, dir string, side Side) bool {
		scope, err := l.Enter(parent, dir, openIn(dst, dir))
		if err != nil {
			t.Fatalf("Enter(%q): %v", dir, err)
		}
		empty := true
		for _, e := range readDir(t, filepath.Join(dst, dir)) {
			p := path.Join(dir, e.Name())
			switch {
			case scope.Match(p, e.IsDir(), side) == Exclude:
				empty = false
			case !e.IsDir():
				got = append(got, p)
			default:
				gone := remove(scope, p, Removing)
				// A dry run of stock does not see that a directory inside
				// a removed one is not empty, and names it all the same.
				if gone || side == Removing {
					got = append(got, p+"/")
				}
				empty = empty && gone
			}
		}
		return empty
	}
	remove(nil, "", Receiver)
	slices.Sort(got)
	return got
}

// stockRun is one run of stock rsync: its lines that have prefix, without it
// and without the root, sorted.
type stockRun struct {
	args   []string
	prefix string
	lines  []string
	err    error
}

func (s *stockRun) run(bin string) {
	var stderr bytes.Buffer
	cmd := exec.Command(bin, s.args...)
	cmd.Env = []string{"HOME=/nonexistent", "LC_ALL=C"}
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.err = fmt.Errorf("%w: %s", err, stderr.Bytes())
		return
	}
	for line := range strings.Lines(string(out)) {
		line, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), s.prefix)
		if ok && line != "./" {
			s.lines = append(s.lines, line)
		}
	}
	slices.Sort(s.lines)
}

// ruleSets is how many sets of rules TestSameAsStock compares.
var ruleSets = flag.Int("rulesets", 160, "how many sets of rules to compare with stock rsync")

// comparison is one set of rules on one tree.
type comparison struct {
	tree          int
	root          string
	rules         []string
	sent, deleted stockRun
}

// TestSameAsStock lets random rules choose from random trees, here and in
// stock rsync, on the sender and in a deletion.
func TestSameAsStock(t *testing.T) {
	bin := stock(t)
	t.Setenv("HOME", "/nonexistent")
	t.Setenv("CVSIGNORE", "")
	const seed, setsPerTree = 20261122, 20
	var all []*comparison
	for tree := 0; len(all) < *ruleSets; tree++ {
		r := rand.New(rand.NewPCG(seed, uint64(tree)))
		all = append(all, comparisons(t, r, tree, setsPerTree)...)
	}

	// A run of stock waits for itself more than it works.
	var group sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, c := range all {
		group.Go(func() {
			slots <- struct{}{}
			c.sent.run(bin)
			c.deleted.run(bin)
			<-slots
		})
	}
	group.Wait()

	for _, c := range all {
		if err := errors.Join(c.sent.err, c.deleted.err); err != nil {
			t.Fatalf("rules %q: %v", c.rules, err)
		}
		l := &List{Root: c.root}
		for _, rule := range c.rules {
			if err := l.AddRule(rule); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := walk(t, l, c.root), c.sent.lines; !slices.Equal(got, want) {
			t.Errorf("tree %d, rules %q: sent\ntoo many %q\nmissing %q", c.tree, c.rules, diff(got, want), diff(want, got))
		}
		if got, want := doomed(t, l, c.root), c.deleted.lines; !slices.Equal(got, want) {
			t.Errorf("tree %d, rules %q: deleted\ntoo many %q\nmissing %q", c.tree, c.rules, diff(got, want), diff(want, got))
		}
	}
	t.Logf("%d sets of rules, seed %d", len(all), uint64(seed))
}

// comparisons makes a tree and sets of rules for it.
func comparisons(t *testing.T, r *rand.Rand, tree, sets int) []*comparison {
	t.Helper()
	base := t.TempDir()
	root, empty := filepath.Join(base, "tree"), filepath.Join(base, "empty")
	for _, dir := range []string{root, empty} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	randomTree(t, r, root, 2)
	var all []*comparison
	for range sets {
		c := &comparison{tree: tree, root: root}
		args := []string{"-8rn", "--out-format=%n"}
		for range 1 + r.IntN(5) {
			rule := randomRule(r, true)
			c.rules = append(c.rules, rule)
			args = append(args, "-f", rule)
		}
		c.sent.args = append(slices.Clone(args), root+"/", empty+"/")
		c.deleted.args = append(args, "--delete", empty+"/", root+"/")
		c.deleted.prefix = "deleting "
		all = append(all, c)
	}
	return all
}

// diff returns what is in a and not in b.
func diff(a, b []string) []string {
	var only []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			only = append(only, s)
		}
	}
	return only
}
