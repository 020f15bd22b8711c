package rsync_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire/rsync"
)

// A rawEntry is what a hostile sender writes for one entry.
type rawEntry struct {
	flags, keep int
	name        string
	group       int32
	mode        int32
}

// rawList writes entries without any check, and the end of the list.
func rawList(w *rsync.Writer, entries ...rawEntry) {
	for _, e := range entries {
		flags := e.flags
		if flags == 0 {
			flags = 1 << 2
		}
		w.VarInt(int32(flags))
		if flags&(1<<5) != 0 {
			w.Byte(byte(e.keep))
		}
		w.Byte(byte(len(e.name)))
		w.Write([]byte(e.name))
		if flags&(1<<9) != 0 && flags&(1<<12) == 0 {
			w.VarInt(e.group)
			if e.mode == 0 {
				continue
			}
		}
		w.VarLong(1, 3)
		w.VarLong(1, 4)
		w.Int(e.mode)
	}
	w.VarInt(0)
	w.VarInt(0)
}

const (
	reg   = unix.S_IFREG | 0o644
	dir   = unix.S_IFDIR | 0o755
	hlink = 1 << 9
	first = hlink | 1<<12
)

func TestHostileLists(t *testing.T) {
	for _, c := range []struct {
		name    string
		entries []rawEntry
		ok      bool
	}{
		{"plain", []rawEntry{{name: "a", mode: reg}}, true},
		{"up", []rawEntry{{name: "..", mode: dir}}, false},
		{"up inside", []rawEntry{{name: "a/../b", mode: reg}}, false},
		{"rooted", []rawEntry{{name: "/etc/passwd", mode: reg}}, false},
		{"empty name", []rawEntry{{name: "", mode: reg}}, false},
		{"double slash", []rawEntry{{name: "a//b", mode: reg}}, false},
		{"NUL", []rawEntry{{name: "a\x00b", mode: reg}}, false},
		{"root that is a file", []rawEntry{{name: ".", mode: reg}}, false},
		{"root twice", []rawEntry{{name: ".", mode: dir}, {name: ".", mode: dir}}, false},
		{"no type", []rawEntry{{name: "a", mode: 0o644}}, false},
		{"missing argument unasked", []rawEntry{{name: "a", mode: 0}}, false},
		{"mode with high bits", []rawEntry{{name: "a", mode: reg | 1<<16}}, false},
		{"prefix of nothing", []rawEntry{{flags: 1 << 5, keep: 1, name: "a", mode: reg}}, false},
		{"long prefix", []rawEntry{{name: "a", mode: reg}, {flags: 1 << 5, keep: 2, name: "b", mode: reg}}, false},
		{"hard link", []rawEntry{{flags: first, name: "a", mode: reg}, {flags: hlink, name: "b", group: 1}}, true},
		{"hard link to itself", []rawEntry{{flags: hlink, name: "a", group: 1}}, false},
		{"hard link ahead", []rawEntry{{flags: first, name: "a", mode: reg}, {flags: hlink, name: "b", group: 5}}, false},
		{"negative group", []rawEntry{{flags: first, name: "a", mode: reg}, {flags: hlink, name: "b", group: -1}}, false},
		{"hard link to a plain file", []rawEntry{{name: "a", mode: reg}, {flags: hlink, name: "b", group: 1}}, false},
		{"hard link to a later member", []rawEntry{{flags: first, name: "a", mode: reg}, {flags: hlink, name: "b", group: 1}, {flags: hlink, name: "c", group: 2}}, false},
	} {
		b := encoded(32, func(w *rsync.Writer) { rawList(w, c.entries...) })
		o := rsync.ListOptions{Protocol: 32, Compat: rsync.VarintFlags | rsync.IncRecurse, HardLinks: true}
		_, err := rsync.NewListDecoder(reader(b, 32), o).First()
		if c.ok != (err == nil) || !c.ok && !errors.Is(err, rsync.ErrProtocol) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	b := encoded(32, func(w *rsync.Writer) { rawList(w, rawEntry{flags: first, name: "a", mode: reg}) })
	if _, err := rsync.NewListDecoder(reader(b, 32), rsync.ListOptions{Protocol: 32, Compat: rsync.VarintFlags}).First(); !errors.Is(err, rsync.ErrProtocol) {
		t.Errorf("hard link unasked: %v", err)
	}
}

func TestHostileDirectories(t *testing.T) {
	root := []rawEntry{{name: ".", mode: dir}, {name: "d", mode: dir}, {name: "e", mode: dir}, {name: "f", mode: reg}}
	for _, c := range []struct {
		name  string
		dirs  []int
		entry string
		ok    bool
	}{
		{"the directory", []int{1}, "d/x", true},
		{"both", []int{2, 1}, "", true},
		{"another's entry", []int{1}, "e/x", false},
		{"an entry above", []int{1}, "x", false},
		{"an entry below", []int{1}, "d/y/x", false},
		{"twice", []int{1, 1}, "", false},
		{"the root again", []int{0}, "", false},
		{"past the table", []int{3}, "", false},
		{"before the table", []int{-1}, "", false},
	} {
		b := encoded(32, func(w *rsync.Writer) {
			rawList(w, root...)
			for range c.dirs {
				if c.entry != "" {
					rawList(w, rawEntry{name: c.entry, mode: reg})
				} else {
					rawList(w)
				}
			}
		})
		o := rsync.ListOptions{Protocol: 32, Compat: rsync.VarintFlags | rsync.IncRecurse}
		d := rsync.NewListDecoder(reader(b, 32), o)
		l, err := d.First()
		if err != nil || l.Start != 1 || l.Dir != 0 {
			t.Fatalf("%+v, %v", l, err)
		}
		next := l.Start + l.Len() + 1
		for _, n := range c.dirs {
			if l, err = d.Next(n); err != nil {
				break
			}
			if l.Start != next || l.Dir != n {
				t.Errorf("%s: list %d of %d, want start %d", c.name, l.Start, l.Dir, next)
			}
			next += l.Len() + 1
		}
		if c.ok != (err == nil) || !c.ok && !errors.Is(err, rsync.ErrProtocol) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	d := rsync.NewListDecoder(reader(nil, 32), rsync.ListOptions{Protocol: 32})
	if _, err := d.Next(0); !errors.Is(err, rsync.ErrProtocol) {
		t.Errorf("a second list without incremental recursion: %v", err)
	}
}

func sumHead(count, block, strong, rest int) rsync.SumHead {
	return rsync.SumHead{Count: count, Block: block, StrongLen: strong, Remainder: rest}
}

func TestSumHeadChecks(t *testing.T) {
	for _, c := range []struct {
		name     string
		h        rsync.SumHead
		protocol int
		ok       bool
	}{
		{"none", rsync.SumHead{}, 32, true},
		{"usual", sumHead(2, 700, 2, 1), 32, true},
		{"largest block", sumHead(1, 1<<17, 16, 1<<17), 32, true},
		{"block too large", sumHead(1, 1<<17+1, 2, 0), 32, false},
		{"large block of old", sumHead(1, 1<<29, 2, 0), 29, true},
		{"block too large of old", sumHead(1, 1<<29+1, 2, 0), 29, false},
		{"sum too long", sumHead(1, 700, 17, 0), 32, false},
		{"negative sum", sumHead(1, 700, -1, 0), 32, false},
		{"blocks of nothing", sumHead(5, 0, 2, 0), 32, false},
		{"negative count", sumHead(-1, 700, 2, 0), 32, false},
		{"rest longer than a block", sumHead(1, 700, 2, 701), 32, false},
		{"negative rest", sumHead(1, 700, 2, -1), 32, false},
	} {
		b := encoded(c.protocol, func(w *rsync.Writer) { w.SumHead(c.h) })
		h, err := reader(b, c.protocol).SumHead(16)
		if c.ok && (err != nil || h != c.h) || !c.ok && (!errors.Is(err, rsync.ErrProtocol) || rsync.ExitCode(err) != rsync.ExitProtocol) {
			t.Errorf("%s: %v, %v", c.name, h, err)
		}
	}
	h := rsync.SumHead{Count: 3, Block: 700}
	if _, err := rsync.ReadSums(reader(make([]byte, 100), 32), h, 2); !errors.Is(err, rsync.ErrProtocol) {
		t.Errorf("more blocks than allowed: %v", err)
	}
}

func TestNewSumHead(t *testing.T) {
	for _, c := range []struct {
		size  int64
		block int
		redo  bool
		want  rsync.SumHead
	}{
		{0, 0, false, rsync.SumHead{}},
		{1, 0, false, sumHead(1, 700, 2, 1)},
		{700, 0, false, sumHead(1, 700, 2, 0)},
		{701, 0, true, sumHead(2, 700, 16, 1)},
		{600_000, 0, false, sumHead(782, 768, 2, 192)},
		{1 << 40, 0, false, sumHead(1<<23, 1<<17, 6, 0)},
		{1000, 100, false, sumHead(10, 100, 2, 0)},
	} {
		got := rsync.NewSumHead(c.size, c.block, 16, c.redo)
		if got != c.want || got.Size() != c.size {
			t.Errorf("%d: %v of %d bytes, want %v", c.size, got, got.Size(), c.want)
		}
	}
}

func TestRecordChecks(t *testing.T) {
	for _, c := range []struct {
		name string
		rec  rsync.Record
		ok   bool
	}{
		{"transfer", rsync.Record{IFlags: rsync.Transfer, Basis: 0x80}, true},
		{"fuzzy", rsync.Record{IFlags: rsync.Transfer | rsync.BasisFollows | rsync.XNameFollows, Basis: 0x83, XName: "other"}, true},
		{"alternative 19", rsync.Record{IFlags: rsync.BasisFollows, Basis: 19}, true},
		{"alternative 20", rsync.Record{IFlags: rsync.BasisFollows, Basis: 20}, false},
		{"fuzzy in alternative 19", rsync.Record{IFlags: rsync.BasisFollows, Basis: 0x84 + 19}, true},
		{"fuzzy in alternative 20", rsync.Record{IFlags: rsync.BasisFollows, Basis: 0x84 + 20}, false},
		{"linked already", rsync.Record{IFlags: rsync.LocalChange | rsync.XNameFollows, Basis: 0x80}, true},
		{"up", rsync.Record{IFlags: rsync.XNameFollows, Basis: 0x80, XName: "../../etc/passwd"}, false},
		{"rooted", rsync.Record{IFlags: rsync.XNameFollows, Basis: 0x80, XName: "/etc/passwd"}, false},
	} {
		c.rec.NDX = 7
		b := encoded(32, func(w *rsync.Writer) { w.Record(c.rec) })
		r := reader(b, 32)
		ndx, err := r.NDX()
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Record(ndx)
		if c.ok && (err != nil || got != c.rec) || !c.ok && !errors.Is(err, rsync.ErrProtocol) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
	if b := encoded(28, func(w *rsync.Writer) { w.Record(rsync.Record{NDX: 3}) }); len(b) > 0 {
		t.Errorf("a record without transfer below 29: %x", b)
	}
	rec, err := reader(nil, 28).Record(3)
	if err != nil || rec.IFlags != rsync.Transfer {
		t.Errorf("a bare index: %+v, %v", rec, err)
	}
	if rec := (rsync.Record{NDX: 9, IFlags: rsync.IsNew}); !rec.KeepAlive(9) || rec.KeepAlive(10) {
		t.Error("keep-alive of protocol 29")
	}
}
