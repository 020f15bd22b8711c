package rsyncd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed9553035b/syncd/config"
)

// write makes files in a directory of the test.
func write(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestFiles has whole files come out as a configuration.
func TestFiles(t *testing.T) {
	yes, no := true, false
	debian := config.Default()
	debian.Listen, debian.Insecure, debian.Timeout = []string{":873"}, true, 0
	debian.Log.File, debian.MotdFile, debian.PidFile = "/var/log/rsyncd", "/etc/motd", "/var/run/rsyncd.pid"
	debian.Modules = []config.Module{{
		Name: "ftp", Path: "/var/www/pub", Comment: "public archive", ReadOnly: &yes, List: &yes, UID: "nobody", GID: []string{"nogroup"},
		StrictModes: &yes, Timeout: 10 * time.Minute, RefuseOptions: []string{"checksum", "dry-run"}, NumericIDs: true,
	}}
	mirror := config.Default()
	mirror.Listen, mirror.Insecure, mirror.Timeout = []string{"[::1]:8873"}, true, 0
	mirror.Modules = []config.Module{
		{
			Name: "deb ian", Path: "/srv/debian", MaxConnections: 50, UID: "mirror", GID: []string{"*"},
			Exclude: []string{"lost+found/", "- *.tmp", "+ /keep"}, Filter: []string{"- /secret", "merge /etc/rules", ".- /etc/more"},
			HostsAllow: []string{"10.0.0.0/8", "192.168.1.0/255.255.255.0", "*.example.org"}, HostsDeny: []string{"*"},
			OutgoingChmod: "Dug+rx,Fa-w", NumericIDs: true, MungeSymlinks: true,
		},
		{
			Name: "push", Path: "/home/%RSYNC_USER_NAME%/in", MaxConnections: -1, UID: "mirror", GID: []string{"*"}, ReadOnly: &no, WriteOnly: true,
			HostsAllow: []string{"10.0.0.0/8", "192.168.1.0/255.255.255.0", "*.example.org"}, HostsDeny: []string{"*"},
			AuthUsers: []string{"joe b:rw", "@staff:deny"}, SecretsFile: "/etc/rsyncd.secrets",
		},
	}
	odd := config.Default()
	odd.Listen, odd.Insecure, odd.Timeout = []string{":873"}, true, 0
	odd.Modules = []config.Module{{Name: "a", Path: "/a%%b", Comment: "second  half", UID: "nobody", GID: []string{"nogroup"}, NumericIDs: true}}
	for _, c := range []struct {
		file  string
		want  *config.Config
		notes []string
	}{
		{"debian.conf", debian, []string{
			"9: socket options: the kernel's defaults are used",
			"15: [ftp] lock file: connections are counted without a file",
			"22: [ftp] ignore nonreadable: what can't be read is listed, and reported when it is asked for",
			"24: [ftp] log format: there is one log line for each session",
		}},
		{"mirror.conf", mirror, []string{
			"28: [push] pre-xfer exec: no program is run before a transfer, so that none can refuse it",
		}},
		{"odd.conf", odd, []string{
			`1: the line has neither "=" nor a meaning: "nonsense"`,
			"2: bogus parameter: unknown parameter",
			`3: text behind the name of a module has no meaning: "behind"`,
			"5: [a] port: it belongs into the global part, and has no effect in a module",
		}},
	} {
		t.Run(c.file, func(t *testing.T) {
			file := filepath.Join("testdata", c.file)
			got, notes, err := Load(file, Options{Root: true})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
			var lines []string
			for _, n := range notes {
				lines = append(lines, strings.TrimPrefix(n.String(), file+":"))
				if unsafe := n.Name == "pre-xfer exec"; n.Unsafe != unsafe {
					t.Errorf("%s: unsafe is %v", n, n.Unsafe)
				}
			}
			if d := cmp.Diff(c.notes, lines); d != "" {
				t.Errorf("notes: want -, got +\n%s", d)
			}
		})
	}
}

// TestWriteLoadsAgain has the configuration that is written load to what was
// read.
func TestWriteLoadsAgain(t *testing.T) {
	for _, name := range []string{"debian.conf", "mirror.conf", "odd.conf"} {
		c, notes, err := Load(filepath.Join("testdata", name), Options{Root: true})
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := Write(&b, name, c, notes); err != nil {
			t.Fatal(err)
		}
		dir := write(t, map[string]string{"c.yaml": b.String()})
		again, err := config.Load(filepath.Join(dir, "c.yaml"))
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		var shown, want strings.Builder
		for c, to := range map[*config.Config]*strings.Builder{c: &want, again: &shown} {
			for i := range c.Modules {
				m := &c.Modules[i]
				m.ReadOnly, m.List, m.MaxVerbosity = new(m.IsReadOnly()), new(m.IsListed()), new(m.Verbosity())
				m.ReverseLookup, m.ForwardLookup, m.StrictModes = new(m.LooksUpNames()), new(m.LooksUpHosts()), new(m.IsStrict())
			}
			if err := c.Show(to); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(want.String(), shown.String()); d != "" {
			t.Errorf("%s: read -, written and read again +\n%s", name, d)
		}
		if len(notes) == 0 || !strings.Contains(b.String(), notes[0].Text) {
			t.Errorf("%s: the notes are not there:\n%s", name, b.String())
		}
	}
}

// TestDefaults covers what depends on use chroot, and on who the daemon is.
func TestDefaults(t *testing.T) {
	for _, c := range []struct {
		name, text              string
		root                    bool
		uid                     string
		numeric, munge, nothing bool
	}{
		{"root", "path = /a", true, "nobody", true, false, false},
		{"a user", "path = /a", false, "", false, true, false},
		{"no chroot", "path = /a\nuse chroot = no", true, "nobody", false, true, false},
		{"no chroot, of all there is", "path = /\nuse chroot = no", true, "nobody", false, false, false},
		{"a chroot of a user", "path = /a\nuse chroot = yes", false, "", true, false, false},
		{"a path inside a chroot", "path = /a/./b", true, "nobody", true, true, false},
		{"a path inside a chroot, of a user", "path = /a/./b", false, "", true, true, false},
		{"unset in so many words", "path = /a\nuse chroot = unset\nmunge symlinks = -1", true, "nobody", true, false, false},
		{"said otherwise", "path = /a\nuse chroot = no\nmunge symlinks = no\nnumeric ids = yes\nuid = 7", true, "7", true, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, map[string]string{"c": "[m]\n" + c.text})
			got, _, err := Load(filepath.Join(dir, "c"), Options{Root: c.root})
			if err != nil {
				t.Fatal(err)
			}
			m := got.Modules[0]
			if m.UID != c.uid || m.NumericIDs != c.numeric || m.MungeSymlinks != c.munge || (len(m.GID) > 0) != c.root {
				t.Errorf("%+v", m)
			}
		})
	}
}

