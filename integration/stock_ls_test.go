package integration

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// listed are the lines of a listing by `syncd ls` or `rsync --list-only`: type
// and mode, size, time and name, with one space between them. Sizes of
// directories are left out, which mean nothing, and targets of symlinks, which
// stock asks for only with -l.
func listed(out string) (lines []string) {
	for _, l := range sortedLines(out) {
		l, _, _ = strings.Cut(l, " -> ")
		l = listSize.ReplaceAllString(l, "$1 - ")
		lines = append(lines, strings.Join(strings.Fields(l), " "))
	}
	return lines
}

var listSize = regexp.MustCompile(`^(d\S+) +\d+ `)

// TestListsStock lists modules and trees of a stock daemon, and of stock rsync
// behind a remote shell, as stock does it.
func TestListsStock(t *testing.T) {
	dir := t.TempDir()
	src := oddTree(t, filepath.Join(dir, "src"))
	addr := stockDaemon(t, module{name: "m", path: src})
	shell := localShell(t)
	url := stockURL(addr, "m")
	for _, c := range []struct {
		name, path string
		options    []string
	}{
		{"the modules", stockURL(addr, ""), nil},
		{"a module", url, nil},
		{"its content", url + "/", nil},
		{"a directory", url + "/order", nil},
		{"the content of one", url + "/order/", nil},
		{"a file", url + "/large", nil},
		{"all", url + "/", []string{"-r"}},
		{"all of a directory", url + "/odd/links", []string{"-r"}},
		{"behind a shell", "host:" + src + "/", []string{"-r", "-e", shell}},
		{"a file behind a shell", "host:" + src + "/text", []string{"-e", shell}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := listed(mustRun(t, append(append([]string{"rsync", "--list-only", "--no-h"}, c.options...), c.path)...))
			got := listed(mustRun(t, append(append([]string{program, "ls"}, c.options...), c.path)...))
			diffLines(t, c.name, got, want)
			if len(got) != len(want) || len(got) == 0 {
				t.Errorf("%d lines, want %d", len(got), len(want))
			}
		})
	}
	t.Run("what is not there", func(t *testing.T) {
		r := run(t, program, "ls", url+"/none")
		wantExit(t, r, 23)
		if !strings.Contains(r.stderr, "none") {
			t.Errorf("does not name it:\n%s", r.stderr)
		}
	})
}

// TestPasswords opens a module of a stock daemon that wants a password.
func TestPasswords(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	writeFile(t, at("src/file"), "x")
	for name, content := range map[string]string{"secrets": "bob:sesame\n", "right": "sesame\nmore\n", "wrong": "melon\n", "nothing": "\n", "open": "sesame\n"} {
		writeFile(t, at(name), content)
		check(t, os.Chmod(at(name), 0o600))
	}
	check(t, os.Chmod(at("open"), 0o604))
	addr := stockDaemon(t, module{name: "m", path: at("src"), keys: "auth users = bob\nsecrets file = " + at("secrets")})
	for _, c := range []struct {
		name, user, env, file string
		exit                  int
		says                  string
	}{
		{"from a file", "bob", "", at("right"), 0, ""},
		{"from the environment", "bob", "sesame", "", 0, ""},
		{"a file comes first", "bob", "melon", at("right"), 0, ""},
		{"wrong", "bob", "", at("wrong"), 5, "auth failed"},
		{"another user", "eve", "sesame", "", 5, "auth failed"},
		{"none", "bob", "", "", 1, "RSYNC_PASSWORD"},
		{"an empty line", "bob", "", at("nothing"), 1, "first line is empty"},
		{"a file for all", "bob", "", at("open"), 1, "chmod o-rw"},
		{"no file", "bob", "", at("missing"), 1, "no such file"},
		{"a directory", "bob", "", dir, 1, "no regular file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.env != "" {
				t.Setenv("RSYNC_PASSWORD", c.env)
			}
			args := []string{program, "sync"}
			if c.file != "" {
				args = append(args, "--password-file", c.file)
			}
			r := run(t, append(args, "rsync://"+c.user+"@"+addr+"/m/", t.TempDir()+"/")...)
			wantExit(t, r, c.exit)
			if !strings.Contains(r.stderr, c.says) || strings.Contains(r.stderr, "sesame") {
				t.Errorf("says\n%s\nwant %q", r.stderr, c.says)
			}
		})
	}
	t.Run("not for the native dialect", func(t *testing.T) {
		r := run(t, program, "sync", "--password-file", at("right"), "syncd://"+addr+"/m/", t.TempDir()+"/")
		wantExit(t, r, 1)
	})
}

