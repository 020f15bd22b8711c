package rsync

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Byte writes one byte (io.c:write_byte).
func (w *Writer) Byte(v byte) error { return w.put([]byte{v}) }

// ShortInt writes the low 16 bits of v (io.c:write_shortint).
func (w *Writer) ShortInt(v int) error {
	return w.put(binary.LittleEndian.AppendUint16(make([]byte, 0, 2), uint16(v)))
}

// Int writes a signed 32-bit number (io.c:write_int).
func (w *Writer) Int(v int32) error {
	return w.put(binary.LittleEndian.AppendUint32(make([]byte, 0, 4), uint32(v)))
}

// LongInt writes the 64-bit form of protocols below 30 (io.c:write_longint).
func (w *Writer) LongInt(v int64) error {
	b := make([]byte, 0, 12)
	if v >= 0 && v <= math.MaxInt32 {
		return w.put(binary.LittleEndian.AppendUint32(b, uint32(v)))
	}
	b = append(b, 0xFF, 0xFF, 0xFF, 0xFF)
	return w.put(binary.LittleEndian.AppendUint64(b, uint64(v)))
}

// VarInt writes a signed 32-bit number in 1..5 bytes (io.c:write_varint).
func (w *Writer) VarInt(v int32) error {
	return w.put(appendVar(make([]byte, 0, 9), uint64(uint32(v)), 1))
}

// VarLong writes a signed 64-bit number in min..9 bytes (io.c:write_varlong).
func (w *Writer) VarLong(v int64, min int) error {
	return w.put(appendVar(make([]byte, 0, 9), uint64(v), min))
}

// VarInt30 writes a varint, below protocol 30 an int (io.h:write_varint30).
func (w *Writer) VarInt30(v int32) error {
	if w.proto < 30 {
		return w.Int(v)
	}
	return w.VarInt(v)
}

// VarLong30 writes a varlong, below protocol 30 a longint
// (io.h:write_varlong30).
func (w *Writer) VarLong30(v int64, min int) error {
	if w.proto < 30 {
		return w.LongInt(v)
	}
	return w.VarLong(v, min)
}

// VString writes a string of at most 32767 bytes (io.c:write_vstring).
func (w *Writer) VString(s string) error {
	n := len(s)
	if n > 0x7FFF {
		return protoErrorf("string of %d bytes", n)
	}
	var b []byte
	if n > 0x7F {
		b = append(b, byte(n>>8)|0x80)
	}
	return w.put(append(append(b, byte(n)), s...))
}

// appendVar appends the n >= min significant low bytes of v, their number
// beyond min told by leading one bits of the first byte, which also holds the
// top byte of v when it has room.
func appendVar(dst []byte, v uint64, min int) []byte {
	n := max((bits.Len64(v)+7)/8, min)
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	top := b[n-1]
	room := byte(1) << (7 - n + min)
	switch {
	case top >= room:
		return append(append(dst, ^(room-1)), b[:n]...)
	case n > min:
		return append(append(dst, top|^(2*room-1)), b[:n-1]...)
	}
	return append(append(dst, top), b[:n-1]...)
}
