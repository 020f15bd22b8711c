package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// These tests have a stock daemon and ours read the same rsyncd.conf.

// confDaemon starts a daemon, ours or stock's, with an rsyncd.conf on a free port
// of loopback.
func confDaemon(t testing.TB, prog, conf string) (addr string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rsyncd.conf")
	writeFile(t, file, conf)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	addr = l.Addr().String()
	check(t, l.Close())
	_, port, err := net.SplitHostPort(addr)
	check(t, err)
	p, wait := begin(t, prog, "--daemon", "--no-detach", "--address=127.0.0.1", "--port="+port, "--config="+file)
	t.Cleanup(func() {
		_ = p.Signal(syscall.SIGTERM)
		wait()
	})
	eventually(t, prog+" listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return addr
}

// asUser runs a stock client with a password.
func asUser(t testing.TB, password string, args ...string) result {
	t.Helper()
	return run(t, append([]string{"env", "RSYNC_PASSWORD=" + password, "rsync"}, args...)...)
}

// said is what a client shows of what its server says: without the client's own
// lines, and without the name of the program.
func said(r result) string {
	var lines []string
	for line := range strings.Lines(r.stdout + r.stderr) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "rsync error:") || strings.HasPrefix(line, "rsync: [") {
			continue
		}
		line = strings.TrimPrefix(strings.TrimPrefix(line, "rsync: "), "syncd: ")
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

const bothConf = `
# what both daemons read
uid = root
gid = root
use chroot = no
log file = DIR/log
motd file = DIR/motd

[ro]
	path = DIR/mod
	comment = a module \
that is read
[Write Only]
	path = DIR/mod
	read only = no
	write only = yes
[refusing]
	path = DIR/mod
	read only = no
	refuse options = delete c compress
[archive]
	path = DIR/mod
	refuse options = * !a
[auth]
	path = DIR/mod
	read only = no
	auth users = joe:ro ann @none:deny bad:deny any*
	secrets file = DIR/secrets
[open]
	path = DIR/mod
	auth users = joe
	secrets file = DIR/open
[strong]
	path = DIR/mod
	auth users = joe
	secrets file = DIR/secrets
	auth digest = sha512
[denied]
	path = DIR/mod
	hosts deny = *
[allowed]
	path = DIR/mod
	hosts allow = 10.0.0.0/8, 127.0.0.0/255.0.0.0
	hosts deny = *
[elsewhere]
	path = DIR/mod
	hosts allow = 10.0.0.0/8 ::1
[named]
	path = DIR/mod
	hosts deny = local*
[hidden]
	path = DIR/mod
	list = no
	hosts deny = 127.0.0.1
[closed]
	path = DIR/mod
	max connections = -1
[gone]
	path = DIR/nothing
[baduid]
	path = DIR/mod
	uid = nosuchuser
[badgid]
	path = DIR/mod
	gid = nosuchgroup
[filtered]
	path = DIR/mod
	exclude = /secret *.o - x
	include = keep.o
[hiding]
	path = DIR/mod
	read only = no
	exclude = /secret
`

// TestLikeStockDaemon compares what a stock client hears of both daemons, and how
// it ends.
func TestLikeStockDaemon(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{"mod/file": "file", "mod/secret/s": "s", "mod/a.o": "a", "mod/keep.o": "k", "mod/x": "x", "src/f": "f",
		"motd": "welcome\n", "secrets": "# none\njoe:secret\nann:annsecret\nann:other\nbad:bad\nanybody:p w:d\n", "open": "joe:secret\n"})
	check(t, os.Chmod(filepath.Join(dir, "secrets"), 0o600))
	check(t, os.Chmod(filepath.Join(dir, "open"), 0o644))
	conf := strings.ReplaceAll(bothConf, "DIR", dir)
	stock, ours := confDaemon(t, "rsync", conf), confDaemon(t, program, conf)
	src := filepath.Join(dir, "src") + "/"
	for _, c := range []struct {
		name, password string
		args           []string // URL and DST are replaced
		// Of a refused pull, stock may break the connection before its client
		// has read why: then it ends with 10.
		exit int
	}{
		{"modules", "", []string{"URL"}, 0},
		{"modules without the motd", "", []string{"--no-motd", "URL"}, 0},
		{"pull", "", []string{"-a", "URL/ro/", "DST"}, 0},
		{"push to a read-only module", "", []string{"-a", src, "URL/ro/"}, 1},
		{"pull from a write-only module", "", []string{"-a", "URL/Write Only/", "DST"}, 1},
		{"push to a write-only module", "", []string{"-a", src, "URL/Write Only/"}, 0},
		{"refused deletion", "", []string{"-a", "--delete", src, "URL/refusing/"}, 4},
		{"refused deletion, another mode", "", []string{"-a", "--delete-after", src, "URL/refusing/"}, 4},
		{"refused checksum", "", []string{"-ac", src, "URL/refusing/"}, 4},
		{"refused checksum of a pull", "", []string{"-ac", "URL/refusing/", "DST"}, 4},
		{"refused compression", "", []string{"-az", src, "URL/refusing/"}, 4},
		{"refused removal", "", []string{"-a", "--remove-source-files", "URL/refusing/", "DST"}, 4},
		{"archive mode only", "", []string{"-a", "URL/archive/", "DST"}, 0},
		{"archive mode only, and more", "", []string{"-aH", "URL/archive/", "DST"}, 4},
		{"no such module", "", []string{"-a", "URL/nope/", "DST"}, 5},
		{"right password", "secret", []string{"-a", "joe@URL/auth/", "DST"}, 0},
		{"right password, old protocol", "secret", []string{"-a", "--protocol=29", "joe@URL/auth/", "DST"}, 0},
		{"right password, read-only user", "secret", []string{"-a", src, "joe@URL/auth/"}, 1},
		{"right password, writing user", "annsecret", []string{"-a", src, "ann@URL/auth/"}, 0},
		{"password of a later line", "other", []string{"-a", "ann@URL/auth/", "DST"}, 5},
		{"a password with colons", "p w:d", []string{"-a", "anybody@URL/auth/", "DST"}, 0},
		{"wrong password", "wrong", []string{"-a", "joe@URL/auth/", "DST"}, 5},
		{"unknown user", "secret", []string{"-a", "nobody@URL/auth/", "DST"}, 5},
		{"user without a password", "", []string{"-a", "anyone@URL/auth/", "DST"}, 5},
		{"denied user", "bad", []string{"-a", "bad@URL/auth/", "DST"}, 5},
		{"secrets that others may read", "secret", []string{"-a", "joe@URL/open/", "DST"}, 5},
		{"a strong digest", "secret", []string{"-a", "joe@URL/strong/", "DST"}, 0},
		{"denied host", "", []string{"-a", "URL/denied/", "DST"}, 5},
		{"allowed host", "", []string{"-a", "URL/allowed/", "DST"}, 0},
		{"host that is not in the list", "", []string{"-a", "URL/elsewhere/", "DST"}, 5},
		{"denied name", "", []string{"-a", "URL/named/", "DST"}, 5},
		{"denied host of a hidden module", "", []string{"-a", "URL/hidden/", "DST"}, 5},
		{"closed module", "", []string{"-a", "URL/closed/", "DST"}, 5},
		{"module without a directory", "", []string{"-a", "URL/gone/", "DST"}, 5},
		{"no such user", "", []string{"-a", "URL/baduid/", "DST"}, 5},
		{"no such group", "", []string{"-a", "URL/badgid/", "DST"}, 5},
		{"filters", "", []string{"-a", "URL/filtered/", "DST"}, 0},
		{"push to a hidden directory", "", []string{"-a", src, "URL/hiding/secret/"}, 3},
		{"push of a file under a hidden name", "", []string{"-a", src + "f", "URL/hiding/secret"}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var results [2]result
			var dst [2]string
			for i, addr := range []string{stock, ours} {
				dst[i] = filepath.Join(t.TempDir(), "dst")
				var args []string
				for _, a := range c.args {
					if user, rest, ok := strings.Cut(a, "@URL"); ok {
						a = "rsync://" + user + "@" + addr + rest
					}
					args = append(args, strings.NewReplacer("URL", "rsync://"+addr, "DST", dst[i]+"/").Replace(a))
				}
				results[i] = asUser(t, c.password, args...)
			}
			wantExit(t, results[1], c.exit)
			if was := results[0].code; was != c.exit && (c.exit != 4 || was != 10) {
				t.Errorf("stock ends with %d", was)
			}
			if want, got := said(results[0]), said(results[1]); got != want {
				t.Errorf("says\n%s\nstock says\n%s", got, want)
			}
			if c.exit == 0 && strings.HasSuffix(c.args[len(c.args)-1], "DST") {
				judge(t, dst[0], dst[1], "--modify-window=0")
			}
		})
	}
	t.Run("log", func(t *testing.T) {
		wantExit(t, asUser(t, "wrong", "-a", "rsync://joe@"+ours+"/auth/", t.TempDir()), 5)
		log, _ := readFile(t, filepath.Join(dir, "log"))
		if !regexp.MustCompile(`login failed.*module=auth user=joe`).MatchString(log) {
			t.Errorf("does not say who was turned away:\n%s", log)
		}
	})
}

