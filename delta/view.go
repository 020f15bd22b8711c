package delta

import (
	"errors"
	"io"
	"runtime"
	"runtime/debug"
)

// A Mapper is a file whose bytes can be looked at where the kernel keeps them,
// which spares the copy that ReadAt makes: a fifth of what signing a file takes.
//
// The bytes are those of the file at the moment at which they are looked at: who
// writes to the file changes them, and who truncates it makes looking at them a
// fault, upon which this package reads it instead. So a view serves to say what
// a file has, which the other side verifies, and never to take bytes from.
type Mapper interface {
	io.ReaderAt
	// Map returns n bytes from off, which may lie behind the end of the file,
	// until unmap is called.
	Map(off int64, n int) (data []byte, unmap func(), err error)
}

// mapFrom is the size of a file from which a view costs less than the copy.
const mapFrom = 1 << 20

// view replaces the window's view by one from off, of which the first known bytes
// were shown to the tap before. Where the file can't be mapped it is read from here
// on.
func (w *window) view(off int64, known int) error {
	n := int(min(int64(max(viewSize, w.need)), w.end-off))
	if n <= known {
		panic("delta: window asked past its end")
	}
	w.endView()
	data, unmap, err := w.mapper.Map(off, n)
	if err != nil {
		// What is wrong ReadAt says better. The next span may be cached.
		w.stopViews()
		w.base, w.data = off, w.buf[:known]
		return readFull(w.file, w.data, off)
	}
	w.buf, w.data, w.base, w.unmap = data, data[:known], off, unmap
	return nil
}

// endView ends the view, if there is one.
func (w *window) endView() {
	if w.unmap != nil {
		w.unmap()
		w.buf, w.data, w.unmap = nil, nil, nil
	}
}

// stopViews has the window read the rest of the span.
func (w *window) stopViews() {
	w.endView()
	w.views = false
	w.allocate()
}

// errFault says that a view faulted: the file is shorter, or the disk fails.
var errFault = errors.New("a mapped file can't be read")

// looking calls f, which handles a span in the window. If a view faults it calls it
// once more, and then ReadAt says what is wrong.
func (w *window) looking(f func() error) error {
	if w.mapper == nil {
		return f()
	}
	err := catchFault(f)
	if errors.Is(err, errFault) {
		w.mapper = nil
		w.stopViews()
		err = f()
	}
	return err
}

// catchFault calls f and returns errFault if it looks at what is not there.
func catchFault(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface {
			runtime.Error
			Addr() uintptr
		}:
			err = errFault
		default:
			panic(fault)
		}
	}()
	return f()
}
