package integration

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestStockClientsRefused has stock clients ask for what our daemon does not
// have or do: they are told so, in the way that they understand, and end with
// the code for it.
func TestStockClientsRefused(t *testing.T) {
	dir := t.TempDir()
	served, dst := filepath.Join(dir, "served"), filepath.Join(dir, "dst")+"/"
	writeFile(t, filepath.Join(served, "file"), "x")
	writeFile(t, filepath.Join(served, "sub/file"), "x")
	check(t, os.Mkdir(dst, 0o755))
	d := serve(t, daemonConfig{modules: []module{
		{name: "ro", path: served, keys: `comment: "a module"`}, {name: "rw", path: served, writable: true},
		{name: "hidden", path: served, keys: "list: false"}, {name: "gone", path: filepath.Join(dir, "gone")},
	}})
	ro, rw := stockURL(d.addr, "ro/"), stockURL(d.addr, "rw/")
	for _, c := range []struct {
		name, options, src, dst string
		exit                    int
		says                    string
	}{
		{"no such module", "-a", stockURL(d.addr, "other/"), dst, 5, "@ERROR: Unknown module 'other'"},
		{"module that is gone", "-a", stockURL(d.addr, "gone/"), dst, 5, "@ERROR: chdir failed"},
		{"read-only module", "-a", dst, ro, 1, "ERROR: module is read only"},
		{"no such path", "-a", ro + "none", dst, 23, "none"},
		{"path upwards", "-a", ro + "../../etc", dst, 23, "permission denied"},
		{"destination upwards", "-a", dst, rw + "../x", 3, "permission denied"},
		{"content beside a name", "-a", ro + "sub/ " + ro + "file", dst, 1, "trailing slash"},
		{"--copy-links", "-aL", ro, dst, 4, "--copy-links is not supported"},
		{"--relative", "-aR", ro + "sub", dst, 4, "--relative is not supported"},
		{"--cvs-exclude", "-aC", ro, dst, 4, "--cvs-exclude is not supported"},
		{"per-directory rules", "-aF", ro, dst, 4, "per-directory filter rules"},
		{"--atimes", "-aU", ro, dst, 4, "--atimes is not supported"},
		{"--delay-updates", "-a --delay-updates", dst, rw, 4, "--delay-updates is not supported"},
		{"a path for --partial-dir", "-a --partial-dir=/tmp/x", dst, rw, 4, "partial-dir"},
		{"a push that is too old", "-a --protocol=28", dst, rw, 12, "rsync 2.6.4 or later"},
		{"an option of another program", "-a -M--teleport", ro, dst, 4, "--teleport: unknown option"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"rsync"}, strings.Fields(c.options+" "+c.src+" "+c.dst)...)
			r := run(t, args...)
			wantExit(t, r, c.exit)
			if !strings.Contains(r.stderr, c.says) {
				t.Errorf("does not say %q:\n%s", c.says, r.stderr)
			}
		})
	}
	if out := mustRun(t, "rsync", stockURL(d.addr, "")); out != "ro             \ta module\nrw             \t\ngone           \t\n" {
		t.Errorf("modules: %q", out)
	}
	d.alive()
}

// TestStockSeesNothingHidden has clients of both kinds ask for what a module
// hides, by every path that leads to it.
func TestStockSeesNothingHidden(t *testing.T) {
	dir := t.TempDir()
	served := filepath.Join(dir, "served")
	writeTree(t, served, map[string]string{"a/secret": "x", "a/open": "x", "a/b/secret": "x", "a/b/open": "x", "hidden/file": "x"})
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: served, writable: true, keys: `exclude: ["/a/secret", "/a/b/secret", "/hidden"]`}}})
	for i, p := range []string{"", "a", "a/", "a/b", "a/b/", "a/secret", "a/b/secret", "a/*", "a/b/s*", "hidden", "hidden/", "hidden/file"} {
		for j, client := range [][]string{{"rsync", "-a", stockURL(d.addr, "m/"+p)}, {program, "sync", d.url("m/" + p)}} {
			if j == 1 && strings.Contains(p, "*") {
				continue
			}
			dst := filepath.Join(dir, fmt.Sprint(i, j))
			run(t, append(client, dst+"/")...)
			check(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
				if name := filepath.Base(path); !strings.HasPrefix(path, served) && (name == "secret" || name == "hidden" || name == "file") {
					t.Errorf("%q shows %s", p, path)
				}
				return err
			}))
		}
	}
	r := run(t, "rsync", "-a", filepath.Join(served, "a/open"), stockURL(d.addr, "m/a/secret"))
	wantExit(t, r, 3)
	wantFile(t, filepath.Join(served, "a/secret"), "x")
}

