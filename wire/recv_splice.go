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
	held    gathered
	follows int64  // bytes that are believed to follow in a file that is gathered
	off     int64  // splice's offset argument, here so as not to be allocated
	scratch []byte // for bytes that are drained or cannot be spliced
	stats   *Stats
}

func (r *spliceReceiver) release() {
	r.pipe.close()
	r.held.pipe.close()
}

func (r *spliceReceiver) buffered() int { return r.pipe.n }

// ready makes sure that the pipe has at least one byte. body is how many
// bytes of a body are awaited, 0 for a message; while a file is gathered, what
// follows of it is awaited too.
func (r *spliceReceiver) ready(body int64) error {
	if r.pipe.n > 0 {
		return nil
	}
	if err := r.pipe.open(); err != nil {
		return err
	}
	r.in.expect(body+r.follows, body < lowatBody)
	err := r.in.fill(&r.pipe)
	if err != nil {
		_ = r.WriteOut() // what has come is not lost; the stream's error says more
	}
	return err
}

func (r *spliceReceiver) Read(p []byte) (int, error) {
	if err := r.ready(0); err != nil {
		return 0, err
	}
	return r.read(&r.pipe, p)
}

// read takes bytes out of a pipe that has some.
func (r *spliceReceiver) read(from *pipe, p []byte) (int, error) {
	for {
		r.stats.Calls.Add(1)
		n, err := unix.Read(from.r, p)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, streamError("read from pipe", err)
		case n == 0:
			return 0, streamError("read from pipe", io.ErrUnexpectedEOF)
		}
		from.took(n)
		return n, nil
	}
}

func (r *spliceReceiver) RecvFile(dst File, off, n int64) error {
	r.follows = 0
	if r.held.pipe.n > 0 {
		if err := r.GatherFile(dst, off, n, 0); err != nil {
			return err
		}
		return r.WriteOut()
	}
	for n > 0 {
		if err := r.ready(n); err != nil {
			return unexpected(err)
		}
		k, err := r.spliceOut(&r.pipe, dst, off, int(min(n, int64(r.pipe.n))))
		if err != nil {
			return copyRest(r, dst, off, n, err, r.stats)
		}
		off += int64(k)
		n -= int64(k)
	}
	return nil
}

// spliceOut moves up to n bytes that a pipe has into a file.
func (r *spliceReceiver) spliceOut(from *pipe, dst File, off int64, n int) (int, error) {
	r.off = off
	r.stats.Calls.Add(1)
	l := lock(dst)
	k, err := splice(from.r, nil, int(dst.Fd()), &r.off, n)
	l.Unlock()
	runtime.KeepAlive(dst)
	if err == nil && k == 0 {
		err = io.ErrShortWrite
	}
	if err != nil {
		return 0, err
	}
	from.took(k)
	r.stats.Splice.Add(int64(k))
	return k, nil
}

// copyRest goes on with a body where splice has failed by err. A failed call takes
// nothing out of its pipe: what is there is still counted right, and is drained.
func copyRest(c chunks, dst File, off, n int64, err error, st *Stats) error {
	if err == unix.EINVAL {
		// The file has no splice_write (character devices, some FUSE),
		// or was opened with O_APPEND. WriteAt tells.
		st.Fallback("splice to file: EINVAL")
		return copyBody(c, dst, off, n, nil, st)
	}
	return copyBody(c, dst, off, n, fileError("splice", dst, off, err), st)
}

// next reads out of the pipe.
func (r *spliceReceiver) next(max int64) ([]byte, error) {
	n, err := r.Read(r.space(max))
	return r.scratch[:n], err
}

// space is up to max bytes of scratch.
func (r *spliceReceiver) space(max int64) []byte {
	if r.scratch == nil {
		r.scratch = make([]byte, copyBufSize)
	}
	return r.scratch[:min(int64(len(r.scratch)), max)]
}

func (r *spliceReceiver) Discard(n int64) error {
	r.follows = 0
	return discard(r, n, r.stats)
}
