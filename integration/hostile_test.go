package integration

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// maxHostileRSS is the peak memory in KiB that a peer which claims anything at
// all may cost.
const maxHostileRSS = 64 << 10

// rest reads what the other side still sends, until it is gone. It must not
// hold what is outside.
func (p *rawPeer) rest() {
	_ = p.conn.CloseWrite()
	_ = p.conn.SetReadDeadline(time.Now().Add(15 * time.Second))
	b, err := io.ReadAll(io.LimitReader(p.conn, 16<<20))
	if os.IsTimeout(err) {
		p.t.Error("the connection was not ended")
	}
	if bytes.Contains(b, []byte(outsideText)) {
		p.t.Error("the program sent a file from outside")
	}
}

const outsideText = "this is outside of what may be seen"

// hostileTree is what is pushed to, and pulled from, a hostile peer: with a
// file outside, and a symlink that leads there.
func hostileTree(t *testing.T) (inside string) {
	t.Helper()
	dir := t.TempDir()
	inside = filepath.Join(dir, "inside")
	writeFile(t, filepath.Join(dir, "outside"), outsideText)
	writeFile(t, filepath.Join(inside, "f"), "0123456789")
	randomFile(t, filepath.Join(inside, "basis"), basisSize, 1)
	check(t, os.Symlink("..", filepath.Join(inside, "link")))
	return inside
}

// TestHostileClients breaks the protocol towards a daemon, as source of a push
// and as sink of a pull. The daemon ends each connection and serves on.
func TestHostileClients(t *testing.T) {
	inside := hostileTree(t)
	d := serve(t, daemonConfig{keys: "timeout: 2s\nhandshake_timeout: 2s", modules: []module{{name: "m", path: inside, writable: true}}})
	n := 0
	for role, attacks := range map[string][]attack{"push": sourceAttacks, "pull": sinkAttacks} {
		for _, a := range attacks {
			t.Run(role+"/"+a.name, func(t *testing.T) {
				p := dialRaw(t, d.addr)
				p.send(clientHello(role, ""))
				p.skipHello()
				a.play(p)
				p.rest()
				n++
			})
		}
	}
	for name, bytes := range hostileHellos() {
		t.Run("hello/"+name, func(t *testing.T) {
			p := dialRaw(t, d.addr)
			p.send(bytes)
			p.rest()
			n++
		})
	}
	d.alive()
	wantFile(t, filepath.Join(inside, "f"), "0123456789")
	if b, _ := readFile(t, filepath.Join(inside, "basis")); len(b) != basisSize {
		t.Errorf("the file that was there is lost, there are %d bytes", len(b))
	}
	noStagingNames(t, inside)
	if kib := d.peakMemory(); kib > maxHostileRSS {
		t.Errorf("the daemon's memory rose to %d KiB", kib)
	}
	t.Logf("%d ways to break the protocol towards one daemon: each connection was ended, the daemon serves on, its peak memory is %d KiB; nothing lost", n, d.peakMemory())
}

func hostileHellos() map[string][]byte {
	good := string(clientHello("pull", "")[16:])
	h := map[string][]byte{
		"garbage":              bytes.Repeat([]byte("garbage!"), 10_000),
		"half a magic":         []byte(magic[:4]),
		"magic and garbage":    append([]byte(magic), bytes.Repeat([]byte{0xff}, 1000)...),
		"another protocol":     []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"length of 4 GiB":      append(hello(1, 1, "")[:12], 0xff, 0xff, 0xff, 0xff),
		"length above 64 KiB":  append(hello(1, 1, "")[:12], 1, 0, 1, 0),
		"versions to come":     hello(9, 99, good),
		"versions upside down": hello(2, 1, good),
		"no JSON":              hello(1, 1, "no JSON"),
		"unknown field":        hello(1, 1, `{"software":"x","root":true}`),
		"two objects":          hello(1, 1, good+good),
		"deep JSON":            hello(1, 1, strings.Repeat(`{"options":`, 5000)),
		"unknown role":         clientHello("root", ""),
		"no path":              clientHello("pull"),
		"two paths to push to": clientHello("push", "a", "b"),
		"unknown option":       hello(1, 1, strings.Replace(good, "{", `{"options":{"root":true},`, 1)),
		"bad filter rule":      hello(1, 1, strings.Replace(good, "{", `{"options":{"rules":["IQ=="]},`, 1)),
		"stops in a hello":     clientHello("pull", "")[:40],
	}
	for _, path := range []string{"..", "../outside", "/etc", "a//b", "a/./b", "a\x00b", strings.Repeat("x", 4096), "link/outside", "link/"} {
		h[fmt.Sprintf("path %.20q", path)] = clientHello("pull", path)
		h[fmt.Sprintf("path %.20q to push to", path)] = clientHello("push", path)
	}
	return h
}

func dialRaw(t *testing.T, addr string) *rawPeer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	check(t, err)
	t.Cleanup(func() { c.Close() })
	return &rawPeer{t, c.(*net.TCPConn)}
}