// TestPushesUseNothingHidden pushes files of which a module hides an equal one
// where options let it be looked for: it serves for nothing, and stays.
func TestPushesUseNothingHidden(t *testing.T) {
	dir := t.TempDir()
	src, served := filepath.Join(dir, "src"), filepath.Join(dir, "served")
	randomFile(t, filepath.Join(src, "name-1"), 64<<10, 1)
	setTimes(t, filepath.Join(src, "name-1"), 1_500_000_000, 0)
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: served, writable: true,
		keys: `exclude: ["/alt/name-1", "/dst/name-2", "/dst/part/"]`}}})
	for option, hidden := range map[string]string{
		"--copy-dest=../alt": "alt/name-1", "--link-dest=../alt": "alt/name-1", "--compare-dest=/alt": "alt/name-1",
		"--fuzzy": "dst/name-2", "--partial-dir=part": "dst/part/name-1",
	} {
		t.Run(option, func(t *testing.T) {
			for _, age := range []int64{0, 100} { // equal, and a basis for a delta
				check(t, os.RemoveAll(served))
				secret := filepath.Join(served, hidden)
				check(t, os.MkdirAll(filepath.Join(served, "dst"), 0o755))
				check(t, os.MkdirAll(filepath.Dir(secret), 0o755))
				mustRun(t, "cp", "-a", filepath.Join(src, "name-1"), secret)
				setTimes(t, secret, 1_500_000_000-age, 0)
				s := mustSync(t, option, src+"/", d.url("m/dst/"))
				if s.LiteralBytes != 64<<10 || s.MatchedBytes != 0 {
					t.Errorf("%d bytes were sent and %d matched, want %d and none", s.LiteralBytes, s.MatchedBytes, 64<<10)
				}
				want, _ := readFile(t, filepath.Join(src, "name-1"))
				wantFile(t, filepath.Join(served, "dst/name-1"), want)
				if _, there := readFile(t, secret); !there {
					t.Errorf("%s is gone", hidden)
				}
				check(t, os.RemoveAll(filepath.Join(served, "dst/name-1")))
				out := mustRun(t, "rsync", "-a", "--stats", option, src+"/", stockURL(d.addr, "m/dst/"))
				if !strings.Contains(out, "Matched data: 0 bytes") || !strings.Contains(out, "Literal data: 65,536 bytes") {
					t.Errorf("stock matched:\n%s", out)
				}
			}
		})
	}
}

// TestOneListenerForAll has one port serve a native client, a stock client, one
// that sends garbage, and some that dawdle or never end, at the same time.
func TestOneListenerForAll(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	randomFile(t, filepath.Join(src, "file"), 1<<20, 7)
	setTimes(t, src, 1_000_000_000, 0)
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: src}}, keys: "handshake_timeout: 2s"})
	begun := time.Now()
	slow := map[string]net.Conn{}
	for name, first := range map[string]string{
		"silent": "", "half a greeting": "@RSYNCD: 32", "garbage": "\x00\xff garbage",
		"a greeting without end":  "@RSYNCD: " + strings.Repeat("3", 1<<16),
		"a module without end":    "@RSYNCD: 32.0 md5\n" + strings.Repeat("m", 1<<16),
		"arguments without end":   "@RSYNCD: 31.0\nm\n" + strings.Repeat("--server\x00", 1<<16),
		"an argument without end": "@RSYNCD: 31.0\nm\n" + strings.Repeat("-", 1<<20),
	} {
		c, err := net.Dial("tcp", d.addr)
		check(t, err)
		defer c.Close()
		go func() { _, _ = io.WriteString(c, first) }() // the daemon may have enough before its end
		slow[name] = c
	}
	dripping, err := net.Dial("tcp", d.addr)
	check(t, err)
	defer dripping.Close()
	slow["a byte now and then"] = dripping
	go func() {
		for _, b := range []byte("@RSYNCD: 32.0 md5 md4\n") {
			if _, err := dripping.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(200 * time.Millisecond)
		}
	}()
	mustSync(t, d.url("m/"), filepath.Join(dir, "native")+"/")
	mustRun(t, "rsync", "-a", stockURL(d.addr, "m/"), filepath.Join(dir, "stock")+"/")
	judge(t, src, filepath.Join(dir, "native"))
	judge(t, src, filepath.Join(dir, "stock"))
	for name, c := range slow {
		check(t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: still there after %v", name, time.Since(begun))
		}
	}
	if took := time.Since(begun); took > 6*time.Second {
		t.Errorf("the last one was there for %v", took)
	}
	if kib := d.peakMemory(); kib > 64<<10 {
		t.Errorf("the daemon took %d KiB", kib)
	}
	d.alive()
}

