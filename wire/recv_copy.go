package wire

import (
	"io"
)

// chunks is an incoming stream as the copying of bodies sees it.
type chunks interface {
	// next takes between 1 and max bytes off the stream. They are valid
	// until the next call. The error is io.EOF at the end of the stream.
	next(max int64) ([]byte, error)
}

// copyBody takes n bytes off c and writes them to dst at off. If dst fails,
// or has failed before, the rest is drained. All n count as user bytes.
func copyBody(c chunks, dst File, off, n int64, failed *FileError, st *Stats) error {
	for n > 0 {
		b, err := c.next(n)
		if err != nil {
			return unexpected(err)
		}
		n -= int64(len(b))
		st.User.Add(int64(len(b)))
		if failed != nil {
			continue
		}
		st.Calls.Add(1)
		l := lock(dst)
		k, err := dst.WriteAt(b, off)
		l.Unlock()
		off += int64(k)
		if err != nil {
			failed = fileError("pwrite", dst, off, err)
		}
	}
	if failed != nil {
		return failed
	}
	return nil
}

// discard takes n bytes off c.
func discard(c chunks, n int64, st *Stats) error {
	for n > 0 {
		b, err := c.next(n)
		if err != nil {
			return unexpected(err)
		}
		n -= int64(len(b))
		st.User.Add(int64(len(b)))
	}
	return nil
}

// unexpected turns the end of the stream into the error that it is within a
// body.
func unexpected(err error) error {
	if err == io.EOF {
		return streamError("body", io.ErrUnexpectedEOF)
	}
	return err
}

// copyReceiver is the receiving half that copies. It reads ahead, so bodies
// of small files and their headers arrive with one call.
type copyReceiver struct {
	r      io.Reader
	buf    []byte
	lo, hi int // buf[lo:hi] is read and not taken
	stats  *Stats
}

func newCopyReceiver(r io.Reader, st *Stats) *copyReceiver {
	return &copyReceiver{r: r, stats: st}
}

func (r *copyReceiver) release() {}

func (r *copyReceiver) buffered() int { return r.hi - r.lo }

func (r *copyReceiver) next(max int64) ([]byte, error) {
	if r.buf == nil {
		r.buf = make([]byte, copyBufSize)
	}
	for r.lo == r.hi {
		n, err := r.r.Read(r.buf)
		if err != nil {
			return nil, err
		}
		r.lo, r.hi = 0, n
	}
	n := int(min(int64(r.hi-r.lo), max))
	b := r.buf[r.lo : r.lo+n]
	r.lo += n
	return b, nil
}

func (r *copyReceiver) Read(p []byte) (int, error) {
	b, err := r.next(int64(len(p)))
	return copy(p, b), err
}

func (r *copyReceiver) RecvFile(dst File, off, n int64) error {
	return copyBody(r, dst, off, n, nil, r.stats)
}

// GatherFile is RecvFile: the writes are as long as the reads.
func (r *copyReceiver) GatherFile(dst File, off, n, _ int64) error {
	return r.RecvFile(dst, off, n)
}

func (r *copyReceiver) WriteOut() error { return nil }

func (r *copyReceiver) Discard(n int64) error {
	return discard(r, n, r.stats)
}
