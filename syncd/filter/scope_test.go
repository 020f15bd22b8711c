package filter

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
)

// filesOf opens files that are in memory.
func filesOf(files map[string]string) opener {
	return func(name string) (io.ReadCloser, error) {
		text, ok := files[name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return io.NopCloser(strings.NewReader(text)), nil
	}
}

// enter walks down path from the root; files are named by their path.
func enter(l *List, path string, files map[string]string) (*Scope, error) {
	in := func(dir string) opener {
		local := make(map[string]string)
		for name, text := range files {
			if base, ok := strings.CutPrefix(name, dir); ok && !strings.Contains(base, "/") || strings.HasPrefix(name, "/") {
				local[base] = text
			}
		}
		return filesOf(local)
	}
	scope, err := l.Enter(nil, "", in(""))
	for i := 0; i <= len(path) && path != "" && err == nil; i++ {
		if i == len(path) || path[i] == '/' {
			scope, err = l.Enter(scope, path[:i], in(path[:i]+"/"))
		}
	}
	return scope, err
}

func TestPerDirectoryRules(t *testing.T) {
	tests := []struct {
		name  string
		rules []string
		files map[string]string
		dir   string
		want  map[string]Verdict // by path
	}{
		{"rules are inherited", []string{": .r"}, map[string]string{".r": "- x"}, "a/b",
			map[string]Verdict{"a/b/x": Exclude, "a/b/y": None}},
		{"n keeps rules to the directory", []string{":n .r"}, map[string]string{".r": "- x"}, "a",
			map[string]Verdict{"a/x": None}},
		{"deeper files come first", []string{": .r"}, map[string]string{".r": "- x\n- y", "a/.r": "+ x"}, "a",
			map[string]Verdict{"a/x": Include, "a/y": Exclude}},
		{"! clears what is inherited", []string{": .r", "- z"}, map[string]string{".r": "- x", "a/.r": "- y\n!\n- w"}, "a",
			map[string]Verdict{"a/x": None, "a/y": None, "a/w": Exclude, "a/z": Exclude}},
		{"files act at the place of their rule", []string{"+ x", ": .r", "+ y"}, map[string]string{".r": "- x\n- y"}, "",
			map[string]Verdict{"x": Include, "y": Exclude}},
		{"anchors are at the file's directory", []string{": .r"}, map[string]string{"a/.r": "- /x"}, "a/b",
			map[string]Verdict{"a/x": Exclude, "a/b/x": None}},
		{"anchors in a directory that looks like a pattern", []string{": .r"}, map[string]string{"[a]*/.r": "- /x*"}, "[a]*",
			map[string]Verdict{"[a]*/xy": Exclude, "a/xy": None}},
		{"bare patterns", []string{":- .r"}, map[string]string{".r": "x\n+ y\n#z\n"}, "",
			map[string]Verdict{"x": Exclude, "+ y": Exclude, "y": None, "#z": None}},
		{"words", []string{":w .r"}, map[string]string{".r": "- x + y\n-_z"}, "",
			map[string]Verdict{"x": Exclude, "y": Include, "z": Exclude}},
		{"cvsignore", []string{":C"}, map[string]string{".cvsignore": "x ! y\tz"}, "",
			map[string]Verdict{"x": None, "y": Exclude, "z": Exclude}},
		{"e excludes the file", []string{":e .r"}, map[string]string{".r": "- x"}, "a",
			map[string]Verdict{"a/.r": Exclude, "a/x": Exclude}},
		{"a file may add a per-directory file", []string{": .r"}, map[string]string{".r": ": .s\n- x", "a/.s": "+ x"}, "a",
			map[string]Verdict{"a/x": Include, "a/y": None}},
		{"a file that is named twice is read once", []string{":n .r", ": .r"}, map[string]string{".r": "- x"}, "a",
			map[string]Verdict{"a/x": None}},
		{"! forgets the files that were added", []string{": .r"}, map[string]string{".r": ": .s\n!\n: .s", ".s": "- x"}, "",
			map[string]Verdict{"x": Exclude}},
		{"a file may merge one beside it", []string{": .r"}, map[string]string{".r": ". s", "s": "- x"}, "a",
			map[string]Verdict{"a/x": Exclude}},
		{"modifiers of the rule are handed down", []string{":s .r"}, map[string]string{".r": "- x\n!\n- y"}, "",
			map[string]Verdict{"y": Exclude}},
		{"! on the list drops per-directory files", []string{": .r", "!", "- y"}, map[string]string{".r": "- x"}, "",
			map[string]Verdict{"x": None, "y": Exclude}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			scope, err := enter(listOf(t, test.rules...), test.dir, test.files)
			if err != nil {
				t.Fatal(err)
			}
			for path, want := range test.want {
				if got := scope.Match(path, false, Sender); got != want {
					t.Errorf("%q: got %v, want %v", path, got, want)
				}
			}
		})
	}
}

