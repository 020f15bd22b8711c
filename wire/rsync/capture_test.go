package rsync_test

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// The seeds of the fuzz targets are captures of sessions with stock rsync:
//
//	go test -run TestCorpora -capture ./wire/rsync
var capture = flag.Bool("capture", false, "rewrite testdata/fuzz from sessions with stock rsync")

// A tape records what passes through a stream, in pieces by kind.
type tape struct {
	in    rsync.InStream
	bytes []byte
	kinds map[string][]byte
}

func (t *tape) Read(p []byte) (int, error) {
	n, err := t.in.Read(p)
	t.bytes = append(t.bytes, p[:n]...)
	return n, err
}

func (t *tape) Discard(n int64) error {
	_, err := io.CopyN(io.Discard, t, n)
	return err
}

func (t *tape) RecvFile(dst wire.File, off, n int64) error {
	_, err := io.CopyN(io.NewOffsetWriter(dst, off), t, n)
	return err
}

func (t *tape) GatherFile(dst wire.File, off, n, _ int64) error { return t.RecvFile(dst, off, n) }

func (t *tape) WriteOut() error { return nil }

// keep adds what passed since the last keep or drop to a kind.
func (t *tape) keep(kind string) {
	if t != nil {
		t.kinds[kind] = append(t.kinds[kind], t.bytes...)
		t.bytes = nil
	}
}

func (t *tape) drop() {
	if t != nil {
		t.bytes = nil
	}
}

// demuxed makes a Reader's data stream an InStream.
type demuxed struct{ *rsync.Reader }

func (d demuxed) RecvFile(dst wire.File, off, n int64) error {
	return d.Reader.RecvFile(dst, off, n, 0)
}

func (d demuxed) GatherFile(dst wire.File, off, n, more int64) error {
	return d.Reader.RecvFile(dst, off, n, more)
}

// startTape puts a tape behind the multiplexing.
func (l *link) startTape(protocol int) {
	if !*capture {
		return
	}
	l.tape = &tape{in: demuxed{l.r}, kinds: map[string][]byte{}}
	l.r = rsync.NewReader(l.tape, true)
	l.r.SetProtocol(protocol)
}

// maxSeed keeps the corpora small; a cut stream is a good seed too.
const maxSeed = 3 << 10