// TestConnectProgram reaches a stock daemon by a command, as stock does it.
func TestConnectProgram(t *testing.T) {
	dir := t.TempDir()
	src, dst := oddTree(t, filepath.Join(dir, "src")), filepath.Join(dir, "dst")
	conf := filepath.Join(dir, "rsyncd.conf")
	writeFile(t, conf, "use chroot = yes\nuid = root\ngid = root\n[m]\npath = "+src+"\n")
	t.Setenv("RSYNC_CONNECT_PROG", "echo \"%H $RSYNC_PORT\" >"+dir+"/called; exec rsync --daemon --config="+conf)
	mustSync(t, "-HAX", "rsync://far.example:1873/m/", dst+"/")
	judge(t, src, dst)
	wantFile(t, filepath.Join(dir, "called"), "far.example 1873\n")
	for _, host := range []string{"$(id)", "a;id", "`id`", "a b"} {
		r := run(t, program, "sync", host+"::m/", dst+"/")
		if r.code == 0 {
			t.Errorf("%q was taken for a host", host)
		}
	}
	wantFile(t, filepath.Join(dir, "called"), "far.example 1873\n")
	t.Setenv("RSYNC_CONNECT_PROG", "exit 3")
	wantExit(t, run(t, program, "sync", "host::m/", dst+"/"), 3, 5, 10, 12)
}

// oldDaemon passes a connection on to a stock daemon and changes the greetings
// of both sides to those of an old version, which knows nothing newer.
func oldDaemon(t *testing.T, addr, greeting string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go passOn(c, addr, greeting)
		}
	}()
	return l.Addr().String()
}

// passOn replaces the first line in each direction.
func passOn(client net.Conn, addr, greeting string) {
	defer client.Close()
	daemon, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer daemon.Close()
	pump := func(to, from net.Conn, first string) {
		var b [1]byte
		for b[0] != '\n' {
			if _, err := io.ReadFull(from, b[:]); err != nil {
				return
			}
		}
		if _, err := io.WriteString(to, first); err == nil {
			_, _ = io.Copy(to, from) // either side may end it
		}
	}
	go pump(daemon, client, greeting)
	pump(client, daemon, greeting)
}

// TestOldDaemons has our client talk to daemons as they were: with greetings
// that have neither digests nor, below protocol 30, a version after the dot.
func TestOldDaemons(t *testing.T) {
	dir := t.TempDir()
	src, in := filepath.Join(dir, "src"), filepath.Join(dir, "in")
	randomFile(t, filepath.Join(src, "large"), 1<<20, 5)
	addOddities(t, src)
	check(t, os.RemoveAll(filepath.Join(src, "odd/times"))) // beyond 32 bits, and nanoseconds
	check(t, os.Mkdir(in, 0o755))
	check(t, filepath.WalkDir(src, func(path string, _ os.DirEntry, err error) error {
		setTimes(t, path, 1_400_000_000, 0)
		return err
	}))
	addr := stockDaemon(t, module{name: "src", path: src}, module{name: "in", path: in})
	for name, greeting := range map[string]string{
		"31": "@RSYNCD: 31.0\n", "30": "@RSYNCD: 30.0\n", "29": "@RSYNCD: 29\n", "28": "@RSYNCD: 28\n", "27": "@RSYNCD: 27\n",
	} {
		t.Run(name, func(t *testing.T) {
			old, dst := oldDaemon(t, addr, greeting), filepath.Join(dir, "from "+name)
			options := []string{"-H", "--delete"}
			extra := []string{"--no-acls", "--no-xattrs"}
			if name >= "30" {
				options, extra = append(options, "-AX"), nil
			}
			if name == "27" {
				extra = append(extra, "--no-hard-links") // of symlinks and devices it keeps none
			}
			for range 2 { // the second time with files that are there
				mustSync(t, append(options, stockURL(old, "src/"), dst+"/")...)
				mustSync(t, append(options, src+"/", stockURL(old, "in/"+name+"/"))...)
				judge(t, src, dst, extra...)
				judge(t, src, filepath.Join(in, name), extra...)
				edit(t, filepath.Join(dst, "large"))
				edit(t, filepath.Join(in, name, "large"))
			}
			if out := mustRun(t, program, "ls", "-r", stockURL(old, "src/")); strings.Count(out, "\n") < 50 {
				t.Errorf("a listing of\n%s", out)
			}
		})
	}
}