func TestScopeScansParents(t *testing.T) {
	files := map[string]string{
		"/.r":           "- /srv/data/x\n- top",
		"/srv/.r":       "- /data/y\n- /y",
		"/srv/data/.r":  "- wrong", // the root's own file is read by its bare name
		".r":            "+ top",
		"/srv/other/.r": "- wrong",
	}
	tests := []struct {
		rule, root string
		want       map[string]Verdict
	}{
		{": /.r", "/srv/data", map[string]Verdict{"x": Exclude, "y": Exclude, "a/x": None, "top": Include, "wrong": None}},
		{": ../.r", "/srv/data/", map[string]Verdict{"x": None, "y": Exclude, "top": Include}},
		{":n ../.r", "/srv/data/", map[string]Verdict{"y": None, "top": Include}},
		{": .r", "/srv/data", map[string]Verdict{"x": None, "y": None, "top": Include}},
		{": /srv/other/.r", "/srv/data", map[string]Verdict{"x": None, "y": None, "top": Include, "wrong": None}},
		{": /srv/data/.r", "/srv/data", map[string]Verdict{"top": Include, "wrong": None}},
		{": /.r", "/", map[string]Verdict{"srv/data/x": None, "top": Include}},
		{": /.r", "", map[string]Verdict{"x": None, "top": Include}},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s at %q", test.rule, test.root), func(t *testing.T) {
			l := &List{Root: test.root}
			if err := l.AddRule(test.rule); err != nil {
				t.Fatal(err)
			}
			scope, err := l.Enter(nil, "", filesOf(files))
			if err != nil {
				t.Fatal(err)
			}
			for path, want := range test.want {
				if got := scope.Match(path, false, Sender); got != want {
					t.Errorf("%q: got %v, want %v", path, got, want)
				}
			}
		})
	}
}

func TestEnterReturnsParentWhereNothingIsAdded(t *testing.T) {
	for _, rule := range []string{"- a", ": .r"} {
		l := listOf(t, rule)
		top, err := l.Enter(nil, "", filesOf(map[string]string{".r": "- a"}))
		if err != nil {
			t.Fatal(err)
		}
		below, err := l.Enter(top, "x", filesOf(nil))
		if err != nil || below != top {
			t.Errorf("rule %q: another scope, %v", rule, err)
		}
		if n := testing.AllocsPerRun(10, func() { _, _ = l.Enter(top, "x", filesOf(nil)) }); rule == "- a" && n > 1 {
			t.Errorf("rule %q: %v allocations", rule, n)
		}
	}
}

func TestEnterErrors(t *testing.T) {
	failing := errors.New("disk on fire")
	var many strings.Builder
	for i := range maxMerges + 1 {
		fmt.Fprintf(&many, ": .r%d\n", i)
	}
	tests := []struct {
		name, rule, file string
		openErr          error
		want             string
	}{
		{"a bad rule", ": .r", "- a\nsecret", nil,
			`filter rules of directory "": merge file .r: line 2: filter rule: begins with no known rule name`},
		{"a side inside a file for one side", ":s .r", "-r a", nil,
			`filter rules of directory "": merge file .r: line 1: filter rule: names a side, and so does the merge rule of its file`},
		{"a file elsewhere", ": .r", ". ../x", nil,
			`filter rules of directory "": merge file .r: line 1: filter rule: a per-directory file cannot merge files of other directories`},
		{"a file that cannot be opened", ": .r", "", failing,
			`filter rules of directory "": merge file: disk on fire`},
		{"too many files", ": .r", many.String(), nil,
			`filter rules of directory "": merge file .r: line 64: too many filter rules: more than 64 per-directory files`},
		{"a file that merges itself", ": .r", ". .r", nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			open := filesOf(map[string]string{".r": test.file})
			if test.openErr != nil {
				open = func(string) (io.ReadCloser, error) { return nil, test.openErr }
			}
			scope, err := listOf(t, test.rule).Enter(nil, "", open)
			if scope != nil || err == nil {
				t.Fatalf("got %v, %v", scope, err)
			}
			if test.want == "" {
				if !errors.Is(err, ErrTooManyRules) {
					t.Errorf("got %v", err)
				}
			} else if err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if test.openErr != nil && !errors.Is(err, test.openErr) {
				t.Error("the cause is lost")
			}
		})
	}
}
