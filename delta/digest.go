package delta

import (
	"context"
	"hash"
	"io"
)

// tap hashes the bytes that pass through a window in order. A nil tap does nothing.
type tap struct {
	whole hash.Hash
	end   int64 // offsets from here on are another span's
}

// newTap returns nil if there is nothing to hash.
func newTap(whole hash.Hash) *tap {
	if whole == nil {
		return nil
	}
	return &tap{whole: whole}
}

// start begins a span.
func (t *tap) start(sp span) {
	if t != nil {
		t.end = sp.end
	}
}

// write hashes the bytes at off as far as they belong to the span.
func (t *tap) write(off int64, data []byte) {
	if t == nil || off >= t.end {
		return
	}
	t.whole.Write(data[:min(int64(len(data)), t.end-off)])
}

// hashWhole streams the file through h.
func hashWhole(ctx context.Context, file io.ReaderAt, size int64, h hash.Hash) error {
	w := newWindow(ctx, file, size, 0, newTap(h))
	defer w.release()
	w.start(span{0, size}, size)
	return w.drain(size)
}