// TestDropsPrivileges has files of both dialects arrive as nobody's, in a place
// that nobody can't reach by its path.
func TestDropsPrivileges(t *testing.T) {
	dir := openTempDir(t)
	in, src := filepath.Join(dir, "closed/in"), filepath.Join(dir, "src")
	writeTree(t, src, map[string]string{"a": "a", "sub/b": "b"})
	writeFile(t, filepath.Join(dir, "closed/secret"), "secret")
	check(t, os.Mkdir(in, 0o755))
	check(t, os.Chown(in, 65534, 65534))
	check(t, os.Chmod(filepath.Join(dir, "closed"), 0o700))
	check(t, os.Chmod(filepath.Join(dir, "closed/secret"), 0o600))
	addr := confDaemon(t, program, fmt.Sprintf("read only = no\nlog file = %s/log\n[in]\npath = %s\n[all]\npath = %[1]s/closed\n[me]\npath = %[2]s\nuid = root\ngid = root\n", dir, in))
	check(t, os.Chmod(src, 0o755))
	wantExit(t, run(t, "rsync", "-rlt", src+"/", stockURL(addr, "in/stock/")), 0)
	wantExit(t, run(t, program, "sync", src+"/", "syncd://"+addr+"/in/native/"), 0)
	wantExit(t, run(t, "rsync", "-a", src+"/", stockURL(addr, "me/root/")), 0)
	for path, uid := range map[string]uint32{"stock/a": 65534, "stock/sub/b": 65534, "native/sub/b": 65534, "root/a": 0} {
		var st syscall.Stat_t
		check(t, syscall.Stat(filepath.Join(in, path), &st))
		if st.Uid != uid || st.Gid != uid {
			t.Errorf("%s belongs to %d:%d", path, st.Uid, st.Gid)
		}
	}
	for _, client := range [][]string{{"rsync", "-a", stockURL(addr, "in/")}, {program, "sync", "syncd://" + addr + "/in/"}} {
		dst := filepath.Join(dir, filepath.Base(client[0]))
		wantExit(t, run(t, append(client, dst+"/")...), 0)
		wantFile(t, filepath.Join(dst, "stock/sub/b"), "b")
	}
	r := run(t, "rsync", "-a", stockURL(addr, "all/"), filepath.Join(dir, "stolen")+"/")
	wantExit(t, r, 3, 23)
	if _, there := readFile(t, filepath.Join(dir, "stolen/secret")); there {
		t.Error("nobody reads what only root may")
	}
	log, _ := readFile(t, filepath.Join(dir, "log"))
	if n := strings.Count(log, "session ends"); n < 5 {
		t.Errorf("%d sessions in the log:\n%s", n, log)
	}
}

