package rsync_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// FuzzList decodes the lists of a session and sends each again: it must read
// the same.
func FuzzList(f *testing.F) {
	f.Fuzz(func(t *testing.T, protocol, compat, bits int, data []byte) {
		o := layoutOptions(protocol, compat, bits)
		r := reader(data, o.Protocol)
		d := rsync.NewListDecoder(r, o)
		l, err := d.First()
		for err == nil {
			resend(t, o, l)
			ndx, nerr := r.NDX()
			dir, ok := rsync.ListDir(ndx)
			if nerr != nil || !ok {
				break
			}
			l, err = d.Next(dir)
		}
	})
}

// resend encodes a list as a single one and decodes it.
func resend(t *testing.T, o rsync.ListOptions, l *rsync.List) {
	o.Compat &^= rsync.IncRecurse
	var files []*rsync.File
	l.All(func(_ int, f *rsync.File) bool {
		f.Nlink = 1 // groups have numbers of their own
		f.Xattrs = append([]wire.Xattr(nil), f.Xattrs...)
		for _, a := range f.Abbrev {
			f.Xattrs[a.Index].Value = make([]byte, min(a.Len, 100))
		}
		files = append(files, f)
		return true
	})
	again := listed(t, o, files...)
	for i, f := range files {
		got := again.File(i)
		diff := cmp.Diff(f, got, cmpopts.IgnoreUnexported(rsync.File{}), cmpopts.EquateEmpty(),
			cmpopts.IgnoreFields(rsync.File{}, "Abbrev", "Entry.Dev", "Entry.Ino", "Entry.Nlink", "Entry.User", "Entry.Group"),
			cmpopts.IgnoreFields(wire.ACE{}, "Name"), cmp.Comparer(func(a, b wire.Xattr) bool { return a.Name == b.Name }))
		if diff != "" {
			t.Fatalf("-first +again\n%s", diff)
		}
	}
}

// FuzzRecord decodes records and encodes them again.
func FuzzRecord(f *testing.F) {
	f.Fuzz(func(t *testing.T, protocol int, data []byte) {
		protocol = 27 + max(protocol-27, 0)%6
		r := reader(data, protocol)
		for {
			ndx, err := r.NDX()
			if err != nil {
				return
			}
			if ndx < 0 {
				continue
			}
			rec, err := r.Record(ndx)
			if err != nil {
				return
			}
			b := encoded(protocol, func(w *rsync.Writer) { w.Record(rec) })
			r2 := reader(b, protocol)
			ndx2, err := r2.NDX()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r2.Record(ndx2); got != rec || err != nil {
				t.Fatalf("%+v became %+v, %v", rec, got, err)
			}
		}
	})
}

// FuzzSums decodes signatures and encodes them again.
func FuzzSums(f *testing.F) {
	f.Fuzz(func(t *testing.T, protocol int, data []byte) {
		protocol = 27 + max(protocol-27, 0)%6
		r := reader(data, protocol)
		var out []byte
		for {
			h, err := r.SumHead(16)
			if err != nil {
				break
			}
			s, err := rsync.ReadSums(r, h, 1<<20)
			if err != nil {
				break
			}
			for k := range min(h.Count, 3) {
				if off, n := h.Range(k); off < 0 || n < 0 || off+n > max(h.Size(), 1<<48) {
					t.Fatalf("block %d of %+v: %d, %d", k, h, off, n)
				}
			}
			out = append(out, encoded(protocol, func(w *rsync.Writer) { rsync.WriteSums(w, s) })...)
		}
		if !bytes.HasPrefix(data, out) {
			t.Fatal("signatures changed")
		}
	})
}

