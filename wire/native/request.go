package native

import (
	"encoding/binary"
	"math"
	"syscall"

	"github.com/seed9553035b/syncd/wire"
)

// Bits of List.Want.
const (
	WantXattrs = 1 << 0
	WantACLs   = 1 << 1
	WantNames  = 1 << 2
	WantOne    = 1 << 3 // only the entry called After
	WantLinks  = 1 << 4 // counts of links are in the digest
	wantKnown  = 1<<5 - 1
)

// Limits of READ; see protocol.md part 5.
const (
	MaxReadFiles = 1024
	MaxRanges    = 2048 // of one file in one READ

	flagSumsOnly = 1 << 0
	flagAgain    = 1 << 1
)

// List asks for one page of the directory Path.
type List struct {
	ID    uint32
	Want  uint8
	Path  string // "" is the root
	After string // last name of the page before, "" for the first; see WantOne
	// Digest is that of the sink's own directory, for SAME; nil if it has none
	// to offer.
	Digest *[DigestLen]byte
}

// Range is a part of a file, in bytes.
type Range struct{ Off, N int64 }

// ReadFile asks for ranges of one file; without ranges for all of it.
type ReadFile struct {
	Path    string
	Version wire.Version
	Ranges  []Range
}

// Read asks for the content of files.
type Read struct {
	ID       uint32
	SumsOnly bool // digests without bodies
	Again    bool // something of it has arrived wrong: no digest from memory
	Files    []ReadFile
}

// Note is a line for the person at the source's end.
type Note struct {
	Text  string
	Error bool
	Item  bool // an itemized name
}

const (
	flagNoteItem = 1 << 0
	maxNote      = 16 << 10
)

func (l *List) append(b []byte) []byte {
	b = append(b, l.Want, 0)
	b = appendStr16(b, l.Path)
	b = appendStr16(b, l.After)
	if l.Digest == nil {
		return binary.LittleEndian.AppendUint16(b, 0)
	}
	b = binary.LittleEndian.AppendUint16(b, DigestLen)
	return append(b, l.Digest[:]...)
}

func appendStr16(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

func (l *List) parse(payload []byte) error {
	d := decoder{b: payload}
	l.Want = d.u8("LIST")
	if l.Want&^wantKnown != 0 || d.u8("LIST") != 0 {
		d.fail("LIST asks for something unknown")
	}
	l.Path = string(d.take(int(d.u16("path")), "path"))
	l.After = string(d.take(int(d.u16("name")), "name"))
	switch n := d.u16("digest"); {
	case n == 0:
	case n != DigestLen:
		d.fail("LIST has a digest of a wrong size")
	case l.After != "":
		d.fail("LIST has a digest for a part of a directory")
	default:
		l.Digest = new([DigestLen]byte)
		copy(l.Digest[:], d.take(DigestLen, "digest"))
	}
	if d.err == nil && len(d.b) != 0 {
		d.fail("LIST has bytes behind its end")
	}
	if d.err != nil {
		return d.err
	}
	if l.After != "" {
		if err := CheckName(l.After); err != nil {
			return err
		}
	}
	return CheckPath(l.Path)
}

func (r *Read) append(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint16(b, uint16(len(r.Files)))
	prev := ""
	for i := range r.Files {
		f := &r.Files[i]
		shared := 0
		for shared < min(len(prev), len(f.Path)) && prev[shared] == f.Path[shared] {
			shared++
		}
		b = le.AppendUint16(b, uint16(shared))
		b = appendStr16(b, f.Path[shared:])
		b = appendVersion(b, f.Version)
		b = le.AppendUint32(b, uint32(len(f.Ranges)))
		for _, g := range f.Ranges {
			b = le.AppendUint64(b, uint64(g.Off))
			b = le.AppendUint64(b, uint64(g.N))
		}
		prev = f.Path
	}
	return b
}

// Size is an upper bound of what the file adds to a READ.
func (f *ReadFile) Size() int { return 48 + len(f.Path) + 16*len(f.Ranges) }

func (r *Read) parse(payload []byte) error {
	d := decoder{b: payload}
	count := int(d.u16("READ"))
	if d.err == nil && (count == 0 || count > MaxReadFiles) {
		d.fail("READ names no file, or too many")
	}
	r.Files = r.Files[:0]
	prev := ""
	for i := 0; i < count && d.err == nil; i++ {
		shared := int(d.u16("path"))
		rest := d.take(int(d.u16("path")), "path")
		if shared > len(prev) {
			d.fail("READ shares more of a path than there is")
			break
		}
		f := ReadFile{Path: prev[:shared] + string(rest), Version: d.version()}
		f.Ranges = d.ranges(f.Version.Size)
		if d.err != nil {
			break
		}
		if f.Path == "" {
			d.fail("READ of the root directory")
			break
		}
		if err := CheckPath(f.Path); err != nil {
			return err
		}
		r.Files = append(r.Files, f)
		prev = f.Path
	}
	if d.err == nil && len(d.b) != 0 {
		d.fail("READ has bytes behind its end")
	}
	return d.err
}

func (d *decoder) ranges(size int64) []Range {
	n := int(min(d.u32("ranges"), math.MaxInt32))
	if n == 0 || d.err != nil {
		return nil
	}
	if n > MaxRanges || n*16 > len(d.b) {
		d.fail("READ has more ranges than it holds")
		return nil
	}
	rs := make([]Range, n)
	end := int64(0)
	for i := range rs {
		g := Range{Off: d.i63("range"), N: d.i63("range")}
		if g.N <= 0 || g.Off < end || g.Off > size || g.N > size-g.Off {
			d.fail("READ has a range that is empty, out of order or outside the file")
			return nil
		}
		rs[i], end = g, g.Off+g.N
	}
	return rs
}

// Failure says why a file or directory can't be had.
type Failure struct {
	Status Status // StatusChanged, StatusGone or StatusError
	Errno  syscall.Errno
	Text   string
}

func (f *Failure) Error() string {
	switch {
	case f.Text != "":
		return f.Text
	case f.Status == StatusChanged:
		return "the file changed while it was read"
	case f.Status == StatusGone:
		return "the file vanished"
	}
	return f.Errno.Error()
}

// Unwrap gives the errno on the source.
func (f *Failure) Unwrap() error {
	if f.Errno == 0 {
		return nil
	}
	return f.Errno
}
