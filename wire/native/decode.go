package native

import (
	"encoding/binary"

	"github.com/seed9553035b/syncd/wire"
)

// decoder takes values off the front of b. The first value that does not fit
// sets err; from then on every value is zero. Callers check err once at the
// end, or before they allocate by a value.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = badf("%s", what)
	}
	d.b = nil
}

func (d *decoder) take(n int, what string) []byte {
	if n < 0 || n > len(d.b) {
		d.fail(what + " is cut short")
		return nil
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) u8(what string) uint8 {
	if p := d.take(1, what); p != nil {
		return p[0]
	}
	return 0
}

func (d *decoder) u16(what string) uint16 {
	if p := d.take(2, what); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

func (d *decoder) u32(what string) uint32 {
	if p := d.take(4, what); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (d *decoder) u64(what string) uint64 {
	if p := d.take(8, what); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// i63 is a u64 that must be below 2^63.
func (d *decoder) i63(what string) int64 {
	v := d.u64(what)
	if v > 1<<63-1 {
		d.fail(what + " is negative")
		return 0
	}
	return int64(v)
}

func (d *decoder) uv(what string) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail(what + " is no varint")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) sv(what string) int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail(what + " is no varint")
		return 0
	}
	d.b = d.b[n:]
	return v
}

// uvMax is a varint of at most limit.
func (d *decoder) uvMax(limit uint64, what string) uint64 {
	v := d.uv(what)
	if v > limit {
		d.fail(what + " is too large")
		return 0
	}
	return v
}

func (d *decoder) nsec(what string) uint32 {
	return uint32(d.uvMax(999_999_999, what))
}

// str8 is a length byte and that many bytes without NUL.
func (d *decoder) str8(what string) string {
	return d.text(int(d.u8(what)), what)
}

func (d *decoder) text(n int, what string) string {
	p := d.take(n, what)
	for _, c := range p {
		if c == 0 {
			d.fail(what + " holds a NUL")
			return ""
		}
	}
	return string(p)
}

// CheckName reports why name can't be one component of a path, or nil.
func CheckName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return badf("the name %q is not allowed", name)
	case len(name) > MaxName:
		return badf("a name of %d bytes, the limit is %d", len(name), MaxName)
	}
	for i := 0; i < len(name); i++ {
		if name[i] == '/' || name[i] == 0 {
			return badf("the name %q holds a slash or a NUL", name)
		}
	}
	return nil
}

// CheckPath reports why path can't be a relative path below a root, or nil.
// "" is the root itself.
func CheckPath(path string) error {
	if path == "" {
		return nil
	}
	if len(path) > MaxPath {
		return badf("a path of %d bytes, the limit is %d", len(path), MaxPath)
	}
	for start := 0; start <= len(path); {
		end := start
		for end < len(path) && path[end] != '/' {
			end++
		}
		if err := CheckName(path[start:end]); err != nil {
			return err
		}
		start = end + 1
	}
	return nil
}

func appendVersion(b []byte, v wire.Version) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, uint64(v.Size))
	b = le.AppendUint64(b, uint64(v.Mtime.Sec))
	b = le.AppendUint32(b, v.Mtime.Nsec)
	b = le.AppendUint32(b, v.Ctime.Nsec)
	b = le.AppendUint64(b, uint64(v.Ctime.Sec))
	return le.AppendUint64(b, v.Ino)
}

func (d *decoder) version() wire.Version {
	const what = "version"
	v := wire.Version{Size: d.i63(what)}
	v.Mtime.Sec = int64(d.u64(what))
	v.Mtime.Nsec = d.u32(what)
	v.Ctime.Nsec = d.u32(what)
	v.Ctime.Sec = int64(d.u64(what))
	v.Ino = d.u64(what)
	if v.Mtime.Nsec > 999_999_999 || v.Ctime.Nsec > 999_999_999 {
		d.fail("version has more than 999999999 nanoseconds")
	}
	return v
}
