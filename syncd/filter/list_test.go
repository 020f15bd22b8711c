package filter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listOf makes a list of --filter rules.
func listOf(t *testing.T, rules ...string) *List {
	t.Helper()
	var l List
	for _, rule := range rules {
		if err := l.AddRule(rule); err != nil {
			t.Fatal(err)
		}
	}
	return &l
}

func TestFirstMatchDecides(t *testing.T) {
	l := listOf(t, "+ keep.o", "- *.o", "- /tmp/", "+ *")
	for path, want := range map[string]Verdict{
		"keep.o": Include, "a/keep.o": Include, "a/b.o": Exclude, "tmp": Exclude, "x": Include, "": None, ".": None,
	} {
		if got := l.Match(path, path == "tmp", Sender); got != want {
			t.Errorf("%q: got %v, want %v", path, got, want)
		}
	}
	if got := listOf(t, "- a").Match("b", false, Sender); got != None {
		t.Errorf("no rule matches: got %v", got)
	}
}

func TestSides(t *testing.T) {
	tests := []struct {
		rule                       string
		deleteExcluded             bool
		sender, receiver, removing Verdict
	}{
		{"- a", false, Exclude, Exclude, Exclude},
		{"+ a", false, Include, Include, Include},
		{"-s a", false, Exclude, None, None},
		{"-r a", false, None, Exclude, Exclude},
		{"-sr a", false, Exclude, Exclude, Exclude},
		{"-p a", false, Exclude, Exclude, None},
		{"H a", false, Exclude, None, None},
		{"hide a", false, Exclude, None, None},
		{"S a", false, Include, None, None},
		{"show,p a", false, Include, None, None},
		{"P a", false, None, Exclude, Exclude},
		{"protect,p a", false, None, Exclude, None},
		{"R a", false, None, Include, Include},
		{"risk_a", false, None, Include, Include},
		{"-! b", false, Exclude, Exclude, Exclude},
		{"-! a", false, None, None, None},
		{"-! a/", false, Exclude, Exclude, Exclude}, // a is no directory
		{"-x a", false, None, None, None},
		{"- a", true, Exclude, None, None},
		{"-r a", true, None, Exclude, Exclude},
		{"-sr a", true, Exclude, Exclude, Exclude},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s, delete excluded %v", test.rule, test.deleteExcluded), func(t *testing.T) {
			l := listOf(t, test.rule)
			l.DeleteExcluded = test.deleteExcluded
			for side, want := range []Verdict{test.sender, test.receiver, test.removing} {
				if got := l.Match("a", false, Side(side)); got != want {
					t.Errorf("side %d: got %v, want %v", side, got, want)
				}
			}
		})
	}
}

func TestXattrRulesAreForXattrs(t *testing.T) {
	l := listOf(t, "- user.a", "-xs user.*")
	scope, err := l.Enter(nil, "", filesOf(nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := scope.MatchXattr("user.a", Sender); got != Exclude {
		t.Errorf("sender: got %v", got)
	}
	if got := scope.MatchXattr("user.a", Receiver); got != None {
		t.Errorf("receiver: got %v", got)
	}
	if got := l.Match("user.b", false, Sender); got != None {
		t.Errorf("path: got %v", got)
	}
	if !l.HasXattrRules() || listOf(t, "- a").HasXattrRules() {
		t.Error("HasXattrRules is wrong")
	}
}

func TestOldNotation(t *testing.T) {
	tests := []struct {
		name        string
		add         func(l *List) error
		a, dash     Verdict // of "a" and of "-a"
		exclamation Verdict // of "!a"
	}{
		{"exclude", func(l *List) error { return l.AddExclude("a") }, Exclude, None, None},
		{"include", func(l *List) error { return l.AddInclude("a") }, Include, None, None},
		{"exclude that includes", func(l *List) error { return l.AddExclude("+ a") }, Include, None, None},
		{"include that excludes", func(l *List) error { return l.AddInclude("- a") }, Exclude, None, None},
		{"a dash without a space is of the pattern", func(l *List) error { return l.AddExclude("-a") }, None, Exclude, None},
		{"an exclamation mark and more is a pattern", func(l *List) error { return l.AddExclude("!a") }, None, None, Exclude},
		{"an exclamation mark clears", func(l *List) error {
			return errors.Join(l.AddExclude("a"), l.AddExclude("!"), l.AddExclude("-a"))
		}, None, Exclude, None},
		{"nothing", func(l *List) error { return l.AddExclude("") }, None, None, None},
		{"from lines", func(l *List) error {
			return l.AddFrom(strings.NewReader("; a\n#a\n\r\n+ a\n-a\n\n!a"), false, false)
		}, Include, Exclude, Exclude},
		{"include from lines", func(l *List) error { return l.AddFrom(strings.NewReader("a\r- -a\r"), true, false) }, Include, Exclude, None},
		{"from lines that clear", func(l *List) error { return l.AddFrom(strings.NewReader("a\n!\n!a\n"), false, false) }, None, None, Exclude},
		{"from NUL", func(l *List) error { return l.AddFrom(strings.NewReader("a\x00#-a\x00!a\x00x\ny"), false, true) }, Exclude, None, Exclude},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var l List
			if err := test.add(&l); err != nil {
				t.Fatal(err)
			}
			for path, want := range map[string]Verdict{"a": test.a, "-a": test.dash, "!a": test.exclamation} {
				if got := l.Match(path, false, Sender); got != want {
					t.Errorf("%q: got %v, want %v", path, got, want)
				}
			}
		})
	}
}