// TestHostileServers breaks the protocol towards a client, as sink of a push
// and as source of a pull. The client ends with a clear code.
func TestHostileServers(t *testing.T) {
	inside := hostileTree(t)
	n, peak := 0, 0
	for role, attacks := range map[string][]attack{"pull": sourceAttacks, "push": sinkAttacks} {
		for _, a := range attacks {
			t.Run(role+"/"+a.name, func(t *testing.T) {
				dst := t.TempDir()
				randomFile(t, filepath.Join(dst, "basis"), basisSize, 1)
				url := serveRaw(t, func(p *rawPeer) {
					p.skipHello()
					p.send(serverHello)
					a.play(p)
					p.rest()
				})
				args := []string{"--no-whole-file", "-z", url, dst + "/"}
				if role == "push" {
					args = []string{inside + "/", url}
				}
				r := run(t, measured(syncArgs(append([]string{"--timeout=5"}, args...)...)...)...)
				if a.exits == nil {
					a.exits = []int{2, 12}
				}
				wantExit(t, r, a.exits...)
				kib := peakRSS(t, r.stderr)
				if kib > maxHostileRSS {
					t.Errorf("the client's memory rose to %d KiB", kib)
				}
				if strings.ContainsAny(r.stdout+r.stderr, "\x1b\x07") {
					t.Errorf("the peer reached the terminal: %q", r.stdout+r.stderr)
				}
				onlyHarmless(t, dst)
				peak = max(peak, kib)
				n++
			})
		}
	}
	t.Logf("%d ways to break the protocol towards clients: exit 2 or 12 each (23 for wrong digests), peak memory %d KiB; nothing arrived that should not", n, peak)
}

// onlyHarmless fails the test if a pull has made anything that it was not told
// by a valid page, or has left anything behind.
func onlyHarmless(t *testing.T, dst string) {
	t.Helper()
	noStagingNames(t, dst)
	if b, ok := readFile(t, filepath.Join(dst, "f")); ok && b != "" {
		t.Errorf("a file that was not verified arrived: %q", b)
	}
	if b, _ := readFile(t, filepath.Join(dst, "basis")); len(b) != basisSize {
		t.Errorf("the file that was there is lost, there are %d bytes", len(b))
	}
	if _, err := os.Lstat(filepath.Join(filepath.Dir(dst), "outside")); err == nil {
		t.Error("something was made outside")
	}
}

// serveRaw plays a server for one client and returns its URL.
func serveRaw(t *testing.T, play func(p *rawPeer)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		play(&rawPeer{t, c.(*net.TCPConn)})
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "syncd://" + l.Addr().String() + "/m/"
}

// TestNoSyncd connects clients to servers that are none.
func TestNoSyncd(t *testing.T) {
	for name, c := range map[string]struct {
		answer []byte
		exit   int
	}{
		"closes at once":      {nil, 5},
		"garbage":             {[]byte("garbage!garbage!garbage!"), 5},
		"HTTP":                {[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), 5},
		"stock rsync":         {[]byte("@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4\n"), 5},
		"half a magic":        {[]byte(magic[:5]), 5},
		"stops in a hello":    {serverHello[:20], 5},
		"hello of 4 GiB":      {append(hello(1, 1, "")[:12], 0xff, 0xff, 0xff, 0xff), 2},
		"hello, no JSON":      {hello(1, 1, "no JSON"), 2},
		"hello, unknown key":  {hello(1, 1, `{"root":true}`), 2},
		"version to come":     {hello(9, 9, `{"software":"x"}`), 2},
		"refuses the version": {hello(9, 9, `{"code":"version","text":"too old"}`), 5},
		"refuses":             {hello(1, 1, `{"code":"busy","text":"\u001b[2Jtoo many\nclients"}`), 5},
		"renames to ..":       {hello(1, 1, `{"rename":"Li4="}`), 2},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "f"), "x")
			for _, args := range [][]string{{"SERVER", dir + "/pulled/"}, {dir + "/f", "SERVER"}} {
				url := serveRaw(t, func(p *rawPeer) { p.send(c.answer); p.rest() })
				r := here.sync(t, strings.Split(strings.ReplaceAll("--timeout=5\n"+strings.Join(args, "\n"), "SERVER", url), "\n")...)
				if name == "renames to .." && args[0] == "SERVER" {
					continue // means nothing to a pull
				}
				wantExit(t, r, c.exit)
				oneClearLine(t, r, "syncd: ")
			}
		})
	}
}

// oneClearLine fails the test unless standard error is one printable line that
// holds the words.
func oneClearLine(t *testing.T, r result, words ...string) {
	t.Helper()
	if strings.Count(r.stderr, "\n") != 1 || strings.ContainsAny(r.stderr, "\x1b\x07") {
		t.Errorf("not one clear line: %q", r.stderr)
	}
	for _, w := range words {
		if !strings.Contains(r.stderr, w) {
			t.Errorf("no word of %q: %s", w, r.stderr)
		}
	}
}
