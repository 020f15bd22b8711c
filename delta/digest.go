package delta

import (
	"context"
	"hash"
	"io"
)

// SegmentSize is the length in bytes of a segment, the unit of digests: a file's
// segment i starts at i*SegmentSize, the last one may be shorter.
const SegmentSize = 8 << 20

// Digests are the unseeded digests of a file's segments.
type Digests struct {
	Algorithm Algorithm
	Sums      []byte // Algorithm.Size() bytes for each segment
}

// Segment returns the digest of segment i.
func (d *Digests) Segment(i int) []byte {
	n := d.Algorithm.Size()
	return d.Sums[i*n : i*n+n : i*n+n]
}

// grow makes room for the digests of a file of that size.
func (d *Digests) grow(size int64) {
	segments := (size + SegmentSize - 1) / SegmentSize
	d.Sums = make([]byte, segments*int64(d.Algorithm.Size()))
}

// tap hashes the bytes that pass through a window. A nil tap does nothing.
// Several taps may fill one Digests, each its own segments.
type tap struct {
	digests *Digests
	segment hash.Hash
	whole   hash.Hash // sees every byte in order; only with a single worker
	size    int64     // of the file
	pos     int64     // next offset to hash
	end     int64     // offsets from here on are another span's
}

// newTap returns nil if there is nothing to hash.
func newTap(o *Options, size int64, whole hash.Hash) *tap {
	if o.Digests == nil && whole == nil {
		return nil
	}
	t := &tap{digests: o.Digests, whole: whole, size: size}
	if t.digests != nil {
		t.segment = t.digests.Algorithm.New()
	}
	return t
}

// start begins a span, whose ends lie on a segment's start or the file's end.
func (t *tap) start(sp span) {
	if t != nil {
		t.pos, t.end = sp.off, sp.end
	}
}

// write hashes the bytes at off as far as they belong to the span.
func (t *tap) write(off int64, data []byte) {
	if t == nil || off >= t.end {
		return
	}
	data = data[:min(int64(len(data)), t.end-off)]
	if t.whole != nil {
		t.whole.Write(data)
	}
	for t.digests != nil && len(data) > 0 {
		n := min(int64(len(data)), SegmentSize-t.pos%SegmentSize)
		t.segment.Write(data[:n])
		data = data[n:]
		t.pos += n
		if t.pos%SegmentSize == 0 || t.pos == t.size {
			i := (t.pos - 1) / SegmentSize * int64(t.digests.Algorithm.Size())
			t.segment.Sum(t.digests.Sums[:i])
			t.segment.Reset()
		}
	}
}

// hashWhole streams the file through h.
func hashWhole(ctx context.Context, file io.ReaderAt, size int64, h hash.Hash) error {
	w := newWindow(ctx, file, size, 0, &tap{whole: h, size: size})
	defer w.release()
	w.start(span{0, size}, size)
	return w.drain(size)
}