// TestChangesOnTheWay covers incoming and outgoing chmod and munged symlinks, in
// both dialects.
func TestChangesOnTheWay(t *testing.T) {
	dir := t.TempDir()
	in, src := filepath.Join(dir, "in"), filepath.Join(dir, "src")
	writeTree(t, src, map[string]string{"f": "f", "sub/g": "g"})
	check(t, os.Symlink("/etc/passwd", filepath.Join(src, "link")))
	check(t, os.Mkdir(in, 0o755))
	addr := confDaemon(t, program, fmt.Sprintf("uid = root\ngid = root\n[in]\npath = %s\nread only = no\nuse chroot = no\nincoming chmod = D710,F604\noutgoing chmod = Fu+x,Dg+w\n", in))
	for name, client := range map[string][]string{"stock": {"rsync", "-ai"}, "native": {program, "sync", "-i"}} {
		t.Run(name, func(t *testing.T) {
			url := stockURL(addr, "in/"+name+"/")
			if name == "native" {
				url = "syncd://" + addr + "/in/" + name + "/"
			}
			back := filepath.Join(dir, "back "+name)
			mustRun(t, append(client, src+"/", url)...)
			if again := mustRun(t, append(client, src+"/", url)...); again != "" {
				t.Errorf("the second run changes\n%s", again)
			}
			mustRun(t, append(client, url, back+"/")...)
			for path, want := range map[string]os.FileMode{filepath.Join(in, name, "f"): 0o604, filepath.Join(in, name, "sub"): 0o710,
				filepath.Join(back, "f"): 0o704, filepath.Join(back, "sub"): 0o730} {
				st, err := os.Stat(path)
				check(t, err)
				if st.Mode().Perm() != want {
					t.Errorf("%s has the mode %#o, want %#o", path, st.Mode().Perm(), want)
				}
			}
			for path, want := range map[string]string{filepath.Join(in, name, "link"): "/rsyncd-munged//etc/passwd", filepath.Join(back, "link"): "/etc/passwd"} {
				if got, err := os.Readlink(path); err != nil || got != want {
					t.Errorf("%s leads to %s, %v", path, got, err)
				}
			}
		})
	}
}