// writeSeed adds a seed to a target's corpus.
func writeSeed(t *testing.T, target, name string, args ...any) {
	t.Helper()
	var b strings.Builder
	b.WriteString("go test fuzz v1\n")
	for _, a := range args {
		switch a := a.(type) {
		case []byte:
			fmt.Fprintf(&b, "[]byte(%s)\n", strconv.Quote(string(a[:min(len(a), maxSeed)])))
		case int:
			fmt.Fprintf(&b, "int(%d)\n", a)
		case string:
			fmt.Fprintf(&b, "string(%s)\n", strconv.Quote(a))
		}
	}
	dir := filepath.Join("testdata/fuzz", target)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -=,.", r) {
			return '_'
		}
		return r
	}, name)
	if err := os.WriteFile(filepath.Join(dir, strings.Trim(name, "_")), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// layout puts list options into one number, for a seed.
func layout(o rsync.ListOptions) int {
	bits := 0
	for i, on := range []bool{o.Owner, o.Group, o.Links, o.Devices, o.Specials, o.HardLinks, o.ACLs, o.Xattrs > 0, o.Atimes, o.Crtimes,
		o.Relative, o.NumericIDs, o.MissingNames, o.Checksum > 0} {
		if on {
			bits |= 1 << i
		}
	}
	return bits
}

// layoutOptions is the inverse of layout.
func layoutOptions(protocol, compat, bits int) rsync.ListOptions {
	on := func(i int) bool { return bits&(1<<i) != 0 }
	o := rsync.ListOptions{Protocol: 27 + (max(protocol, 27)-27)%6, Compat: rsync.Compat(compat), Owner: on(0), Group: on(1), Links: on(2), Devices: on(3),
		Specials: on(4), HardLinks: on(5), ACLs: on(6), Atimes: on(8), Crtimes: on(9), Relative: on(10), NumericIDs: on(11), MissingNames: on(12)}
	if o.Protocol < 30 {
		o.Compat = 0
	}
	if on(7) {
		o.Xattrs = 1
	}
	if on(13) {
		o.Checksum = 16
	}
	return o
}

// writeSession writes what one session gave.
func writeSession(t *testing.T, name string, l *link, s *rsync.Session) {
	t.Helper()
	o := s.ListOptions()
	if o.Checksum == 8 {
		return // layout has one length of digest
	}
	k := l.tape.kinds
	if b := k["list"]; len(b) > 0 {
		writeSeed(t, "FuzzList", name, o.Protocol, int(o.Compat), layout(o), b)
	}
	if b := k["tokens"]; len(b) > 0 && (s.Args.Compress || name == "plain") {
		writeSeed(t, "FuzzTokens", name, slices.Index(compressions, s.Compression), o.Protocol, b)
	}
	// What follows depends on little more than the protocol.
	name = strconv.Itoa(o.Protocol)
	if b := k["record"]; len(b) > 0 {
		writeSeed(t, "FuzzRecord", name, o.Protocol, b)
	}
	if b := k["sums"]; len(b) > 0 {
		writeSeed(t, "FuzzSums", name, o.Protocol, b)
	}
	if b := k["request"]; len(b) > 0 {
		writeSeed(t, "FuzzXattrRequest", name, b)
	}
	if b := k["values"]; len(b) > 0 {
		writeSeed(t, "FuzzXattrValues", name, b)
	}
	if b := k["stats"]; len(b) > 0 {
		writeSeed(t, "FuzzStats", name, o.Protocol, b)
	}
}

// captureAll runs sessions as client and as server and writes their seeds.
func captureAll(t *testing.T) {
	src := smallTree(t)
	addr := stockDaemon(t, module(src))
	for _, sc := range scenarios() {
		a := sc.args
		a.Sender, a.Paths = true, []string{"m/"}
		x := &testReceiver{link: dial(t, addr), t: t, root: oldCopy(t, src)}
		s, err := connect(t, x.link, &a, sc.protocol)
		if err != nil {
			t.Fatal(err)
		}
		x.s = s
		rsync.WriteFilters(x.w, nil)
		x.w.Flush()
		if err := x.receive(); err != nil {
			t.Fatal(err)
		}
		writeSession(t, sc.name, x.link, s)
		writeSeed(t, "FuzzClient", sc.name, x.raw.bytes)
	}
	for _, options := range clientOptions {
		for _, push := range []bool{false, true} {
			d, addr := newDaemon(t, testDaemon{root: src})
			name, dst := options+" pull", oldCopy(t, src)
			args := append(strings.Fields(options), "--exclude=/none", "TARGET", dst)
			if push {
				d.root, name = dst, options+" push"
				args = append(strings.Fields(options), "--delete", "--exclude=/none", src+"/", "TARGET")
			}
			if out, err := client(t, addr, args...); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if err := <-d.result; err != nil {
				t.Fatal(err)
			}
			writeSession(t, name, d.link, d.s)
			writeSeed(t, "FuzzServer", name, d.link.raw.bytes)
		}
	}
}

// smallTree is makeTree without the long contents, so that seeds are whole.
func smallTree(t *testing.T) string {
	t.Helper()
	dir := makeTree(t)
	for _, name := range []string{"big", "token", "token+1", "d1/d2/deep"} {
		if err := os.Truncate(filepath.Join(dir, name), 1500); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// targets are the fuzz targets whose seeds are captured.
var targets = []string{"FuzzClient", "FuzzList", "FuzzRecord", "FuzzServer", "FuzzStats", "FuzzSums", "FuzzTokens", "FuzzXattrRequest", "FuzzXattrValues"}

// TestCorpora fails when a corpus has vanished.
func TestCorpora(t *testing.T) {
	if *capture {
		if err := os.RemoveAll("testdata/fuzz"); err != nil {
			t.Fatal(err)
		}
		captureAll(t)
	}
	for _, target := range targets {
		seeds, err := os.ReadDir(filepath.Join("testdata/fuzz", target))
		if err != nil || len(seeds) == 0 {
			t.Errorf("%s has no seeds: %v", target, err)
		}
	}
}
