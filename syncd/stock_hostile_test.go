package syncd

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// fakeSender is a stock daemon with one module, whose sender does what a test
// wants.
type fakeSender struct {
	*stockPeer
	enc *rsync.ListEncoder
}

// startFake serves one session and returns where.
func startFake(t *testing.T, play func(f *fakeSender) error) Location {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		conn, err := wire.NewConn(c, wire.Options{Timeout: 5 * time.Second})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		f := &fakeSender{stockPeer: newStockPeer(conn, true, func(native.Note) {})}
		if err := f.setUp(); err != nil {
			t.Errorf("set up: %v", err)
			return
		}
		if err := play(f); err == nil {
			f.linger()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return Location{Stock: true, Host: l.Addr().String(), Module: "m"}
}

func (f *fakeSender) setUp() error {
	if _, err := rsync.DaemonHello(f.r, f.w, ""); err != nil {
		return err
	}
	if _, err := rsync.ReadRequest(f.r, f.w); err != nil {
		return err
	}
	if err := rsync.Accept(f.w); err != nil {
		return err
	}
	list, _, err := rsync.ReadArgs(f.r)
	if err != nil {
		return err
	}
	a, err := rsync.ParseArgs(list, nil)
	if err != nil {
		return err
	}
	if f.session, err = rsync.ServerSetup(f.r, f.w, a); err != nil {
		return err
	}
	if a.SendsFilters(f.session.Protocol) {
		if _, err = rsync.ReadFilters(f.r); err != nil {
			return err
		}
	}
	f.enc = rsync.NewListEncoder(f.w, f.session.ListOptions())
	return nil
}

// first sends a first list, and that there are no more.
func (f *fakeSender) first(files ...rsync.File) error {
	f.enc.First()
	for i := range files {
		if err := f.enc.Add(&files[i]); err != nil {
			return err
		}
	}
	_, err := f.enc.End(0)
	return errors.Join(err, f.enc.Done(), f.w.Flush())
}

func dirEntry(name string) rsync.File {
	return rsync.File{Entry: wire.Entry{Name: name, Mode: unix.S_IFDIR | 0o755, Mtime: wire.Time{Sec: 1e9}}, TopDir: name == ".", Content: true}
}

func fileEntry(name string, size int64) rsync.File {
	return rsync.File{Entry: wire.Entry{Name: name, Mode: unix.S_IFREG | 0o644, Size: size, Mtime: wire.Time{Sec: 1e9}}}
}

// request reads the next request for a file.
func (f *fakeSender) request() (rsync.Record, rsync.SumHead, error) {
	for {
		ndx, err := f.r.NDX()
		if err != nil {
			return rsync.Record{}, rsync.SumHead{}, err
		}
		if ndx < 0 {
			continue
		}
		rec, err := f.r.Record(ndx)
		if err != nil {
			return rec, rsync.SumHead{}, err
		}
		head, err := f.r.SumHead(f.session.Checksum.Size())
		if err == nil && f.session.Args.Append == 0 {
			_, err = rsync.ReadSums(f.r, head, 1<<20)
		}
		return rec, head, err
	}
}

// answer sends the head of an answer, then ints: tokens, mostly.
func (f *fakeSender) answer(rec rsync.Record, head rsync.SumHead, ints ...int32) error {
	err := errors.Join(f.w.Record(rec), f.w.SumHead(head))
	for _, v := range ints {
		err = errors.Join(err, f.w.Int(v))
	}
	return errors.Join(err, f.w.Flush())
}

// badSum answers with content whose sum is wrong.
func (f *fakeSender) badSum() error {
	rec, head, err := f.request()
	if err != nil {
		return err
	}
	if err := f.answer(rec, head, 4, 0x61616161, 0); err != nil {
		return err
	}
	_, err = f.w.Write(make([]byte, f.session.Checksum.Size()))
	return errors.Join(err, f.w.Flush())
}

// play returns what sends a list of the root, and one file in it, and then does
// what a test wants of the first request.
func play(then func(f *fakeSender, rec rsync.Record, head rsync.SumHead) error) func(*fakeSender) error {
	return func(f *fakeSender) error {
		if err := f.first(dirEntry("."), fileEntry("file", 4)); err != nil {
			return err
		}
		rec, head, err := f.request()
		if err != nil {
			return err
		}
		return then(f, rec, head)
	}
}

func TestStockHostileSenders(t *testing.T) {
	for name, c := range map[string]struct {
		path string // asked for
		exit int
		play func(f *fakeSender) error
	}{
		"a name that was not asked for": {"dir", ExitProtocol, func(f *fakeSender) error {
			return f.first(dirEntry("dir"), fileEntry("other", 1))
		}},
		"the content of more than was asked for": {"dir", ExitProtocol, func(f *fakeSender) error {
			return f.first(dirEntry("."), fileEntry("file", 1))
		}},
		"an excluded name": {"", ExitProtocol, func(f *fakeSender) error {
			return f.first(dirEntry("."), fileEntry("x.excluded", 1))
		}},
		"a root that is a file": {"", ExitProtocol, func(f *fakeSender) error {
			return f.first(fileEntry(".", 1))
		}},
		"a file of another directory": {"", ExitProtocol, func(f *fakeSender) error {
			return f.first(dirEntry("."), fileEntry("nowhere/file", 1))
		}},
		"an answer that was not asked for": {"", ExitProtocol, play(func(f *fakeSender, rec rsync.Record, head rsync.SumHead) error {
			rec.NDX++
			return f.answer(rec, head)
		})},
		"no transfer": {"", ExitProtocol, play(func(f *fakeSender, rec rsync.Record, head rsync.SumHead) error {
			rec.IFlags &^= rsync.Transfer
			return f.answer(rec, head)
		})},
		"another sum head": {"", ExitProtocol, play(func(f *fakeSender, rec rsync.Record, _ rsync.SumHead) error {
			return f.answer(rec, rsync.SumHead{Count: 1, Block: 700, StrongLen: 2})
		})},
		"a block of no basis": {"", ExitProtocol, play(func(f *fakeSender, rec rsync.Record, head rsync.SumHead) error {
			return f.answer(rec, head, -1)
		})},
		"an end that comes early": {"", ExitProtocol, play(func(f *fakeSender, _ rsync.Record, _ rsync.SumHead) error {
			for range 5 {
				if err := f.w.NDX(rsync.NDXDone); err != nil {
					return err
				}
			}
			return f.w.Flush()
		})},
		"attributes that were not asked for": {"", ExitProtocol, play(func(f *fakeSender, rec rsync.Record, head rsync.SumHead) error {
			rec.IFlags |= rsync.ReportXattr
			return f.answer(rec, head)
		})},
		"sums that are always wrong": {"", ExitPartial, func(f *fakeSender) error {
			err := f.first(dirEntry("."), fileEntry("file", 4))
			for range maxTries {
				err = errors.Join(err, f.badSum())
			}
			return errors.Join(err, f.finish())
		}},
		"an abort": {"", 77, play(func(f *fakeSender, _ rsync.Record, _ rsync.SumHead) error {
			return f.w.Message(rsync.Message{Code: rsync.MsgErrorExit, Value: 77})
		})},
		"a file that can't be sent": {"", ExitPartial, play(func(f *fakeSender, rec rsync.Record, _ rsync.SumHead) error {
			return errors.Join(
				f.w.Message(rsync.Message{Code: rsync.MsgErrorXfer, Text: "no\n"}),
				f.w.Message(rsync.Message{Code: rsync.MsgNoSend, Value: int32(rec.NDX)}), f.finish())
		})},
		"that a file which was not asked for can't be sent": {"", ExitProtocol, play(func(f *fakeSender, rec rsync.Record, _ rsync.SumHead) error {
			return errors.Join(
				f.w.Message(rsync.Message{Code: rsync.MsgNoSend, Value: int32(rec.NDX) + 1}), f.finish())
		})},
		"a file that has vanished": {"", ExitVanished, play(func(f *fakeSender, rec rsync.Record, _ rsync.SumHead) error {
			return errors.Join(
				f.w.Message(rsync.Message{Code: rsync.MsgNoSend, Value: int32(rec.NDX)}),
				f.w.Message(rsync.Message{Code: rsync.MsgIOError, Value: rsync.IOErrVanished}), f.finish())
		})},
		"a stream that ends": {"", ExitStream, play(func(*fakeSender, rsync.Record, rsync.SumHead) error { return fs.ErrClosed })},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dst := filepath.Join(t.TempDir(), "dst")
			if err := os.Mkdir(dst, 0o755); err != nil {
				t.Fatal(err)
			}
			rules := new(filter.List)
			if err := rules.AddExclude("*.excluded"); err != nil {
				t.Fatal(err)
			}
			from := startFake(t, c.play)
			from.Path = c.path
			tr := &Transfer{Sources: []Location{from}, Dest: Location{Path: dst}, Filter: rules, Stats: NewStats(),
				Timeout: 5 * time.Second, Options: Options{Xattrs: true}, Note: func(native.Note) {}}
			r, err := tr.Run(t.Context())
			code := ExitCode(err)
			if err == nil {
				code = r.Exit
			}
			if code != c.exit {
				t.Errorf("exit %d, want %d: %v", code, c.exit, err)
			}
			entries, err := os.ReadDir(dst)
			if err != nil || len(entries) > 0 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
}

// finish plays the end of a session whose client asks for nothing more.
func (f *fakeSender) finish() error {
	for range rsync.Phases(f.session.Protocol) {
		for {
			ndx, err := f.r.NDX()
			if err != nil {
				return err
			}
			if ndx == rsync.NDXDone {
				break
			}
		}
		if err := errors.Join(f.w.NDX(rsync.NDXDone), f.w.Flush()); err != nil {
			return err
		}
	}
	if err := errors.Join(rsync.WriteStats(f.w, rsync.Stats{}), f.w.Flush()); err != nil {
		return err
	}
	_, err := rsync.ReadGoodbye(f.r, f.w, true)
	return err
}

func TestSortChildren(t *testing.T) {
	n := new(node)
	var w native.PageWriter
	for _, name := range []string{"a", "a b", "a-b", "a.b", "a0", "b"} {
		if err := n.push(&wire.Entry{Name: name, Mode: unix.S_IFDIR | 0o755, Nlink: 1}, &w); err != nil {
			t.Fatal(err)
		}
	}
	n.sortChildren()
	var got []string
	for len(n.at) > 0 {
		var e wire.Entry
		n.pop(&e)
		got = append(got, e.Name)
	}
	if want := "a b,a-b,a.b,a,a0,b"; strings.Join(got, ",") != want {
		t.Errorf("order %q, want %q", got, want)
	}
}

// TestStockAppendsNothing has a sender end a file of which it was to send more, at
// once: what was there is hashed, and stays.
func TestStockAppendsNothing(t *testing.T) {
	from := startFake(t, func(f *fakeSender) error {
		if err := f.first(dirEntry("."), fileEntry("file", 4)); err != nil {
			return err
		}
		rec, head, err := f.request()
		if err != nil {
			return err
		}
		if err := f.answer(rec, head, 0); err != nil {
			return err
		}
		_, err = f.w.Write(make([]byte, f.session.Checksum.Size()))
		return errors.Join(err, f.w.Flush(), fs.ErrClosed)
	})
	dst := t.TempDir()
	file := filepath.Join(dst, "file")
	if err := os.WriteFile(file, []byte("ab"), 0o644); err != nil {
		t.Fatal(err)
	}
	tr := &Transfer{Sources: []Location{from}, Dest: Location{Path: dst}, Stats: NewStats(), Timeout: 5 * time.Second,
		Options: Options{AppendVerify: true}, Note: func(native.Note) {}}
	if _, err := tr.Run(t.Context()); err == nil {
		t.Error("nobody complains")
	}
	if got, err := os.ReadFile(file); string(got) != "ab" || err != nil {
		t.Errorf("the file is %q: %v", got, err)
	}
}