// TestMaxConnections has a second client come too early.
func TestMaxConnections(t *testing.T) {
	dir := t.TempDir()
	randomFile(t, filepath.Join(dir, "file"), 1<<20, 3)
	addr := confDaemon(t, program, fmt.Sprintf("uid = root\ngid = root\n[m]\npath = %s\nmax connections = 1\ntimeout = 20\n", dir))
	c, err := net.Dial("tcp", addr)
	check(t, err)
	_, err = fmt.Fprint(c, "@RSYNCD: 32.0 sha512\nm\n")
	check(t, err)
	eventually(t, "the module is full", func() bool {
		r := run(t, "rsync", stockURL(addr, "m/"))
		return r.code == 5 && strings.Contains(r.stderr, "@ERROR: max connections (1) reached -- try again later")
	})
	check(t, c.Close())
	eventually(t, "there is room again", func() bool { return run(t, "rsync", stockURL(addr, "m/")).code == 0 })
}

// TestConnectionPrograms has our daemon started for one client: by a program in
// place of a connection, by inetd's way on a socket, and by a remote shell.
func TestConnectionPrograms(t *testing.T) {
	dir := openTempDir(t)
	src := anyTree(t, filepath.Join(dir, "src"))
	conf := filepath.Join(dir, "rsyncd.conf")
	writeFile(t, conf, fmt.Sprintf("uid = root\ngid = root\nlog file = %s/log\nmax connections = 1\n[m]\npath = %s\n[nobody]\nuid = nobody\npath = %s\n", dir, src, filepath.Join(src, "order")))
	shell := localShell(t)
	for name, command := range map[string][]string{
		"connection program": {"env", "RSYNC_CONNECT_PROG=" + program + " --daemon --config=" + conf, "rsync"},
		"remote shell":       {"rsync", "-e", shell, "--rsync-path=" + program + " --config=" + conf},
	} {
		t.Run(name, func(t *testing.T) {
			dst := t.TempDir()
			mustRun(t, append(command, "-aHAX", "--modify-window=-1", "host::m/", dst+"/m/")...)
			judge(t, src, dst+"/m")
			mustRun(t, append(command, "-a", "--modify-window=-1", "host::nobody/", dst+"/n/")...)
			judge(t, filepath.Join(src, "order"), dst+"/n")
			if out := mustRun(t, append(command, "host::")...); !strings.HasPrefix(out, "m  ") {
				t.Errorf("modules: %q", out)
			}
		})
	}
	t.Run("inetd", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		defer l.Close()
		done := make(chan error, 1)
		go func() {
			c, err := l.Accept()
			if err != nil {
				done <- err
				return
			}
			f, err := c.(*net.TCPConn).File()
			c.Close()
			if err != nil {
				done <- err
				return
			}
			defer f.Close()
			d := exec.Command(program, "--daemon", "--config="+conf)
			d.Stdin, d.Stdout, d.Stderr = f, f, f // as inetd does
			done <- d.Run()
		}()
		dst := t.TempDir()
		mustRun(t, "rsync", "-aHAX", "--modify-window=-1", stockURL(l.Addr().String(), "m/"), dst+"/")
		judge(t, src, dst)
		check(t, <-done)
	})
	if log, _ := readFile(t, filepath.Join(dir, "log")); !strings.Contains(log, "max_connections is not enforced") {
		t.Errorf("the log does not say that clients are not counted:\n%s", log)
	}
}

