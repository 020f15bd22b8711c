package rsync_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed9553035b/syncd/wire/rsync"
)

func TestParseGreeting(t *testing.T) {
	for _, c := range []struct {
		line     string
		protocol int    // 0: refused
		digest   string // what a daemon would pick
	}{
		{"@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4", 32, "sha512"},
		{"@RSYNCD: 31.0", 31, "md5"},
		{"@RSYNCD: 31.0 md4 md5", 31, "md4"},
		{"@RSYNCD: 29", 29, "md4 (old)"},
		{"@RSYNCD: 33.0 blake9 sha1", 32, "sha1"},
		{"@RSYNCD: 32.5 md5", 31, "md5"}, // a pre-release of 32
		{"@RSYNCD: 40.5 md5", 32, "md5"},
		{"@RSYNCD: 26", 0, ""},
		{"@RSYNCD: 30", 0, ""},   // no subprotocol
		{"@RSYNCD: 32.0", 0, ""}, // no digests
		{"@RSYNCD: 32.0 blake9", 0, ""},
		{"@RSYNCD: x.0 md5", 0, ""},
		{"@RSYNCD: 31.x", 0, ""},
		{"@RSYNCD: -1", 0, ""},
		{"@RSYNCD: 99999999999", 0, ""},
		{"GET / HTTP/1.1", 0, ""},
		{"", 0, ""},
	} {
		w, out := writer(32)
		h, err := rsync.DaemonHello(reader([]byte(c.line+"\n"), 32), w, "")
		if c.protocol == 0 {
			if err == nil || !strings.Contains(out.String(), "\n@ERROR: ") {
				t.Errorf("%q: %v, %v, answer %q", c.line, h, err, out.String())
			}
			continue
		}
		if err != nil || h.Protocol != c.protocol || h.Digest != c.digest {
			t.Errorf("%q: %+v, %v", c.line, h, err)
		}
	}
}

func TestReadRequest(t *testing.T) {
	for _, c := range []struct {
		in, module, early, answer string
		list                      bool
	}{
		{in: "m\n", module: "m"},
		{in: "m\r\n", module: "m"},
		{in: "\n", list: true},
		{in: "#list\n", list: true},
		{in: "#early_input=3\na\nbm\n", module: "m", early: "a\nb"},
		{in: "#early_input=0\n", answer: "@ERROR: invalid early_input length\n"},
		{in: "#early_input=5121\n", answer: "@ERROR: invalid early_input length\n"},
		{in: "#bogus\n", answer: "@ERROR: Unknown command '#bogus'\n"},
		{in: strings.Repeat("x", 1023) + "\n", module: strings.Repeat("x", 1023)},
	} {
		w, out := writer(32)
		req, err := rsync.ReadRequest(reader([]byte(c.in), 32), w)
		if out.String() != c.answer || (err != nil) != (c.answer != "") {
			t.Errorf("%.50q: answer %q, %v", c.in, out.String(), err)
		}
		if err == nil && (req.Module != c.module || string(req.EarlyInput) != c.early || req.List != c.list) {
			t.Errorf("%.50q: %+v", c.in, req)
		}
	}
	for _, in := range []string{strings.Repeat("x", 1024) + "\n", "a\x00b\n", "abc", "#early_input=5\nab"} {
		w, _ := writer(32)
		if _, err := rsync.ReadRequest(reader([]byte(in), 32), w); err == nil {
			t.Errorf("%.50q was taken", in)
		}
	}
}

