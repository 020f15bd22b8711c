package delta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	// windowSize is what one ReadAt asks for: large enough to make the system call
	// free, small enough to stay in L2 until it is hashed and searched.
	windowSize = 512 << 10

	// viewSize is what one Map asks for. Each ends with an interrupt of the other
	// processors, so it is not less; its pages count as memory of the process.
	viewSize = 2 << 20
)

// window reads a span of a file forward, through one reused buffer or through
// views of it, and hands out the bytes that a caller still needs. It takes each
// byte of the span once, in order, and shows it to the tap.
type window struct {
	ctx  context.Context
	file io.ReaderAt
	tap  *tap

	buf    []byte  // own or the view
	own    []byte  // nil until something is read
	pooled *[]byte // buf's place in buffers, if it is from there
	data   []byte  // the part of buf that is filled
	base   int64   // file offset of data[0]
	end    int64   // nothing is read past it

	need   int    // bytes that are wanted at once
	mapper Mapper // nil if the file can't be mapped
	views  bool   // the span at hand is looked at through views
	unmap  func() // ends the view, nil if there is none
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
	w := &window{ctx: ctx, file: file, tap: t, need: int(min(int64(need), size))}
	if m, ok := file.(Mapper); ok && size >= mapFrom {
		w.mapper = m
	} else {
		w.allocate()
	}
	return w
}

// allocate gets a buffer, or the one that it has got before.
func (w *window) allocate() {
	if w.own != nil {
		w.buf = w.own
		return
	}
	defer func() { w.own = w.buf }()
	if w.need > windowSize {
		w.buf = make([]byte, w.need)
		return
	}
	w.pooled = buffers.Get().(*[]byte)
	w.buf = *w.pooled
}

// release ends the use of the window and of all bytes that it handed out.
func (w *window) release() {
	w.endView()
	if w.pooled != nil {
		buffers.Put(w.pooled)
	}
	*w = window{}
}

// start begins a span. Reads stop at end, on or behind the span's own end; what
// lies behind that belongs to the tap of another span.
func (w *window) start(sp span, end int64) {
	w.tap.start(sp)
	w.endView()
	if w.views = w.mapper != nil; w.views {
		w.buf = nil
	}
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
		if err := w.forget(off); err != nil {
			return err
		}
		if err := w.read(); err != nil {
			return err
		}
	}
	return nil
}

// forget makes room for what follows by dropping what is before off.
func (w *window) forget(off int64) error {
	drop := min(int(off-w.base), len(w.data))
	if !w.views {
		w.data = w.buf[:copy(w.buf, w.data[drop:])]
		w.base += int64(drop)
		return nil
	}
	if len(w.data) < len(w.buf) {
		return nil // the view goes on
	}
	return w.view(w.base+int64(drop), len(w.data)-drop)
}

// read fills the buffer's free room, or goes on in the view.
func (w *window) read() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if w.views {
		w.data = w.buf // whoever has a tap has no views
		return nil
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
		if err := w.forget(w.base + int64(len(w.data))); err != nil {
			return err
		}
		if err := w.read(); err != nil {
			return err
		}
	}
	return nil
}