// TestDetaches covers what a daemon leaves and says when it goes into the
// background.
func TestDetaches(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "mod/file"), "x")
	conf, pid, log := filepath.Join(dir, "rsyncd.conf"), filepath.Join(dir, "pid"), filepath.Join(dir, "log")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	addr := l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	text := fmt.Sprintf("port = %s\naddress = 127.0.0.1\npid file = %s\nlog file = %s\nbogus = 1\nuid = root\ngid = root\n[m]\npath = %s/mod\n", port, pid, log, dir)
	writeFile(t, conf, text)
	start := []string{program, "--daemon", "--config=" + conf}
	if r := run(t, start...); r.code != 10 || !strings.Contains(r.stderr, "address already in use") {
		t.Errorf("a port that is taken: exit %d, %s", r.code, r.stderr)
	}
	check(t, l.Close())
	mustRun(t, start...)
	content, _ := readFile(t, pid)
	var id int
	if _, err := fmt.Sscan(content, &id); err != nil {
		t.Fatalf("pid file: %q", content)
	}
	t.Cleanup(func() { _ = syscall.Kill(id, syscall.SIGKILL) })
	mustRun(t, "rsync", "-a", stockURL(addr, "m/"), filepath.Join(dir, "dst")+"/")
	if r := run(t, append(start, "--port=0", "--dparam=port=1")...); r.code == 0 {
		t.Error("two daemons have one pid file")
	}
	writeFile(t, conf, text+"[new]\npath = "+dir+"/mod\ncomment = later\n")
	if out := mustRun(t, "rsync", stockURL(addr, "")); !strings.Contains(out, "later") {
		t.Errorf("the file is not read again: %q", out)
	}
	writeFile(t, conf, "nonsense[\nport = x\n")
	mustRun(t, "rsync", stockURL(addr, "new/"))
	check(t, syscall.Kill(id, syscall.SIGTERM))
	eventually(t, "the pid file is gone", func() bool { _, there := readFile(t, pid); return !there })
	logged, _ := readFile(t, log)
	for _, want := range []string{"listening", `bogus: unknown parameter`, "session ends", "the configuration stays as it was"} {
		if !strings.Contains(logged, want) {
			t.Errorf("the log has no %q:\n%s", want, logged)
		}
	}
}

// TestRefusesUnsafeConf has a file that asks for checks that we can't make.
func TestRefusesUnsafeConf(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "rsyncd.conf")
	writeFile(t, conf, "[m]\npath = /tmp\npre-xfer exec = /bin/false\n")
	r := run(t, program, "--daemon", "--no-detach", "--config="+conf)
	wantExit(t, r, 1)
	if !regexp.MustCompile(`rsyncd.conf:3: \[m\] pre-xfer exec: `).MatchString(r.stderr) {
		t.Errorf("does not say which:\n%s", r.stderr)
	}
}

// TestNativeAndPasswords has a native client of a module that wants a password.
func TestNativeAndPasswords(t *testing.T) {
	dir := t.TempDir()
	writeTree(t, dir, map[string]string{"mod/f": "f", "secrets": "joe:secret\n"})
	check(t, os.Chmod(filepath.Join(dir, "secrets"), 0o600))
	d := serve(t, daemonConfig{modules: []module{
		{name: "m", path: filepath.Join(dir, "mod"), keys: fmt.Sprintf("auth_users: [joe], secrets_file: %s/secrets", dir)},
		{name: "denied", path: filepath.Join(dir, "mod"), keys: "hosts_deny: [127.0.0.0/8]"},
		{name: "wo", path: filepath.Join(dir, "mod"), writable: true, keys: "write_only: true"},
	}})
	for name, want := range map[string]string{"m": "native identities come later", "denied": "is not for localhost (127.0.0.1)", "wo": "is write-only"} {
		r := run(t, program, "sync", d.url(name+"/"), filepath.Join(dir, "dst")+"/")
		wantExit(t, r, 5)
		if !strings.Contains(r.stderr, want) {
			t.Errorf("%s: does not say %q:\n%s", name, want, r.stderr)
		}
	}
	wantExit(t, asUser(t, "secret", "-a", "rsync://joe@"+d.addr+"/m/", filepath.Join(dir, "stock")+"/"), 0)
	wantExit(t, asUser(t, "wrong", "-a", "rsync://joe@"+d.addr+"/m/", filepath.Join(dir, "stock")+"/"), 5)
	d.alive()
}