// FuzzTokens decodes token streams of every compression.
func FuzzTokens(f *testing.F) {
	f.Fuzz(func(t *testing.T, compression, protocol int, data []byte) {
		protocol = 27 + max(protocol-27, 0)%6
		r := reader(data, protocol)
		tokens, err := rsync.NewTokenReader(r, compressions[max(compression, 0)%len(compressions)])
		if err != nil {
			t.Fatal(err)
		}
		defer tokens.Close()
		basis, err := os.Open("fuzz_test.go")
		if err != nil {
			t.Fatal(err)
		}
		defer basis.Close()
		const blocks = 1000
		tokens.Start(blocks)
		for total := int64(0); total < 8<<20; {
			tok, err := tokens.Next()
			if err != nil {
				return
			}
			switch tok.Kind {
			case rsync.End:
				tokens.Start(blocks)
				total++
			case rsync.Copy:
				if tok.Block < 0 || tok.Block >= blocks {
					t.Fatalf("block %d", tok.Block)
				}
				if tokens.Copied(basis, 0, 700) != nil {
					return
				}
				total += 700
			case rsync.Literal:
				if tok.N <= 0 || tokens.Data() != nil && int64(len(tokens.Data())) != tok.N {
					t.Fatalf("literal of %d bytes", tok.N)
				}
				total += tok.N
			}
		}
	})
}

// abbreviated returns a file with long attributes, and its decoder, which
// reads from data.
func abbreviated(t *testing.T, data []byte) (*rsync.File, *rsync.ListDecoder, *rsync.Reader) {
	o := rsync.ListOptions{Protocol: 32, Compat: rsync.VarintFlags, Xattrs: 1}
	file := node("f")
	for _, name := range []string{"user.a", "user.b", "user.c", "user.d"} {
		file.Xattrs = append(file.Xattrs, wire.Xattr{Name: name, Value: make([]byte, 33)})
	}
	file.Xattrs[0].Value = nil
	w, m := writer(32)
	e := rsync.NewListEncoder(w, o)
	e.First()
	if err := e.Add(file); err != nil {
		t.Fatal(err)
	}
	if _, err := e.End(0); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	r := reader(append(m.Bytes(), data...), 32)
	d := rsync.NewListDecoder(r, o)
	l, err := d.First()
	if err != nil {
		t.Fatal(err)
	}
	return l.File(0), d, r
}

func FuzzXattrRequest(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		file, _, r := abbreviated(t, data)
		for {
			wanted, err := r.XattrRequest(file)
			if err != nil {
				return
			}
			b := encoded(32, func(w *rsync.Writer) { w.XattrRequest(file, wanted) })
			again, err := reader(b, 32).XattrRequest(file)
			if !cmp.Equal(wanted, again) || err != nil {
				t.Fatalf("%v became %v, %v", wanted, again, err)
			}
		}
	})
}

func FuzzXattrValues(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		file, d, _ := abbreviated(t, data)
		for d.XattrValues(file) == nil {
			if len(file.Xattrs) != 4 || len(file.Xattrs[0].Value) != 0 {
				t.Fatalf("attributes %v", file.Xattrs)
			}
		}
	})
}

// FuzzStats decodes the end of a session.
func FuzzStats(f *testing.F) {
	f.Fuzz(func(t *testing.T, protocol int, data []byte) {
		protocol = 27 + max(protocol-27, 0)%6
		r := reader(data, protocol)
		if s, err := rsync.ReadStats(r); err == nil {
			b := encoded(protocol, func(w *rsync.Writer) { rsync.WriteStats(w, s) })
			if again, err := rsync.ReadStats(reader(b, protocol)); again != s || err != nil {
				t.Fatalf("%+v became %+v, %v", s, again, err)
			}
		}
		w, _ := writer(protocol)
		rsync.ReadGoodbye(r, w, true)
	})
}

// FuzzClient plays a daemon against a client up to the first list.
func FuzzClient(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		r, w := reader(data, 32), rsync.NewWriter(&memStream{})
		h, err := rsync.ClientHello(r, w, 32)
		if err != nil {
			return
		}
		if err := h.OpenModule(r, w, "m", rsync.Login{}); err != nil {
			return
		}
		a := full32()
		s, err := rsync.ClientSetup(r, w, &a)
		if err != nil {
			return
		}
		d := rsync.NewListDecoder(r, s.ListOptions())
		for _, err := d.First(); err == nil; {
			var ndx int
			if ndx, err = r.NDX(); err == nil && ndx >= 0 {
				_, err = r.Record(ndx)
			} else if dir, ok := rsync.ListDir(ndx); ok && err == nil {
				_, err = d.Next(dir)
			}
		}
	})
}

