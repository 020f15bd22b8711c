package delta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// windowSize is what one ReadAt asks for: large enough to make the system call free,
// small enough to stay in L2 until it is hashed and searched. To push a delta of 1 GiB
// took 0.58 CPU-s with 512 KiB, 0.57 with 768 KiB, 0.56 with 1 MiB, which is all of L2:
// then two cores share what is next to them, and search at 17 instead of 23 GB/s. Views
// of the page cache, which fault at every folio, took 0.59.
const windowSize = 768 << 10

// window reads a span of a file forward, through one reused buffer, and hands out the
// bytes that a caller still needs. It takes each byte of the span once, in order, and
// shows it to the tap.
type window struct {
	ctx  context.Context
	file io.ReaderAt
	tap  *tap

	buf    []byte
	pooled *[]byte // buf's place in buffers, if it is from there
	data   []byte  // the part of buf that is filled
	base   int64   // file offset of data[0]
	end    int64   // nothing is read past it
}

// buffers holds buffers of windowSize, as *[]byte: many small files in a row would
// else spend their time on zeroing them.
var buffers = sync.Pool{New: func() any {
	buf := make([]byte, windowSize)
	return &buf
}}

// newWindow returns a window that can hold at least need bytes at once, for a
// file of that size. Its user releases it.
func newWindow(ctx context.Context, file io.ReaderAt, size int64, need int, t *tap) *window {
	w := &window{ctx: ctx, file: file, tap: t}
	if n := min(int64(need), size); n > windowSize {
		w.buf = make([]byte, n)
		return w
	}
	w.pooled = buffers.Get().(*[]byte)
	w.buf = *w.pooled
	return w
}

// release ends the use of the window and of all bytes that it handed out.
func (w *window) release() {
	if w.pooled != nil {
		buffers.Put(w.pooled)
	}
	*w = window{}
}

// start begins a span. Reads stop at end, on or behind the span's own end; what
// lies behind that belongs to the tap of another span.
func (w *window) start(sp span, end int64) {
	w.tap.start(sp)
	w.data, w.base, w.end = w.buf[:0], sp.off, end
}

// at returns n bytes from off, valid until the next call. Offsets only grow, and
// off+n is not past the span's end. Bytes before off are forgotten.
func (w *window) at(off int64, n int) ([]byte, error) {
	if !w.has(off, n) {
		if err := w.fill(off, n); err != nil {
			return nil, err
		}
	}
	i := int(off - w.base)
	return w.data[i : i+n : i+n], nil
}

// has reports whether n bytes from off have been read.
func (w *window) has(off int64, n int) bool {
	return off+int64(n) <= w.base+int64(len(w.data))
}

// held returns the bytes from off to end, which were read and not forgotten.
func (w *window) held(off, end int64) []byte {
	return w.data[off-w.base : end-w.base]
}

// fill reads until n bytes from off are there.
func (w *window) fill(off int64, n int) error {
	for !w.has(off, n) {
		w.forget(off)
		if err := w.read(); err != nil {
			return err
		}
	}
	return nil
}

// forget makes room for what follows by dropping what is before off.
func (w *window) forget(off int64) {
	drop := min(int(off-w.base), len(w.data))
	w.data = w.buf[:copy(w.buf, w.data[drop:])]
	w.base += int64(drop)
}

// read fills the buffer's free room.
func (w *window) read() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	off := w.base + int64(len(w.data))
	room := w.buf[len(w.data):]
	room = room[:min(int64(len(room)), w.end-off)]
	if len(room) == 0 {
		panic("delta: window asked past its end")
	}
	if err := readFull(w.file, room, off); err != nil {
		return err
	}
	w.data = w.buf[:len(w.data)+len(room)]
	w.tap.write(off, room)
	return nil
}

// readFull fills p with what file has from off.
func readFull(file io.ReaderAt, p []byte, off int64) error {
	n, err := file.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		err = ErrTruncated
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(p), off, err)
}

// drain reads on to off for the tap's sake.
func (w *window) drain(off int64) error {
	for w.tap != nil && w.base+int64(len(w.data)) < off {
		w.forget(w.base + int64(len(w.data)))
		if err := w.read(); err != nil {
			return err
		}
	}
	return nil
}
