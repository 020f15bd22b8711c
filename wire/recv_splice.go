package wire

import (
	"io"
	"runtime"

	"golang.org/x/sys/unix"
)

// spliceReceiver is the receiving half that splices. The pipe is its buffer:
// one call takes all that the stream has, messages are read(2) out of it
// byte for byte and bodies spliced out of it into their files, so that no
// byte of a body enters user space on the way.
type spliceReceiver struct {
	in      *kernelReader
	pipe    pipe
	off     int64  // splice's offset argument, here so as not to be allocated
	scratch []byte // for bytes that are drained or cannot be spliced
	stats   *Stats
}

func (r *spliceReceiver) release() { r.pipe.close() }

func (r *spliceReceiver) buffered() int { return r.pipe.n }

// ready makes sure that the pipe has at least one byte. body is how many
// bytes of a body are awaited, 0 for a message.
func (r *spliceReceiver) ready(body int64) error {
	if r.pipe.n > 0 {
		return nil
	}
	if err := r.pipe.open(); err != nil {
		return err
	}
	r.in.expect(body)
	return r.in.fill(&r.pipe)
}

func (r *spliceReceiver) Read(p []byte) (int, error) {
	if err := r.ready(0); err != nil {
		return 0, err
	}
	for {
		r.stats.Calls.Add(1)
		n, err := unix.Read(r.pipe.r, p)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, streamError("read from pipe", err)
		case n == 0:
			return 0, streamError("read from pipe", io.ErrUnexpectedEOF)
		}
		r.pipe.took(n)
		return n, nil
	}
}

func (r *spliceReceiver) RecvFile(dst File, off, n int64) error {
	defer runtime.KeepAlive(dst)
	fd := int(dst.Fd())
	for n > 0 {
		if err := r.ready(n); err != nil {
			return unexpected(err)
		}
		r.off = off
		r.stats.Calls.Add(1)
		k, err := splice(r.pipe.r, nil, fd, &r.off, int(min(n, int64(r.pipe.n))))
		switch {
		case err == unix.EINVAL:
			// The file has no splice_write (character devices, some FUSE),
			// or was opened with O_APPEND. WriteAt tells.
			r.stats.Fallback("splice to file: EINVAL")
			return copyBody(r, dst, off, n, nil, r.stats)
		case err == nil && k == 0:
			err = io.ErrShortWrite
			fallthrough
		case err != nil:
			// A failed call takes nothing out of the pipe: its bytes are
			// still counted right, and are drained with the rest.
			return copyBody(r, dst, off, n, fileError("splice", dst, off, err), r.stats)
		}
		r.pipe.took(k)
		r.stats.Splice.Add(int64(k))
		off += int64(k)
		n -= int64(k)
	}
	return nil
}

// next reads out of the pipe.
func (r *spliceReceiver) next(max int64) ([]byte, error) {
	if r.scratch == nil {
		r.scratch = make([]byte, copyBufSize)
	}
	n, err := r.Read(r.scratch[:min(int64(len(r.scratch)), max)])
	return r.scratch[:n], err
}

func (r *spliceReceiver) Discard(n int64) error {
	return discard(r, n, r.stats)
}
