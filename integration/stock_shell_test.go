package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// localShell is a remote shell that runs the command on this host.
func localShell(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shell")
	check(t, os.WriteFile(path, []byte("#!/bin/sh\nshift\nexec sh -c \"$*\"\n"), 0o755))
	return path
}

// TestRemoteShell transfers both ways through a remote shell: stock clients to
// our server, our client to either's.
func TestRemoteShell(t *testing.T) {
	dir := t.TempDir()
	small := anyTree(t, filepath.Join(dir, "small"))
	shell := localShell(t)
	for _, c := range []struct {
		name    string
		command []string
	}{
		{"stock to ours", []string{"rsync", "-aHAXS", "--modify-window=-1", "--rsync-path=" + program}},
		{"stock to ours, secluded", []string{"rsync", "-aHAXSs", "--modify-window=-1", "--rsync-path=" + program}},
		{"stock to ours, not incremental", []string{"rsync", "-aHAXSz", "--modify-window=-1", "--no-i-r", "--rsync-path=" + program}},
		{"ours to stock", []string{program, "sync", "-HAXS"}},
		{"ours to ours", []string{program, "sync", "-HAXSz", "--rsync-path=" + program}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst := t.TempDir()
			command := append(c.command, "--delete", "-e", shell)
			pulled, pushed := filepath.Join(dst, "pulled it"), filepath.Join(dst, "pushed it")
			age(t, small, pulled)
			age(t, small, pushed)
			mustRun(t, append(command, "host:"+small+"/", pulled+"/")...)
			judge(t, small, pulled)
			mustRun(t, append(command, small+"/", "host:"+pushed+"/")...)
			judge(t, small, pushed)
			noStagingNames(t, dst)
		})
	}
}

// TestStockItemizes compares what stock clients show with our daemon at the
// other end and with stock's.
func TestStockItemizes(t *testing.T) {
	dir := t.TempDir()
	small, in := oddTree(t, filepath.Join(dir, "small")), filepath.Join(dir, "in")
	check(t, os.Mkdir(in, 0o755))
	modules := []module{{name: "in", path: in, writable: true}, {name: "small", path: small}}
	addrs := []string{stockDaemon(t, modules...), serve(t, daemonConfig{modules: modules}).addr}
	sorted := func(s string) string { return strings.Join(sortedLines(s), "\n") }
	n := 0
	fresh := func() string {
		n++
		name := fmt.Sprint(n)
		age(t, small, filepath.Join(in, name))
		// The request for a long attribute of a new file is a line of its own.
		mustRun(t, "cp", "-a", filepath.Join(small, "odd/attributes/file"), filepath.Join(in, name, "odd/attributes/file"))
		for _, p := range []string{"", "odd", "odd/attributes", "large", "text", "empty"} {
			setTimes(t, filepath.Join(in, name, p), 1_000_000_000, 0)
		}
		return name
	}
	for _, options := range []string{"-aHAXi", "-aHAXin", "-aHAXic", "-aHAXi --no-i-r", "-aHi --protocol=30", "-aHi --protocol=29", "-rlti"} {
		t.Run(options, func(t *testing.T) {
			var pushed, pulled [2]string
			for i, addr := range addrs {
				command := append([]string{"rsync", "--delete"}, strings.Fields(options)...)
				pushed[i] = sorted(mustRun(t, append(command, small+"/", stockURL(addr, "in/"+fresh()+"/"))...))
				pulled[i] = sorted(mustRun(t, append(command, stockURL(addr, "small/"), filepath.Join(in, fresh())+"/")...))
			}
			if pushed[0] != pushed[1] {
				t.Errorf("pushed to stock:\n%s\nto ours:\n%s", pushed[0], pushed[1])
			}
			if pulled[0] != pulled[1] {
				t.Errorf("pulled from stock:\n%s\nfrom ours:\n%s", pulled[0], pulled[1])
			}
		})
	}
}

var literalData = regexp.MustCompile(`Literal data: ([\d,]+) bytes`)

// TestStockDelta has a file of 64 MiB with edits all over cross in all ways:
// each time as many bytes are sent as between stock and stock.
func TestStockDelta(t *testing.T) {
	dir := t.TempDir()
	old, src := filepath.Join(dir, "old"), filepath.Join(dir, "src")
	randomFile(t, filepath.Join(src, "file"), 64<<20, 11)
	mustRun(t, "cp", "-a", src, old)
	edit(t, filepath.Join(src, "file"))
	setTimes(t, src, 1_000_000_000, 0)
	modules := []module{{name: "m", path: dir, writable: true}}
	stock, ours := stockDaemon(t, modules...), serve(t, daemonConfig{modules: modules}).addr
	var want int64
	for _, c := range []struct{ name, addr, client string }{
		{"stock to stock", stock, "rsync"}, {"stock to ours", ours, "rsync"}, {"ours to stock", stock, "syncd"},
	} {
		for _, way := range []string{"pull", "push"} {
			dst := filepath.Join(dir, "dst")
			check(t, os.RemoveAll(dst))
			mustRun(t, "cp", "-a", old, dst)
			from, to := src+"/", stockURL(c.addr, "m/dst/")
			if way == "pull" {
				from, to = stockURL(c.addr, "m/src/"), dst+"/"
			}
			var literal int64
			if c.client == "rsync" {
				m := literalData.FindStringSubmatch(mustRun(t, "rsync", "-a", "--stats", from, to))
				_, err := fmt.Sscan(strings.ReplaceAll(m[1], ",", ""), &literal)
				check(t, err)
			} else {
				literal = mustSync(t, from, to).LiteralBytes
			}
			if want == 0 {
				want = literal
			}
			if literal != want {
				t.Errorf("%s, %s: %d literal bytes, stock to stock %d", c.name, way, literal, want)
			}
			judge(t, src, dst)
		}
	}
	t.Logf("%d literal bytes each time", want)
}

