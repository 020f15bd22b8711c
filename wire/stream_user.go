package wire

import (
	"io"
	"time"
)

// userWriter is the outgoing side of a stream that the kernel cannot pump.
// It holds no descriptor.
type userWriter struct {
	meter
	w io.Writer
}

func (w *userWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		max, err := w.admit(len(p) - done)
		if err != nil {
			return done, streamError("write", err)
		}
		w.calls.Add(1)
		n, err := w.w.Write(p[done : done+max])
		w.moved(n)
		done += n
		if err != nil {
			return done, streamError("write", err)
		}
	}
	return done, nil
}

// userReader is the incoming side of such a stream.
type userReader struct {
	meter
	r io.Reader
}

func (r *userReader) Read(p []byte) (int, error) {
	max, err := r.admit(len(p))
	if err != nil {
		return 0, streamError("read", err)
	}
	r.calls.Add(1)
	n, err := r.r.Read(p[:max])
	r.moved(n)
	if n > 0 {
		// An error that came with bytes comes again.
		return n, nil
	}
	return 0, streamError("read", err)
}

// noDeadline takes a deadline away.
var noDeadline time.Time

// readDeadline returns the function that sets r's read deadline, nil if it
// has none.
func readDeadline(r any) func(time.Time) error {
	if d, ok := r.(interface{ SetReadDeadline(time.Time) error }); ok {
		return d.SetReadDeadline
	}
	return nil
}

// writeDeadline returns the function that sets w's write deadline, nil if it
// has none.
func writeDeadline(w any) func(time.Time) error {
	if d, ok := w.(interface{ SetWriteDeadline(time.Time) error }); ok {
		return d.SetWriteDeadline
	}
	return nil
}