// TestIncludes covers what included and merged files can change.
func TestIncludes(t *testing.T) {
	dir := write(t, map[string]string{
		"c":         "comment = first\n&merge DIR/d\n&include DIR/d\n[last]\npath = /l\n",
		"d/b.conf":  "comment = b's\n[b]\npath = /b\n",
		"d/a.conf":  "[a]\npath = /a\n",
		"d/m.inc":   "comment = merged\n",
		"d/ignored": "[c]\npath = /c\n",
		"in":        "[one]\n&merge DIR/body\n[two]\n&include\tDIR/body2\ncomment = of all behind\n[three]\npath = /3\n",
		"body":      "path = /1\n",
		"body2":     "[two]\npath = /2\n",
	})
	for file, want := range map[string]string{
		"c":  "a /a merged, b /b b's, last /l merged",
		"in": "one /1 , two /2 , three /3 of all behind",
	} {
		c, notes, err := Load(filepath.Join(dir, file), Options{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range c.Modules {
			got = append(got, m.Name+" "+m.Path+" "+m.Comment)
		}
		if strings.Join(got, ", ") != want || len(notes) > 0 {
			t.Errorf("%s: got %q, want %q; %v", file, got, want, notes)
		}
	}
}

// TestVariables covers %VAR%.
func TestVariables(t *testing.T) {
	t.Setenv("SET", "v%v")
	for value, want := range map[string][2]string{ // early, and for a path
		"%SET%":                {"v%v", "v%%v"},
		"%SET%%SET%":           {"v%vv%v", "v%%vv%%v"},
		"%UNSET%":              {"%UNSET%", "%UNSET%"},
		"100%":                 {"100%", "100%"},
		"a%%b":                 {"a%b", "a%%b"},
		"%%SET%%":              {"%SET%", "%%SET%%"},
		"%RSYNC_MODULE_NAME%":  {"m", "m"},
		"/h/%RSYNC_USER_NAME%": {"", "/h/%RSYNC_USER_NAME%"},
		"%UNSET%SET%":          {"%UNSETv%v", "%UNSETv%%v"},
	} {
		early, err := expandFor("comment", value, "m")
		if early != want[0] || (err != nil) != (want[0] == "") {
			t.Errorf("%s: got %q, %v", value, early, err)
		}
		if late, err := expandFor("path", value, "m"); late != want[1] || err != nil {
			t.Errorf("path %s: got %q, %v", value, late, err)
		}
	}
}

// TestOverrides covers parameters of the command line.
func TestOverrides(t *testing.T) {
	dir := write(t, map[string]string{"c": "port = 1\nlog file = /global\n[a]\npath = /a\n[b]\npath = /b\nlog file = /b.log\ncomment = own\n"})
	c, _, err := Load(filepath.Join(dir, "c"), Options{Set: []string{"port=2", "log file=/set", "comment=of the line"}})
	if err != nil {
		t.Fatal(err)
	}
	a, b := c.Modules[0], c.Modules[1]
	if c.Listen[0] != ":2" || c.Log.File != "/set" || a.Comment != "of the line" || b.Comment != "own" || b.LogFile != "/b.log" || a.LogFile != "/global" {
		t.Errorf("%+v", c)
	}
	for _, bad := range []string{"port", "nonsense=1", "&include=x", "[m]"} {
		if _, _, err := Load(filepath.Join(dir, "c"), Options{Set: []string{bad}}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestErrors has every error say where it is.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no bool", "[m]\npath = /m\nread only = maybe\n", `DIR/c:3: read only: "maybe" is neither yes nor no`},
		{"no number", "[m]\npath = /m\nMax Connections = x1\n", `DIR/c:3: Max Connections: "x1" is no whole number`},
		{"no port", "\nport = many\n", `DIR/c:2: port: "many" is no whole number`},
		{"a port beyond", "\nport = 99999\n", `no port between 0 and 65535`},
		{"no path", "[a]\npath = /a\n[m]\n", `DIR/c:3: [m]: the module has no path`},
		{"a relative path", "[m]\n\npath = m\n", `DIR/c:3: path: "m" is not an absolute path`},
		{"a relative log file", "log file = x\n", `DIR/c:1: log file: "x" is not an absolute path`},
		{"no passwords", "[m]\npath = /m\nauth users = x\n", `DIR/c:1: [m] secrets file: auth_users needs a file of passwords`},
		{"an open header", "[m\npath = /m\n", `DIR/c:1: the name of a module has no "]" behind it`},
		{"an empty header", "[ ]\n", `DIR/c:1: the name of the module is empty`},
		{"a slash in a header", "[a/b]\n", `DIR/c:1: the name of a module can't have a "/": "a/b"`},
		{"a value alone", "a = 1\n = 2\n", `DIR/c:2: a value without a parameter in front of the "="`},
		{"another directive", "&load x\n", `DIR/c:1: &load is neither &include nor &merge`},
		{"a directive for nothing", "&merge  \n", `DIR/c:1: &merge names no file or directory`},
		{"a file that is not there", "\n&include DIR/none\n", `DIR/c:2: stat DIR/none: no such file or directory`},
		{"a file that includes itself", "&include DIR/c\n", `files include each other more than 10 deep`},
		{"an error in an included file", "&include DIR/e\n", `DIR/e:2: the name of the module is empty`},
		{"NUL", "a = \x00\n", `DIR/c:1: a NUL byte in "a = "`},
		{"a variable out of place", "[m]\npath = /m\nlog file = /%RSYNC_USER_NAME%\n", `DIR/c:3: log file: %RSYNC_USER_NAME% can be used in path, uid and gid only`},
		{"the line of a continued one", "[m]\npath = \\\n /m\nlist = \\\n\n 2\nread only = 5", `DIR/c:4: list: "" is neither yes nor no`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, map[string]string{"c": c.text, "e": "\n[]\n"})
			_, _, err := Load(filepath.Join(dir, "c"), Options{})
			if want := strings.ReplaceAll(c.want, "DIR", dir); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
	if _, _, err := Load(filepath.Join(t.TempDir(), "none"), Options{}); err == nil {
		t.Error("a file that is not there is read")
	}
}

// FuzzLoad reads anything. What is taken has to load again as a configuration
// of our own.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.conf")
	if err != nil || len(files) == 0 {
		f.Fatal("no corpus", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p := newParser()
		p.read = func(string) ([]byte, error) { return raw, nil } // whatever is included
		c, _, err := load(p, Options{Root: true}, func() error { return p.file("fuzz", 0) })
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%v\n%s", err, raw)
		}
	})
}

// TestRules covers how lists of patterns and of filter rules are cut.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		name, line string
		want       []string
	}{
		{"words that filter knows as rules", "exclude = include lib", []string{"include", "lib"}},
		{"a word of letters that filter knows", "exclude = Press /private", []string{"Press", "/private"}},
		{"a prefix with a modifier", "exclude = -s /a .- /b", []string{"-s", "/a", ".-", "/b"}},
		{"prefixes", "exclude = - /a + /b /c", []string{"- /a", "+ /b", "/c"}},
		{"a prefix at the end", "exclude = /a -", []string{"/a", "-"}},
		{"include", "include = hide /a - /b", []string{"hide", "/a", "- /b"}},
		{"filter", "filter = include lib - /a -s /b", []string{"include lib", "- /a", "-s /b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := write(t, map[string]string{"rsyncd.conf": "[m]\npath = /m\n" + c.line + "\n"})
			got, _, err := Load(filepath.Join(dir, "rsyncd.conf"), Options{})
			if err != nil {
				t.Fatal(err)
			}
			m := got.Modules[0]
			if d := cmp.Diff(c.want, append(append(m.Exclude, m.Include...), m.Filter...)); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
}