func TestExcludedSeesTheWayThere(t *testing.T) {
	l := listOf(t, "- /secret/", "+ a/keep", "- /a/*")
	for path, want := range map[string]bool{
		"secret": true, "secret/x/y": true, "other/secret": false, "a/keep": false, "a/keep/x": false, "a/b/c": true, "a": false, "": false,
	} {
		if got := l.Excluded(path, true, Sender); got != want {
			t.Errorf("%q: got %v, want %v", path, got, want)
		}
	}
}

func TestMergeFile(t *testing.T) {
	dir := t.TempDir()
	inner, outer, self := filepath.Join(dir, "inner"), filepath.Join(dir, "outer"), filepath.Join(dir, "self")
	writeFile(t, inner, "# comment\n;comment\n\n- x\n+ y\r\n")
	writeFile(t, outer, "- a\nmerge,- "+inner+"\n- b\n")
	writeFile(t, self, ". "+self+"\n")

	l := listOf(t, ". "+outer)
	for path, want := range map[string]Verdict{"a": Exclude, "b": Exclude, "x": None, "- x": Exclude, "+ y": Exclude, "y": None} {
		if got := l.Match(path, false, Sender); got != want {
			t.Errorf("%q: got %v, want %v", path, got, want)
		}
	}
	l = listOf(t, "merge,es "+inner)
	for path, want := range map[string]Verdict{"inner": Exclude, "x": None} {
		if got := l.Match(path, false, Receiver); got != want {
			t.Errorf("%q: got %v, want %v", path, got, want)
		}
	}

	if err := new(List).AddRule(". " + self); !errors.Is(err, ErrTooManyRules) {
		t.Errorf("a file that merges itself: %v", err)
	}
	if err := new(List).AddRule(". " + filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	nul := &List{From0: true}
	writeFile(t, inner, "- x\x00- y\nz\x00")
	if err := nul.AddRule("merge " + inner); err != nil {
		t.Fatal(err)
	}
	if nul.Match("x", false, Sender) != Exclude || nul.Match("y\nz", false, Sender) != Exclude {
		t.Error("a file with NUL is not split there")
	}
}

func TestErrorsFromFilesHaveLinesAndNoContent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules")
	writeFile(t, file, "- ok\n\n# x\nroot:secret:0\n")
	want := "merge file " + file + ": line 4: filter rule: begins with no known rule name"
	if err := new(List).AddRule(". " + file); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	long := strings.Repeat("x", maxText+1)
	err := new(List).AddFrom(strings.NewReader("a\n"+long+"\n"), false, false)
	if want := "line 2: filter rule: longer than 5119 bytes"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestCVS(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("CVSIGNORE", "fromenv *.env")
	writeFile(t, filepath.Join(home, ".cvsignore"), "fromhome\n*.home\tx")
	var l List
	if err := errors.Join(l.AddRule("+ keep.o"), l.AddCVS()); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		path               string
		isDir              bool
		receiver, removing Verdict
	}{
		{"keep.o", false, Include, Include},
		{"a.o", false, Exclude, None}, // perishable
		{"core", false, Exclude, None},
		{".git", true, Exclude, None},
		{".git", false, None, None},
		{"fromhome", false, Exclude, Exclude},
		{"a.env", false, Exclude, Exclude},
		{"x", false, Exclude, Exclude},
		{"y", false, None, None},
	}
	for _, test := range tests {
		if got := l.Match(test.path, test.isDir, Receiver); got != test.receiver {
			t.Errorf("%q: got %v, want %v", test.path, got, test.receiver)
		}
		if got := l.Match(test.path, test.isDir, Removing); got != test.removing {
			t.Errorf("%q, removing: got %v, want %v", test.path, got, test.removing)
		}
	}
	t.Setenv("CVSIGNORE", "! only")
	l = List{}
	if err := l.AddRule("-C"); err != nil {
		t.Fatal(err)
	}
	if l.Match("a.o", false, Sender) != None || l.Match("only", false, Sender) != Exclude {
		t.Error("\"!\" in CVSIGNORE does not clear CVS's patterns")
	}
	if err := os.Remove(filepath.Join(home, ".cvsignore")); err != nil {
		t.Fatal(err)
	}
	if err := new(List).AddCVS(); err != nil {
		t.Errorf("without $HOME/.cvsignore: %v", err)
	}
}

func TestMemoryOfAListIsBounded(t *testing.T) {
	var l List
	text := "- " + strings.Repeat("[!ab]*", 600)
	for range 1 << 20 {
		err := l.ParseWire(text)
		if errors.Is(err, ErrTooManyRules) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Error("a million long rules were taken")
}
