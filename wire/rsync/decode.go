package rsync

import (
	"encoding/binary"
	"io"
	"math/bits"
)

// allocStep is the most that a decoder allocates ahead of the bytes that have
// arrived: a claimed length costs the peer its bytes.
const allocStep = 64 << 10

// take reads n <= 16 bytes into the Reader's own buffer.
func (r *Reader) take(n int) ([]byte, error) {
	b := r.buf[:n]
	if r.mux && r.rest == 0 {
		r.s.due = frameHeader + n
	}
	_, err := io.ReadFull(r, b)
	r.s.due = 0
	if err != nil {
		return nil, unexpected(err)
	}
	return b, nil
}

// full fills p.
func (r *Reader) full(p []byte) error {
	_, err := io.ReadFull(r, p)
	return unexpected(err)
}

// Byte reads one byte (io.c:read_byte).
func (r *Reader) Byte() (byte, error) {
	b, err := r.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// ShortInt reads two bytes, little-endian, unsigned (io.c:read_shortint).
func (r *Reader) ShortInt() (int, error) {
	b, err := r.take(2)
	if err != nil {
		return 0, err
	}
	return int(binary.LittleEndian.Uint16(b)), nil
}

// Int reads a signed 32-bit number (io.c:read_int).
func (r *Reader) Int() (int32, error) {
	b, err := r.take(4)
	if err != nil {
		return 0, err
	}
	return int32(binary.LittleEndian.Uint32(b)), nil
}

// LongInt reads the 64-bit form of protocols below 30: an int, or -1 and 8
// bytes (io.c:read_longint).
func (r *Reader) LongInt() (int64, error) {
	v, err := r.Int()
	if err != nil || v != -1 {
		return int64(v), err
	}
	b, err := r.take(8)
	if err != nil {
		return 0, err
	}
	return int64(binary.LittleEndian.Uint64(b)), nil
}

// VarInt reads a signed 32-bit number of 1..5 bytes: the leading one bits of
// the first byte count the bytes that follow (io.c:read_varint).
func (r *Reader) VarInt() (int32, error) {
	v, err := r.varNumber(1, 4)
	return int32(uint32(v)), err
}

// VarLong reads a signed 64-bit number of min..9 bytes (io.c:read_varlong).
func (r *Reader) VarLong(min int) (int64, error) {
	v, err := r.varNumber(min, 8)
	return int64(v), err
}

// varNumber reads first byte F and its extra bytes: min-1 bytes plus one for
// each leading one bit of F are the low ones, the rest of F goes on top. Above
// width bytes F has no room and is dropped.
func (r *Reader) varNumber(min, width int) (uint64, error) {
	f, err := r.Byte()
	if err != nil {
		return 0, err
	}
	// F8 and above: the format saturates at 5 and 6 extra bytes.
	extra := bits.LeadingZeros8(^f)
	switch {
	case f >= 0xFC:
		extra = 6
	case f >= 0xF8:
		extra = 5
	}
	low := min - 1 + extra
	if low > width {
		return 0, streamErrorf("overflow in a number that starts with %#02x", f)
	}
	var b [8]byte
	if low > 0 {
		p, err := r.take(low)
		if err != nil {
			return 0, err
		}
		copy(b[:], p)
	}
	if low < width {
		b[low] = f & (1<<(8-extra) - 1)
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// VarInt30 reads a varint, below protocol 30 an int (io.h:read_varint30).
func (r *Reader) VarInt30() (int32, error) {
	if r.proto < 30 {
		return r.Int()
	}
	return r.VarInt()
}

// VarLong30 reads a varlong, below protocol 30 a longint (io.h:read_varlong30).
func (r *Reader) VarLong30(min int) (int64, error) {
	if r.proto < 30 {
		return r.LongInt()
	}
	return r.VarLong(min)
}

// VString reads a string of at most limit bytes behind a length of one or two
// bytes (io.c:read_vstring).
func (r *Reader) VString(limit int) (string, error) {
	f, err := r.Byte()
	if err != nil {
		return "", err
	}
	n := int(f)
	if f&0x80 != 0 {
		low, err := r.Byte()
		if err != nil {
			return "", err
		}
		n = int(f&^0x80)<<8 | int(low)
	}
	if n > limit {
		return "", streamErrorf("string of %d bytes, at most %d allowed", n, limit)
	}
	b, err := r.Bytes(n)
	return string(b), err
}

// Bytes reads n bytes into new memory that grows with their arrival. The
// caller has bounded n.
func (r *Reader) Bytes(n int) ([]byte, error) {
	b := make([]byte, min(n, allocStep))
	for done := 0; ; {
		if _, err := io.ReadFull(r, b[done:]); err != nil {
			return nil, unexpected(err)
		}
		if done = len(b); done == n {
			return b, nil
		}
		b = append(b, make([]byte, min(n-done, done))...)
	}
}
