package integration

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRefusals asks for what can't be had: one clear line and the right code.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "served/file"), "x")
	src, served, dst := filepath.Join(dir, "served")+"/", filepath.Join(dir, "served"), filepath.Join(dir, "dst")+"/"
	d := serve(t, daemonConfig{modules: []module{
		{name: "ro", path: served}, {name: "rw", path: served, writable: true},
		{name: "gone", path: filepath.Join(dir, "gone")}, {name: "one", path: served, keys: "max_connections: 1"},
	}})
	free, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	nobodyThere := "syncd://" + free.Addr().String() + "/m/"
	check(t, free.Close())
	for name, c := range map[string]struct {
		args []string
		exit int
		says string
	}{
		"no such module, pull":   {[]string{d.url("other/"), dst}, 5, "no module other"},
		"no such module, push":   {[]string{src, d.url("other/")}, 5, "no module other"},
		"no module":              {[]string{d.url(""), dst}, 5, "no module"},
		"read-only module":       {[]string{src, d.url("ro/")}, 5, "the module ro is read-only"},
		"module that is gone":    {[]string{d.url("gone/"), dst}, 5, "the module gone"},
		"no such path":           {[]string{d.url("ro/none/"), dst}, 5, "none"},
		"path upwards":           {[]string{d.url("ro/../x"), dst}, 1, ".."},
		"nothing listens":        {[]string{nobodyThere, dst}, 10, "connection refused"},
		"no such host":           {[]string{"syncd://host.invalid/m/", dst}, 10, "host.invalid"},
		"no such source":         {[]string{dir + "/none/", dst}, 23, "none"},
		"both ends remote":       {[]string{d.url("ro/"), d.url("rw/")}, 1, "both"},
		"no such stock daemon":   {[]string{"host.invalid::module/", dst}, 10, "host.invalid"},
		"no such remote shell":   {[]string{"--rsh=/none/sh", "host:path", dst}, 5, "/none/sh"},
		"a shell as an option":   {[]string{"-oProxyCommand=x:path", dst}, 1, "'C'"},
		"unknown digest":         {[]string{"--digest=md5", src, dst}, 1, `unknown digest "md5"`},
		"unknown transport":      {[]string{"--transport=pigeon", src, dst}, 1, `"pigeon"`},
		"unknown fsync policy":   {[]string{"--fsync=maybe", src, dst}, 1, `"maybe"`},
		"a rate that is none":    {[]string{"--bwlimit=fast", src, dst}, 1, `"fast"`},
		"a negative timeout":     {[]string{"--timeout=-1", src, dst}, 1, "--timeout"},
		"unknown option":         {[]string{"--teleport", src, dst}, 1, "--teleport"},
		"unknown short option":   {[]string{"-Q", src, dst}, 1, "'Q'"},
		"no destination":         {[]string{src}, 1, "2 arg"},
		"missing file of rules":  {[]string{"--exclude-from=" + dir + "/none", src, dst}, 1, "none"},
		"two sources, one name":  {[]string{served, served, dst}, 1, `"served"`},
		"the content of several": {[]string{src, src, dst}, 1, "trailing slash"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, append([]string{program, "sync"}, c.args...)...)
			wantExit(t, r, c.exit)
			if c.exit == 1 { // may be followed by where the help is
				r.stderr = firstLine(r.stderr)
			}
			oneClearLine(t, r, "syncd: ", c.says)
			if _, err := os.Stat(dst); err == nil {
				t.Error("the destination was made")
			}
		})
	}
	d.alive()
}

// TestUnroutable connects to an address on a wire that nobody is at.
func TestUnroutable(t *testing.T) {
	a, b := twoHosts(t)
	// The address resolves, or the kernel would say that there is no such
	// host; what is sent to it is lost.
	nobodyThere := b.addr + "00"
	mustRun(t, "ip", "-n", a.name, "neigh", "add", nobodyThere, "lladdr", "02:00:00:00:00:99", "dev", "eth0")
	r := a.sync(t, "--contimeout=1", "syncd://"+nobodyThere+"/m/", t.TempDir())
	wantExit(t, r, 35)
	oneClearLine(t, r, nobodyThere)
	t.Logf("connecting to an address that swallows everything: exit 35 after %.1f s", r.took.Seconds())
}