// TestStockClientOptions has stock clients push with options that our sink
// handles itself.
func TestStockClientOptions(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	check(t, os.Mkdir(in, 0o755))
	d := serve(t, daemonConfig{modules: []module{{name: "in", path: in, writable: true}}})
	src := filepath.Join(dir, "src")
	randomFile(t, filepath.Join(src, "file"), 300_000, 3)
	writeTree(t, src, map[string]string{"sub/x": "x", "keep.o": "object"})
	push := func(t *testing.T, want int, args ...string) result {
		t.Helper()
		r := run(t, append([]string{"rsync", "-a"}, args...)...)
		wantExit(t, r, want)
		return r
	}
	url := func(p string) string { return stockURL(d.addr, "in/"+p) }
	at := func(p string) string { return filepath.Join(in, p) }
	push(t, 0, src+"/", url("full/"))

	t.Run("--append", func(t *testing.T) {
		mustRun(t, "cp", "-a", at("full"), at("append"))
		check(t, os.Truncate(at("append/file"), 100_000))
		push(t, 0, "--append", src+"/", url("append/"))
		judge(t, src, at("append"))
	})
	t.Run("--append-verify", func(t *testing.T) {
		mustRun(t, "cp", "-a", at("full"), at("verify"))
		check(t, os.WriteFile(at("verify/file"), make([]byte, 100_000), 0o644))
		push(t, 0, "--append-verify", src+"/", url("verify/"))
		judge(t, src, at("verify"))
	})
	t.Run("--link-dest", func(t *testing.T) {
		push(t, 0, "--link-dest=../full", src+"/", url("linked/"))
		judge(t, src, at("linked"))
		a, err := os.Stat(at("full/file"))
		check(t, err)
		b, err := os.Stat(at("linked/file"))
		check(t, err)
		if !os.SameFile(a, b) {
			t.Error("the file is no link")
		}
	})
	t.Run("--link-dest outside", func(t *testing.T) {
		r := push(t, 0, "--link-dest=../../src", src+"/", url("outside/"))
		if !strings.Contains(r.stderr, "link-dest") {
			t.Errorf("nothing is said:\n%s", r.stderr)
		}
		judge(t, src, at("outside"))
	})
	t.Run("--delete-excluded", func(t *testing.T) {
		mustRun(t, "cp", "-a", at("full"), at("excluded"))
		writeFile(t, at("excluded/other"), "x")
		push(t, 0, "--delete", "--exclude=*.o", src+"/", url("excluded/"))
		wantFile(t, at("excluded/keep.o"), "object")
		push(t, 0, "--delete-excluded", "--exclude=*.o", src+"/", url("excluded/"))
		if _, there := readFile(t, at("excluded/keep.o")); there {
			t.Error("what is excluded has been kept")
		}
	})
	t.Run("--max-delete", func(t *testing.T) {
		mustRun(t, "cp", "-a", at("full"), at("max"))
		writeTree(t, at("max"), map[string]string{"1": "", "2": "", "3": ""})
		push(t, 25, "--delete", "--max-delete=2", src+"/", url("max/"))
	})
	t.Run("dry run", func(t *testing.T) {
		push(t, 0, "-n", "--delete", src+"/", url("none/"))
		if _, err := os.Stat(at("none")); err == nil {
			t.Error("a dry run has made something")
		}
	})
	t.Run("one file", func(t *testing.T) {
		push(t, 0, src+"/file", url("renamed"))
		push(t, 0, src+"/file", url("sub.d/"))
		judge(t, src, at("full"))
		a, _ := readFile(t, at("renamed"))
		b, _ := readFile(t, at("sub.d/file"))
		if c, _ := readFile(t, filepath.Join(src, "file")); a != c || b != c {
			t.Error("a single file did not arrive under its name")
		}
	})
	t.Run("neither times nor permissions", func(t *testing.T) {
		mustRun(t, "rsync", "-r", src+"/", url("plain/"))
		if again := mustRun(t, "rsync", "-rc", "-i", src+"/", url("plain/")); again != "" {
			t.Errorf("differs:\n%s", again)
		}
	})
	noStagingNames(t, in)
}