// full32 are the arguments of a pull with everything that a list can hold.
func full32() rsync.Args {
	a := archive("i")
	full(&a)
	a.Sender = true
	return a
}

// FuzzServer plays a client against a daemon.
func FuzzServer(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		m := &memStream{}
		m.Write(data)
		r, w := rsync.NewReader(m, false), rsync.NewWriter(&memStream{})
		h, err := rsync.DaemonHello(r, w, "")
		if err != nil {
			return
		}
		if req, err := rsync.ReadRequest(r, w); err != nil || req.List {
			return
		} else if strings.HasPrefix(req.Module, "secret") {
			if c, err := h.Challenge(r, w); err != nil || c.Verify("password") {
				return
			}
		}
		args, secluded, err := rsync.ReadArgs(r)
		if err != nil {
			return
		}
		a, _ := rsync.ParseArgs(args, nil)
		a.Paths = rsync.ModulePaths("m", a.Paths, secluded)
		s, err := rsync.ServerSetup(r, w, a)
		if err != nil {
			return
		}
		if a.SendsFilters(s.Protocol) {
			if _, err := rsync.ReadFilters(r); err != nil {
				return
			}
		}
		if a.FilesFrom == "-" && rsync.ReadNames(r, func(string) error { return nil }) != nil {
			return
		}
		if !a.Sender {
			rsync.NewListDecoder(r, s.ListOptions()).First()
			return
		}
		for {
			ndx, err := r.NDX()
			if err != nil {
				return
			}
			if _, err := r.Record(max(ndx, 0)); err != nil {
				return
			}
		}
	})
}

// FuzzMessages decodes frames and sends their messages again.
func FuzzMessages(f *testing.F) {
	for code := range 110 {
		f.Add(31, frame(byte(code), "\x01\x00\x00\x00"))
		f.Add(30, frame(byte(code), ""))
	}
	f.Fuzz(func(t *testing.T, protocol int, data []byte) {
		protocol = 30 + max(protocol, 0)%3
		m := &memStream{}
		m.Write(data)
		r := rsync.NewReader(m, true)
		r.SetProtocol(protocol)
		r.StartMux()
		r.Handle = func(msg rsync.Message) error {
			w, out := writer(protocol)
			w.StartMux()
			if err := w.Message(msg); err != nil {
				t.Fatal(err)
			}
			if msg.Code == rsync.MsgNoop && protocol != 30 {
				return nil
			}
			again := rsync.NewReader(out, true)
			again.SetProtocol(protocol)
			again.StartMux()
			again.Handle = func(got rsync.Message) error {
				if got != msg {
					t.Fatalf("%+v became %+v", msg, got)
				}
				return io.EOF
			}
			if _, err := again.Byte(); err == nil {
				t.Fatalf("%+v was not sent", msg)
			}
			return nil
		}
		io.Copy(io.Discard, r)
	})
}

// FuzzNumbers decodes numbers and encodes them again.
func FuzzNumbers(f *testing.F) {
	f.Add([]byte("\xf0\xff\xff\xff\xff\xfe\x80\x05\x00\x00\x5f\x00\x10\x5e"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := reader(data, 32)
		for {
			v, err := r.VarInt()
			if err != nil {
				return
			}
			l, err := r.VarLong(3)
			if err != nil {
				return
			}
			s, err := r.VString(300)
			if err != nil {
				return
			}
			r2 := reader(encoded(32, func(w *rsync.Writer) { w.VarInt(v); w.VarLong(l, 3); w.VString(s) }), 32)
			v2, _ := r2.VarInt()
			l2, _ := r2.VarLong(3)
			s2, err := r2.VString(300)
			if v2 != v || l2 != l || s2 != s || err != nil {
				t.Fatalf("%d %d %q became %d %d %q, %v", v, l, s, v2, l2, s2, err)
			}
		}
	})
}