// TestBadConfiguration starts daemons that must not start.
func TestBadConfiguration(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ yaml, says string }{
		"unknown key":           {"fsync: none\ntransprot: splice\n", "transprot"},
		"unknown module key":    {"modules:\n  - name: m\n    path: " + dir + "\n    readonly: true\n", "readonly"},
		"a number, no unit":     {"timeout: 30\n", "timeout"},
		"open to other hosts":   {"listen: [\"0.0.0.0:0\"]\n", "insecure"},
		"relative path":         {"modules: [{name: m, path: here}]\n", "here"},
		"module without a name": {"modules: [{path: " + dir + "}]\n", "name"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "syncd.yaml")
			writeFile(t, file, c.yaml)
			for _, command := range [][]string{{"serve", "-c", file}, {"config", "check", file}} {
				r := run(t, append([]string{program}, command...)...)
				wantExit(t, r, 1)
				r.stderr = firstLine(r.stderr)
				oneClearLine(t, r, file+":", c.says)
			}
		})
	}
}

// firstLine is what comes before the end of the first line, with it.
func firstLine(s string) string {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return s[:i+1]
	}
	return s
}

// TestModuleRefuses has a module refuse options and destinations of a native client.
func TestModuleRefuses(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{"served/old": "x", "src/new": "y"})
	src, dst := filepath.Join(dir, "src")+"/", filepath.Join(dir, "dst")+"/"
	d := serve(t, daemonConfig{modules: []module{
		{name: "m", path: filepath.Join(dir, "served"), writable: true, keys: "refuse_options: [delete, c]"},
		{name: "hiding", path: filepath.Join(dir, "served"), writable: true, keys: "exclude: [/secret]"},
	}})
	for _, dest := range []string{"hiding/secret/", "hiding/secret", "hiding/secret/below/"} {
		r := run(t, program, "sync", src, d.url(dest))
		wantExit(t, r, 5)
		oneClearLine(t, r, "syncd: ", "the module hiding does not take the destination secret")
	}
	if _, err := os.Lstat(filepath.Join(dir, "served/secret")); err == nil {
		t.Error("a hidden destination was made")
	}
	for option, says := range map[string]string{"--delete": "refuse --delete", "-c": "refuse --checksum (-c)"} {
		r := run(t, program, "sync", option, src, d.url("m/"))
		wantExit(t, r, 4)
		oneClearLine(t, r, "syncd: ", says)
	}
	wantExit(t, run(t, program, "sync", "-c", d.url("m/"), dst), 4)
	mustRun(t, program, "sync", "--delete", d.url("m/"), dst)
	mustRun(t, program, "sync", src, d.url("m/"))
	wantFile(t, filepath.Join(dir, "served/old"), "x")
	wantFile(t, filepath.Join(dir, "served/new"), "y")
	d.alive()
}

// TestRulesOfRoot has a session with the ids of nobody know rules from files that
// only root may read, and names that are not UTF-8.
func TestRulesOfRoot(t *testing.T) {
	dir := openTempDir(t)
	mod := filepath.Join(dir, "mod")
	writeTree(t, mod, map[string]string{"file": "f", "secret": "s", "more": "m", "latin\xe9": "l"})
	writeFile(t, filepath.Join(dir, "rules"), "/secret\n")
	writeFile(t, filepath.Join(dir, "merged"), "- /more\n")
	check(t, os.Chmod(filepath.Join(dir, "rules"), 0o600))
	check(t, os.Chmod(filepath.Join(dir, "merged"), 0o600))
	addr := confDaemon(t, program, strings.ReplaceAll("log file = DIR/log\n[m]\npath = DIR/mod\nexclude from = DIR/rules\nfilter = merge DIR/merged\nexclude = /latin\xe9\n",
		"DIR", dir))
	for name, client := range map[string][]string{"stock": {"rsync", "-a", stockURL(addr, "m/")}, "native": {program, "sync", "syncd://" + addr + "/m/"}} {
		dst := filepath.Join(dir, name)
		mustRun(t, append(client, dst+"/")...)
		wantFile(t, filepath.Join(dst, "file"), "f")
		for _, hidden := range []string{"secret", "more", "latin\xe9"} {
			if _, there := readFile(t, filepath.Join(dst, hidden)); there {
				t.Errorf("%s: %q is served", name, hidden)
			}
		}
	}
}
