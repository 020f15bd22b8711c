package rsync

import "math"

// Special values of an NDX (rsync.h).
const (
	NDXDone     = -1
	NDXListEOF  = -2 // no further file list
	NDXDelStats = -3 // five varints follow

	ndxListBase = -101 // -101-d: the file list of directory d follows
)

// ListNDX returns the NDX that announces the file list of directory dir.
func ListNDX(dir int) int { return ndxListBase - dir }

// ListDir returns the directory whose list an NDX announces.
func ListDir(ndx int) (dir int, ok bool) { return ndxListBase - ndx, ndx <= ndxListBase }

// ndxState is the memory of one direction: the last values, positive and
// negated negative.
type ndxState struct{ pos, neg int32 }

func newNDXState() ndxState { return ndxState{pos: -1, neg: 1} }

// NDX writes a file index or a special value (io.c:write_ndx). Layout from
// protocol 30 on, the difference taken to the last value of the same sign:
//
//	00              NDX_DONE
//	FF ...          the negative of the number that follows
//	01..FD          difference 1..253
//	FE hi lo        difference 0, 254..32767, big-endian
//	FE 80|b3 b0 b1 b2   the value itself
func (w *Writer) NDX(ndx int) error {
	if w.proto < 30 {
		return w.Int(int32(ndx))
	}
	if ndx == NDXDone {
		return w.Byte(0)
	}
	b := make([]byte, 0, 6)
	v, last := int32(ndx), &w.ndx.pos
	if ndx < 0 {
		b, v, last = append(b, 0xFF), -v, &w.ndx.neg
	}
	diff := int64(v) - int64(*last)
	*last = v
	switch {
	case diff > 0 && diff < 0xFE:
		b = append(b, byte(diff))
	case diff >= 0 && diff <= 0x7FFF:
		b = append(b, 0xFE, byte(diff>>8), byte(diff))
	default:
		b = append(b, 0xFE, byte(v>>24)|0x80, byte(v), byte(v>>8), byte(v>>16))
	}
	return w.put(b)
}

// NDX reads a file index or a special value (io.c:read_ndx).
func (r *Reader) NDX() (int, error) {
	if r.proto < 30 {
		v, err := r.Int()
		return int(v), err
	}
	f, err := r.Byte()
	if err != nil || f == 0 {
		return NDXDone, err
	}
	last, sign := &r.ndx.pos, 1
	if f == 0xFF {
		last, sign = &r.ndx.neg, -1
		if f, err = r.Byte(); err != nil {
			return 0, err
		}
	}
	v := int64(*last) + int64(f)
	if f == 0xFE {
		if v, err = r.wideNDX(int64(*last)); err != nil {
			return 0, err
		}
	}
	if v < 0 || v > math.MaxInt32 || f == 0xFF {
		return 0, streamErrorf("file index %d", v)
	}
	*last = int32(v)
	return sign * int(v), nil
}

// wideNDX reads what follows FE.
func (r *Reader) wideNDX(last int64) (int64, error) {
	b, err := r.take(2)
	if err != nil {
		return 0, err
	}
	hi, lo := b[0], b[1]
	if hi&0x80 == 0 {
		return last + int64(hi)<<8 + int64(lo), nil
	}
	if b, err = r.take(2); err != nil {
		return 0, err
	}
	return int64(hi&0x7F)<<24 | int64(b[1])<<16 | int64(b[0])<<8 | int64(lo), nil
}