// stockLogin is a stock daemon whose module wants user u with password secret.
func stockLogin(t *testing.T) (addr, earlyFile string) {
	t.Helper()
	dir := t.TempDir()
	secrets := filepath.Join(dir, "secrets")
	if err := os.WriteFile(secrets, []byte("u:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	motd := filepath.Join(dir, "motd")
	if err := os.WriteFile(motd, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	earlyFile = filepath.Join(dir, "early")
	return stockDaemon(t, "motd file = "+motd+"\n[m]\npath = "+dir+"\ncomment = first\nauth users = u\nsecrets file = "+secrets+
		"\nearly exec = cat > "+earlyFile+"\n[hidden]\nlist = no\npath = /\n"), earlyFile
}

func TestLoginToStockDaemon(t *testing.T) {
	addr, early := stockLogin(t)
	for _, protocol := range []int{32, 31, 30, 29, 27} {
		for password, ok := range map[string]bool{"secret": true, "wrong": false} {
			l := dial(t, addr)
			h, err := rsync.ClientHello(l.r, l.w, protocol)
			if err != nil {
				t.Fatal(err)
			}
			var motd []string
			err = h.OpenModule(l.r, l.w, "m", rsync.Login{User: "u", EarlyInput: []byte("early\x00\nbird"),
				Password: func() (string, error) { return password, nil },
				Text:     func(line string) { motd = append(motd, line) }})
			var refused *rsync.DaemonError
			if ok != (err == nil) || !ok && (!errors.As(err, &refused) || refused.Text != "auth failed on module m") {
				t.Errorf("protocol %d, password %q: %v", protocol, password, err)
			}
			if got := strings.Join(motd, "|"); got != "hello|" {
				t.Errorf("motd %q", got)
			}
			if b, err := os.ReadFile(early); ok && string(b) != "early\x00\nbird" {
				t.Errorf("early input %q, %v", b, err)
			}
		}
	}
}

func TestListModulesOfStockDaemon(t *testing.T) {
	addr, _ := stockLogin(t)
	l := dial(t, addr)
	h, err := rsync.ClientHello(l.r, l.w, 32)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	if err := h.ListModules(l.r, l.w, func(line string) { lines = append(lines, line) }); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(lines, "|"), "hello||m              \tfirst"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestStockDaemonRefuses(t *testing.T) {
	addr := stockDaemon(t, module(t.TempDir()))
	l := dial(t, addr)
	h, err := rsync.ClientHello(l.r, l.w, 32)
	if err != nil {
		t.Fatal(err)
	}
	err = h.OpenModule(l.r, l.w, "nothing", rsync.Login{})
	var refused *rsync.DaemonError
	if !errors.As(err, &refused) || refused.Text != "Unknown module 'nothing'" || rsync.ExitCode(err) != rsync.ExitStart {
		t.Errorf("got %v", err)
	}
}

// TestNegotiation runs both sides of this package against each other and
// checks that they agree, whatever order a peer lists its names in.
func TestNegotiation(t *testing.T) {
	for _, c := range []struct {
		name                          string
		protocol                      int
		a                             rsync.Args
		checksum, list, compress, err string
	}{
		{name: "all", protocol: 32, a: rsync.Args{Capabilities: "vC", Compress: true}, checksum: "xxh128", list: "xxh128", compress: "zstd"},
		{name: "no compression", protocol: 32, a: rsync.Args{Capabilities: "vC"}, checksum: "xxh128", list: "xxh128", compress: "none"},
		{name: "choices", protocol: 32, a: rsync.Args{Capabilities: "v", ChecksumChoice: "md5,sha1", Compress: true, CompressChoice: "lz4"},
			checksum: "md5", list: "sha1", compress: "lz4"},
		{name: "auto", protocol: 32, a: rsync.Args{Capabilities: "v", ChecksumChoice: "auto"}, checksum: "xxh128", list: "xxh128", compress: "none"},
		{name: "no varints", protocol: 32, a: rsync.Args{Compress: true}, checksum: "md5", list: "md5", compress: "zlib"},
		{name: "29", protocol: 29, a: rsync.Args{Compress: true}, checksum: "md4", list: "md4", compress: "zlib"},
		{name: "md4 by name", protocol: 32, a: rsync.Args{ChecksumChoice: "md4"}, checksum: "md4", list: "md4", compress: "none"},
		{name: "unknown checksum", protocol: 32, a: rsync.Args{ChecksumChoice: "crc32"}, err: "crc32"},
		{name: "unknown compression", protocol: 32, a: rsync.Args{Compress: true, CompressChoice: "brotli"}, err: "brotli"},
	} {
		x, y := net.Pipe()
		cl, sv := newLink(t, x, true), newLink(t, y, false)
		for _, l := range []*link{cl, sv} {
			l.r.SetProtocol(c.protocol)
			l.w.SetProtocol(c.protocol)
		}
		var s *rsync.Session
		done := make(chan error, 1)
		go func() {
			var err error
			s, err = rsync.ServerSetup(sv.r, sv.w, &c.a)
			if err != nil {
				sv.c.Close()
			}
			done <- err
		}()
		got, err := rsync.ClientSetup(cl.r, cl.w, &c.a)
		if err != nil {
			cl.c.Close()
		}
		serr := <-done
		if c.err != "" {
			if !errors.Is(serr, rsync.ErrUnsupported) || !strings.Contains(serr.Error(), c.err) || rsync.ExitCode(serr) != rsync.ExitUnsupported {
				t.Errorf("%s: %v", c.name, serr)
			}
			continue
		}
		if err != nil || serr != nil {
			t.Errorf("%s: %v, %v", c.name, err, serr)
			continue
		}
		for _, s := range []*rsync.Session{s, got} {
			if s.Checksum.String() != c.checksum || s.ListChecksum.String() != c.list || s.Compression != c.compress {
				t.Errorf("%s: %v, %v, %v", c.name, s.Checksum, s.ListChecksum, s.Compression)
			}
		}
		if s.Seed != got.Seed || s.Compat != got.Compat {
			t.Errorf("%s: %+v, %+v", c.name, s, got)
		}
	}
}

// TestNegotiationWithStockLists plays stock servers and clients by their lists.
func TestNegotiationWithStockLists(t *testing.T) {
	names := func(list string) []byte { return append([]byte{byte(len(list))}, list...) }
	compat := []byte{0x81, 0xFF}
	seed := []byte{1, 2, 3, 4}
	// A client answers with one name, so that a server of either rule takes it.
	w, out := writer(32)
	a := &rsync.Args{Capabilities: "iv", Recursive: true, Sender: true}
	s, err := rsync.ClientSetup(reader(concat(compat, names("md5 xxh64 xxh128 none"), seed), 32), w, a)
	if err != nil || s.Checksum.String() != "xxh128" || string(out.Next(100)) != "\x06xxh128" {
		t.Errorf("%+v, %v", s, err)
	}
	// A server takes the client's first choice; 3.2.0 said xxhash for xxh64.
	w, _ = writer(32)
	s, err = rsync.ServerSetup(reader(names("blake9 xxhash xxh128 md5"), 32), w, a)
	if err != nil || s.Checksum.String() != "xxh64" || s.Seed == 0 {
		t.Errorf("%+v, %v", s, err)
	}
	w, _ = writer(32)
	if _, err = rsync.ServerSetup(reader(names("blake9"), 32), w, a); !errors.Is(err, rsync.ErrNegotiate) {
		t.Errorf("nothing in common: %v", err)
	}
	w, _ = writer(32)
	_, err = rsync.ClientSetup(reader(concat(compat, names("md5"), seed), 32), w, &rsync.Args{Capabilities: "v"})
	if !errors.Is(err, rsync.ErrProtocol) {
		t.Errorf("incremental recursion unasked: %v", err)
	}
}

func TestRemoteShellVersion(t *testing.T) {
	for v, want := range map[int32]int{32: 32, 31: 31, 27: 27, 40: 32, 26: 0, 19: 0, 41: 0, 0x64656e69: 0} {
		b := encoded(32, func(w *rsync.Writer) { w.WriteVersion(int(v)) })
		got, err := reader(b, 32).ReadVersion(32)
		if want > 0 && (got != want || err != nil) || want == 0 && (!errors.Is(err, rsync.ErrProtocol) || rsync.ExitCode(err) != rsync.ExitProtocol) {
			t.Errorf("%d: %d, %v", v, got, err)
		}
	}
}
