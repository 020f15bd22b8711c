package syncd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

func TestParseStockLocation(t *testing.T) {
	for s, want := range map[string]Location{
		"rsync://host/m/a/b":           {Stock: true, Host: "host:873", Module: "m", Path: "a/b"},
		"rsync://me@host:8873/m/":      {Stock: true, Host: "host:8873", User: "me", Module: "m"},
		"rsync://[::1]/m":              {Stock: true, Host: "[::1]:873", Module: "m"},
		"host::m/a":                    {Stock: true, Host: "host:873", Module: "m", Path: "a"},
		"me@host::m":                   {Stock: true, Host: "host:873", User: "me", Module: "m"},
		"host::":                       {Stock: true, Host: "host:873"},
		"host:path/x":                  {Stock: true, Shell: true, Host: "host", Path: "path/x"},
		"me@host:":                     {Stock: true, Shell: true, Host: "host", User: "me"},
		"host:/abs":                    {Stock: true, Shell: true, Host: "host", Path: "/abs"},
		"./host:path":                  {Path: "./host:path"},
		"dir/with:colon":               {Path: "dir/with:colon"},
		"syncd://host/m":               {Host: "host:8730", Module: "m"},
		"rsync://host/m//double/slash": {Stock: true, Host: "host:873", Module: "m", Path: "double/slash"},
	} {
		got, err := ParseLocation(s)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "rsync://", "rsync:///m", "-oProxyCommand=x:path", "-l@host:path", "@:path"} {
		if got, err := ParseLocation(s); err == nil {
			t.Errorf("%q is taken for %+v", s, got)
		}
	}
}

func TestParseShell(t *testing.T) {
	for s, want := range map[string][]string{
		"ssh":                      {"ssh"},
		" ssh  -p 22 ":             {"ssh", "-p", "22"},
		`ssh -o "ProxyJump a b" x`: {"ssh", "-o", "ProxyJump a b", "x"},
		`'a "b'c ''`:               {`a "bc`, ""},
	} {
		got, err := ParseShell(s)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", s, got, err, want)
		}
	}
	for _, s := range []string{"", "  ", `ssh "x`} {
		if got, err := ParseShell(s); err == nil {
			t.Errorf("%q is taken for %q", s, got)
		}
	}
}

func TestExpandPaths(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"a/x.c", "a/y.c", "a/.hidden.c", "b/x.c", "secret/x.c", "star*", "back\\slash"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(p)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, p), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := tree.OpenRoot(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	hidden := new(filter.List)
	if err := hidden.AddExclude("/secret"); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string][]string{
		"":              {""},
		"/":             {""},
		".":             {""},
		"a":             {"a"},
		"a/":            {"a/"},
		"/a//./x.c":     {"a/x.c"},
		"a/.":           {"a/"},
		"a/*.c":         {"a/x.c", "a/y.c"},
		"a/.*":          {"a/.hidden.c"},
		"?/x.c":         {"a/x.c", "b/x.c"},
		"s*/x.c":        {"secret/x.c"},
		"secret/*":      nil,
		"none*":         nil,
		"none":          {"none"},
		`star\*`:        {"star*"},
		`back\\slash`:   {"back\\slash"},
		"[":             {"["},
		"a/[xy].c":      {"a/x.c", "a/y.c"},
		"a/none*/x":     nil,
		"star*/nothing": nil,
	} {
		got, err := expand(p, moduleOpener(root, hidden))
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", p, got, err, want)
		}
	}
	for _, p := range []string{"..", "a/../b", "../../etc/passwd", "a/.."} {
		if got, err := expand(p, moduleOpener(root, hidden)); err == nil {
			t.Errorf("%q is taken for %q", p, got)
		}
	}
}

// TestRefusedOptions checks that what can't be honoured is refused by its name,
// in the one direction that it concerns.
func TestRefusedOptions(t *testing.T) {
	for name, c := range map[string]struct {
		set        func(a *rsync.Args)
		pull, push bool
	}{
		"":                    {func(*rsync.Args) {}, false, false},
		"--relative":          {func(a *rsync.Args) { a.Relative = true }, true, true},
		"--files-from":        {func(a *rsync.Args) { a.FilesFrom = "-" }, true, true},
		"--iconv":             {func(a *rsync.Args) { a.Iconv = "x" }, true, true},
		"--remove-source":     {func(a *rsync.Args) { a.RemoveSource = true }, true, true},
		"--copy-links":        {func(a *rsync.Args) { a.CopyLinks = true }, true, false},
		"--temp-dir":          {func(a *rsync.Args) { a.TempDir = "x" }, false, true},
		"--fuzzy given twice": {func(a *rsync.Args) { a.Fuzzy = 2 }, false, true},
	} {
		for _, sender := range []bool{true, false} {
			a := &rsync.Args{Sender: sender}
			c.set(a)
			err := refuseOptions(a)
			if want := sender && c.pull || !sender && c.push; (err != nil) != want {
				t.Errorf("%s, sender %t: %v", name, sender, err)
			}
			if err != nil && (ExitCode(err) != ExitUnsupported || !strings.Contains(err.Error(), name)) {
				t.Errorf("%s: code %d, %v", name, ExitCode(err), err)
			}
		}
	}
}

// TestItemLines checks that what a stock receiving side reports reads as our
// own does.
func TestItemLines(t *testing.T) {
	e := wire.Entry{Name: "f", Mode: 0o100644}
	for _, i := range []item{
		{update: '<', isNew: true},
		{update: '<', content: true, change: tree.ChangeSize | tree.ChangeTime},
		{update: '.', change: tree.ChangePerms | tree.ChangeOwner | tree.ChangeGroup | tree.ChangeACL | tree.ChangeXattr},
		{update: 'c', isNew: true},
	} {
		rec := rsync.Record{IFlags: flagsOf(i)}
		switch i.update {
		case '<':
			rec.IFlags |= rsync.Transfer
		case 'c':
			rec.IFlags |= rsync.LocalChange
		}
		var got []string
		s := &stockItems{opt: &Options{Itemize: true}, session: &rsync.Session{Protocol: 31, Compat: rsync.SymlinkTimes}, note: func(n native.Note) { got = append(got, n.Text) }}
		s.item(rec, &rsync.File{Entry: e})
		if want := i.letters(&e) + " f"; len(got) != 1 || got[0] != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestSkipCompressSaid has a stock source be told what it need not compress.
func TestSkipCompressSaid(t *testing.T) {
	o := Options{SkipCompress: []string{"gz", "zip"}}
	head, tail := o.stockArgs(true).Build(rsync.MaxProtocol)
	if all := append(head, tail...); !slices.Contains(all, "--skip-compress=gz/zip") {
		t.Errorf("a source is told %q", all)
	}
}