// TestUnreadableFile has a file that the other side can't open: everything else
// arrives, our client deletes nothing, and the code says so.
func TestUnreadableFile(t *testing.T) {
	dir := openTempDir(t)
	src := filepath.Join(dir, "src")
	writeTree(t, src, map[string]string{"a": "a", "b/secret": "secret", "b/z": "z", "c": "c", "d/x": "x"})
	check(t, os.Chmod(filepath.Join(src, "b/secret"), 0))
	check(t, os.Chmod(filepath.Join(src, "d"), 0))
	for name := range map[string]bool{"stock": true, "ours": true} {
		t.Run("from "+name, func(t *testing.T) {
			dst := filepath.Join(dir, "from "+name)
			want := map[string]string{"a": "a", "b/z": "z", "c": "c"}
			var r result
			if name == "stock" {
				want["extraneous"] = "x" // stock deletes as it goes, before it knows
				writeTree(t, dst, map[string]string{"extraneous": "x"})
				addr := stockDaemon(t, module{name: "m", path: src, keys: "uid = nobody\ngid = nogroup"})
				r = run(t, program, "sync", "--delete", stockURL(addr, "m/"), dst+"/")
			} else {
				// As another user, behind a remote shell.
				shell := filepath.Join(dir, "sh")
				check(t, os.WriteFile(shell, []byte("#!/bin/sh\nshift\nexec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c \"$*\"\n"), 0o755))
				r = run(t, "rsync", "-a", "--delete", "-e", shell, "--rsync-path="+program, "host:"+src+"/", dst+"/")
			}
			wantExit(t, r, 23)
			for path, content := range want {
				wantFile(t, filepath.Join(dst, path), content)
			}
			if _, there := readFile(t, filepath.Join(dst, "b/secret")); there {
				t.Error("a file that can't be read has arrived")
			}
			if !strings.Contains(r.stderr, "secret") {
				t.Errorf("does not name the file:\n%s", r.stderr)
			}
		})
	}
}

// TestGrowingFile pulls and pushes a file that is longer by the time that it is
// sent than it was when it was listed: it arrives as it is then.
func TestGrowingFile(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	for i := range 200 {
		randomFile(t, filepath.Join(src, fmt.Sprint(i)), 64<<10, byte(i))
	}
	log := filepath.Join(src, "zz")
	writeFile(t, log, "begin\n")
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: src}}})
	addr := stockDaemon(t, module{name: "m", path: src})
	f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
	check(t, err)
	defer f.Close()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Microsecond):
				_, _ = f.WriteString("one more line\n")
			}
		}
	}()
	defer func() { close(stop); <-done }()
	for i, command := range [][]string{
		{program, "sync", stockURL(addr, "m/")},
		{"rsync", "-a", stockURL(d.addr, "m/")},
	} {
		dst := filepath.Join(dir, fmt.Sprint("dst", i))
		r := run(t, append(command, dst+"/")...)
		wantExit(t, r, 0)
		content, _ := readFile(t, filepath.Join(dst, "zz"))
		lines := strings.TrimPrefix(content, "begin\n")
		if strings.ReplaceAll(lines, "one more line\n", "") != "" {
			t.Errorf("%v: the file is damaged: %.100q", command, lines)
		}
	}
}
