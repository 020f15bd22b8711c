package syncd

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// maxHostile bounds what a hostile peer may have this side allocate, in bytes:
// some buffers, and nothing that the peer only claims.
const maxHostile = 24 << 20

// allocated fails the test if what f does allocates more than maxHostile.
func allocated(t *testing.T, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > maxHostile {
		t.Errorf("%d bytes were allocated", n)
	}
}

// againstServer plays a client of the server that a remote shell starts, and
// returns what the server made of it.
func againstServer(t *testing.T, args []string, play func(f *fakeSender) error) error {
	t.Helper()
	var conns [2]net.Conn
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		if conns[i], err = net.FileConn(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() { done <- ServeStock(ctx, args, conns[0], conns[0]) }()
	conn, err := wire.NewConn(conns[1], wire.Options{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	f := &fakeSender{stockPeer: newStockPeer(conn, false, func(native.Note) {})}
	a, err := rsync.ParseArgs(args, nil)
	if err == nil {
		err = f.exchangeVersions(rsync.MaxProtocol)
	}
	if err == nil {
		f.session, err = rsync.ClientSetup(f.r, f.w, a)
	}
	if err == nil && a.SendsFilters(f.session.Protocol) {
		err = errors.Join(rsync.WriteFilters(f.w, nil), f.w.Flush())
	}
	if err != nil {
		t.Fatalf("set up: %v", err)
	}
	f.enc = rsync.NewListEncoder(f.w, f.session.ListOptions())
	if play(f) == nil {
		go func() { // until the server has enough
			for {
				if _, err := f.r.Byte(); err != nil {
					return
				}
			}
		}()
	}
	return <-done
}

// rawNames sends a list of files without any check, which Add would refuse.
func (f *fakeSender) rawNames(names ...string) error {
	const longName, sameIDs = 1 << 6, 1<<3 | 1<<4
	var err error
	for _, name := range names {
		err = errors.Join(err, f.w.VarInt(longName|sameIDs|1<<2), f.w.VarInt(int32(len(name))))
		_, werr := f.w.Write([]byte(name))
		err = errors.Join(err, werr, f.w.VarLong(1, 3), f.w.VarLong(1e9, 4), f.w.Int(unix.S_IFREG|0o644))
	}
	return errors.Join(err, f.w.VarInt(0), f.w.VarInt(0), f.w.Flush())
}

// rawFrame sends a frame whose header is what it is.
func (f *fakeSender) rawFrame(header ...byte) error {
	if err := f.w.Flush(); err != nil {
		return err
	}
	_, err := f.conn.Write(header)
	return errors.Join(err, f.conn.Flush())
}

// TestStockHostilePushers has clients push to our server what they must not.
// Nothing arrives, neither inside nor outside.
func TestStockHostilePushers(t *testing.T) {
	for name, c := range map[string]struct {
		exit int
		play func(f *fakeSender) error
	}{
		"a name upwards":            {ExitProtocol, func(f *fakeSender) error { return f.rawNames("../outside/file") }},
		"a name that is rooted":     {ExitProtocol, func(f *fakeSender) error { return f.rawNames("/tmp/file") }},
		"a name upwards within":     {ExitProtocol, func(f *fakeSender) error { return f.rawNames("a/../../outside/file") }},
		"a name in no directory":    {ExitProtocol, func(f *fakeSender) error { return f.first(dirEntry("."), fileEntry("nowhere/file", 1)) }},
		"a root that is a file":     {ExitProtocol, func(f *fakeSender) error { return f.first(fileEntry(".", 1)) }},
		"a name longer than any":    {ExitProtocol, func(f *fakeSender) error { return f.rawNames(string(make([]byte, 70_000))) }},
		"a list of no directory":    {ExitProtocol, func(f *fakeSender) error { return errors.Join(f.first(dirEntry(".")), f.w.NDX(-1000), f.w.Flush()) }},
		"a message of unknown code": {ExitStream, func(f *fakeSender) error { return f.rawFrame(0, 0, 0, 7+99) }},
		"a frame below the base":    {ExitStream, func(f *fakeSender) error { return f.rawFrame(0, 0, 0, 6) }},
		"an exit code of 2 bytes":   {ExitStream, func(f *fakeSender) error { return f.rawFrame(2, 0, 0, 7+86, 'a', 'b') }},
		"text, which is a server's": {ExitStream, func(f *fakeSender) error { return f.rawFrame(1, 0, 0, 7+2, 'x') }},
		"a block of no basis": {ExitProtocol, play(func(f *fakeSender, rec rsync.Record, head rsync.SumHead) error {
			return f.answer(rec, head, -1)
		})},
		"the block of lowest number": {ExitProtocol, play(func(f *fakeSender, rec rsync.Record, head rsync.SumHead) error {
			return f.answer(rec, head, -1<<31)
		})},
		"an answer to no request": {ExitProtocol, play(func(f *fakeSender, rec rsync.Record, head rsync.SumHead) error {
			rec.NDX += 5
			return f.answer(rec, head)
		})},
		"another sum head": {ExitProtocol, play(func(f *fakeSender, rec rsync.Record, _ rsync.SumHead) error {
			return f.answer(rec, rsync.SumHead{Count: 1, Block: 700, StrongLen: 2})
		})},
		"a basis of another place": {ExitProtocol, play(func(f *fakeSender, rec rsync.Record, head rsync.SumHead) error {
			return f.rawXName(rec, "../../etc/passwd")
		})},
		"a literal that never comes": {ExitStream, play(func(f *fakeSender, rec rsync.Record, head rsync.SumHead) error {
			return errors.Join(f.answer(rec, head, 1<<30), f.conn.Close())
		})},
		"an index far behind the end": {ExitProtocol, play(func(f *fakeSender, _ rsync.Record, _ rsync.SumHead) error {
			return errors.Join(f.w.NDX(1<<30), f.w.ShortInt(int(rsync.Transfer)), f.w.Flush())
		})},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			outside := filepath.Join(dir, "outside")
			for _, d := range []string{outside, filepath.Join(dir, "dst")} {
				if err := os.Mkdir(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			allocated(t, func() {
				err := againstServer(t, []string{"--server", "-logDtpre.iLsfxCIvu", ".", filepath.Join(dir, "dst")}, c.play)
				if code := ExitCode(err); code != c.exit {
					t.Errorf("exit %d, want %d: %v", code, c.exit, err)
				}
			})
			for _, d := range []string{outside, filepath.Join(dir, "dst")} {
				if left, err := os.ReadDir(d); err != nil || len(left) > 0 {
					t.Errorf("in %s: %v, %v", filepath.Base(d), left, err)
				}
			}
		})
	}
}

// TestStockClientAppendsNothing has a client answer --append-verify with the end of the
// file at once, which leaves our server to look at what it has.
func TestStockClientAppendsNothing(t *testing.T) {
	for name, sum := range map[string]func(f *fakeSender) []byte{
		"a wrong digest": func(f *fakeSender) []byte { return make([]byte, f.session.Checksum.Size()) },
		"the digest of what is there": func(f *fakeSender) []byte {
			h := f.session.Checksum.NewFile(f.session.Seed)
			h.Write([]byte("ab"))
			return h.Sum(nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dst := t.TempDir()
			file := filepath.Join(dst, "file")
			if err := os.WriteFile(file, []byte("ab"), 0o644); err != nil {
				t.Fatal(err)
			}
			args := []string{"--server", "-logDtpre.iLsfxCIvu", "--append", "--append", ".", dst}
			err := againstServer(t, args, play(func(f *fakeSender, rec rsync.Record, head rsync.SumHead) error {
				err := f.answer(rec, head, 0)
				_, werr := f.w.Write(sum(f))
				return errors.Join(err, werr, f.w.Flush(), f.conn.CloseWrite())
			}))
			if code := ExitCode(err); code != ExitStream {
				t.Errorf("exit %d: %v", code, err)
			}
			if got, err := os.ReadFile(file); err != nil || string(got) != "ab" {
				t.Errorf("the file is %q, %v", got, err)
			}
		})
	}
}

// TestStockBrokenPushKeepsAPrefix breaks a push of small literals, between which messages
// come: with --partial all that came is kept, in order.
func TestStockBrokenPushKeepsAPrefix(t *testing.T) {
	const message = 0
	content := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{1}).Read(content)
	for name, lengths := range map[string][]int{
		"one piece":        {32 << 10},
		"many pieces":      {32 << 10, 32 << 10, 32 << 10, 32 << 10, 32 << 10, 32 << 10, 32 << 10, 32 << 10, 32 << 10},
		"tiny ones":        {32 << 10, 3, 32 << 10, 1, 4, 32 << 10, 2},
		"messages":         {32 << 10, message, 32 << 10, message, 3, message, 100},
		"a message behind": {32 << 10, 4, message},
	} {
		t.Run(name, func(t *testing.T) {
			dst := t.TempDir()
			sent := 0
			err := againstServer(t, []string{"--server", "-logDtpre.iLsfxCIvu", "--partial", ".", dst}, func(f *fakeSender) error {
				if err := f.first(dirEntry("."), fileEntry("file", int64(len(content)))); err != nil {
					return err
				}
				rec, head, err := f.request()
				if err == nil {
					err = f.answer(rec, head)
				}
				for _, n := range lengths {
					if n == message {
						err = errors.Join(err, f.rawFrame(0, 0, 0, 7+42)) // MSG_NOOP
						continue
					}
					err = errors.Join(err, f.w.Int(int32(n)))
					_, werr := f.w.Write(content[sent:][:n])
					err = errors.Join(err, werr, f.w.Flush())
					sent += n
				}
				return errors.Join(err, f.conn.CloseWrite())
			})
			if code := ExitCode(err); code != ExitStream {
				t.Errorf("exit %d: %v", code, err)
			}
			kept, err := filepath.Glob(filepath.Join(dst, ".*"))
			if err != nil || len(kept) != 1 {
				t.Fatalf("kept: %v, %v", kept, err)
			}
			if got, err := os.ReadFile(kept[0]); err != nil || !bytes.Equal(got, content[:sent]) {
				t.Errorf("%d bytes were kept of %d that were sent, or others: %v", len(got), sent, err)
			}
		})
	}
}

// rawXName sends a record with the name of a basis, without any check.
func (f *fakeSender) rawXName(rec rsync.Record, name string) error {
	flags := rec.IFlags | rsync.BasisFollows | rsync.XNameFollows
	return errors.Join(f.w.NDX(rec.NDX), f.w.ShortInt(int(flags)), f.w.Byte(0x83), f.w.VString(name), f.w.Flush())
}

// hostileRequests are what a hostile receiving side asks of a source that has
// listed ".", a directory and a file. file is the index of that.
var hostileRequests = map[string]struct {
	exit int
	play func(f *fakeSender, file int) error
}{
	"blocks of no length":              {ExitProtocol, sumRequest(5, 0, 2, 0)},
	"sums longer than the digest":      {ExitProtocol, sumRequest(1, 700, 65, 0)},
	"sums of negative length":          {ExitProtocol, sumRequest(1, 700, -1, 0)},
	"a negative number of blocks":      {ExitProtocol, sumRequest(-1, 700, 2, 0)},
	"a rest longer than a block":       {ExitProtocol, sumRequest(1, 700, 2, 701)},
	"a block longer than any":          {ExitProtocol, sumRequest(1, 1<<17+1, 2, 0)},
	"two thousand million blocks":      {ExitProtocol, sumRequest(1<<31-1, 700, 16, 0)},
	"millions of sums that never come": {ExitStream, sumRequest(1<<22, 700, 16, 0)},
	"an index past the list":           {ExitProtocol, func(f *fakeSender, file int) error { return f.ask(file + 100) }},
	"an index that means a list":       {ExitProtocol, func(f *fakeSender, _ int) error { return errors.Join(f.w.NDX(-101), f.w.Flush()) }},
	"the content of a directory":       {ExitProtocol, func(f *fakeSender, file int) error { return f.ask(file - 1) }},
	"a basis upwards": {ExitProtocol, func(f *fakeSender, file int) error {
		return f.rawXName(rsync.Record{NDX: file, IFlags: rsync.Transfer}, "../../etc/passwd")
	}},
	"a basis that is rooted": {ExitProtocol, func(f *fakeSender, file int) error {
		return f.rawXName(rsync.Record{NDX: file, IFlags: rsync.Transfer}, "/etc/passwd")
	}},
	"a message of unknown code": {ExitStream, func(f *fakeSender, _ int) error { return f.rawFrame(0, 0, 0, 7+99) }},
	"a frame below the base":    {ExitStream, func(f *fakeSender, _ int) error { return f.rawFrame(0, 0, 0, 6) }},
	"a timeout of for ever":     {ExitStream, func(f *fakeSender, _ int) error { return f.rawFrame(4, 0, 0, 7+33, 0, 0, 0, 0) }},
	"an exit code that is none": {ExitStream, func(f *fakeSender, _ int) error { return f.rawFrame(4, 0, 0, 7+86, 0, 0, 0, 0x7f) }},
	"more ends than there are ends": {ExitProtocol, func(f *fakeSender, file int) error {
		return errors.Join(f.w.NDX(rsync.NDXDone), f.w.NDX(rsync.NDXDone), f.w.NDX(rsync.NDXDone), f.w.NDX(rsync.NDXDone), f.ask(file))
	}},
}

func sumRequest(count, block, strong, rest int32) func(f *fakeSender, file int) error {
	return func(f *fakeSender, file int) error {
		if err := f.ask(file); err != nil {
			return err
		}
		return errors.Join(f.w.Int(count), f.w.Int(block), f.w.Int(strong), f.w.Int(rest), f.w.Flush(), f.conn.CloseWrite())
	}
}

// ask asks for the content of an entry.
func (f *fakeSender) ask(ndx int) error {
	return errors.Join(f.w.NDX(ndx), f.w.ShortInt(int(rsync.Transfer)), f.w.Flush())
}

// askHostile reads the list and goes on as a test wants.
func askHostile(play func(f *fakeSender, file int) error) func(f *fakeSender) error {
	return func(f *fakeSender) error {
		l, err := rsync.NewListDecoder(f.r, f.session.ListOptions()).First()
		if err != nil {
			return err
		}
		for i := range l.Len() {
			if name, _ := l.Name(l.Start + i); name == "file" {
				return play(f, l.Start+i)
			}
		}
		return errors.New("the file is not in the list")
	}
}

// TestStockHostileReceivers has receiving sides ask our source for what they
// must not: clients of our server, and a daemon that our client pushes to.
func TestStockHostileReceivers(t *testing.T) {
	src := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(src, "file"), []byte("content"), 0o644), os.Mkdir(filepath.Join(src, "dir"), 0o755)); err != nil {
		t.Fatal(err)
	}
	for name, c := range hostileRequests {
		t.Run("server: "+name, func(t *testing.T) {
			allocated(t, func() {
				err := againstServer(t, []string{"--server", "--sender", "-logDtpre.LsfxCIvu", ".", src + "/"}, askHostile(c.play))
				if code := ExitCode(err); code != c.exit {
					t.Errorf("exit %d, want %d: %v", code, c.exit, err)
				}
			})
		})
		t.Run("client: "+name, func(t *testing.T) {
			to := startFake(t, askHostile(c.play))
			tr := &Transfer{Sources: []Location{{Path: src + "/"}}, Dest: to, Stats: NewStats(), Timeout: 5 * time.Second,
				Stock: StockOptions{Whole: true}, Note: func(native.Note) {}}
			allocated(t, func() {
				_, err := tr.Run(t.Context())
				if code := ExitCode(err); code != c.exit {
					t.Errorf("exit %d, want %d: %v", code, c.exit, err)
				}
			})
		})
	}
}
