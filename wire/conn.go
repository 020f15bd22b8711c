package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Options are the settings of a Conn. The zero value is splice, no timeout
// and no limit.
type Options struct {
	Transport Transport
	// Timeout ends a half that waits for its peer without a byte of
	// progress for that long (up to a quarter longer). 0: never.
	Timeout time.Duration
	// Limit is a token bucket of bytes, see NewLimiter. Both directions draw
	// from it, and so do all Conns that share it. nil: no limit.
	Limit *rate.Limiter
	// Stats is what the Conn counts into. nil: a Stats of its own.
	Stats *Stats
}

func (o *Options) validate() error {
	switch {
	case int(o.Transport) >= len(transportNames):
		return fmt.Errorf("wire: unknown %v", o.Transport)
	case o.Timeout < 0:
		return fmt.Errorf("wire: negative timeout %v", o.Timeout)
	case o.Limit != nil && o.Limit.Burst() <= 0 && o.Limit.Limit() != rate.Inf:
		return fmt.Errorf("wire: rate limit with a burst of %d", o.Limit.Burst())
	}
	return nil
}

// outgoing is the sending half. Only the implementations that were built on
// a socket or a pipe can reach a descriptor; the one that copies to an
// io.Writer, as for TLS, has none to leak.
type outgoing interface {
	Write(p []byte) (int, error)
	Flush() error
	// SendFile puts exactly n bytes on the stream or returns an error that
	// is no *FileError.
	SendFile(src File, off, n int64) error
	// release closes the half's pipe. The half is not used again.
	release()
}

// incoming is the receiving half, made like outgoing.
type incoming interface {
	Read(p []byte) (int, error)
	// RecvFile takes exactly n bytes off the stream or returns an error that
	// is no *FileError.
	RecvFile(dst File, off, n int64) error
	GatherFile(dst File, off, n, more int64) error
	WriteOut() error
	Discard(n int64) error
	// buffered is how many bytes were taken off the stream and not read yet.
	buffered() int
	release()
}

// half guards one direction.
type half struct {
	mu  sync.Mutex // held during a call, so that Close frees no pipe in use
	err error      // what ended this half
}

// Conn is one stream of messages and bodies. See the package documentation
// for call order, concurrency and failures.
//
// A Conn owns the stream that it was made of, and its pipes.
type Conn struct {
	out     outgoing
	outHalf half
	in      incoming
	inHalf  half
	kernel  *kernelReader // below in; nil if the stream is in user space

	timeout       atomic.Int64                 // Options.Timeout, or what SetTimeout has made of it
	limit         atomic.Pointer[rate.Limiter] // Options.Limit, or what SetLimit has made of it
	stats         *Stats
	local, remote net.Addr
	closeStream   func() error
	closeWrite    func() error // nil: not supported

	closed    context.Context // done when Close was called
	markDone  context.CancelFunc
	closeOnce sync.Once
	closeErr  error
}

// Write appends message bytes to the stream. They are sent by Flush, before
// the next body, or when the buffer is full.
func (c *Conn) Write(p []byte) (int, error) {
	h := &c.outHalf
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return 0, h.err
	}
	n, err := c.out.Write(p)
	return n, c.settle(h, c.out.release, err)
}

// Flush sends all that Write and SendFile have left to be sent.
func (c *Conn) Flush() error {
	h := &c.outHalf
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return h.err
	}
	return c.settle(h, c.out.release, c.out.Flush())
}

// SendFile puts exactly n bytes of src, from offset off, on the stream behind
// the messages written so far. The file's own offset is neither used nor
// moved. The tail of the body may stay in the Conn until Flush; src may be
// closed before.
//
// If src fails or ends early, zeros go in place of what is missing, and the
// error is a *FileError. Any other error ends the connection.
func (c *Conn) SendFile(src File, off, n int64) error {
	h := &c.outHalf
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil || n == 0 {
		return h.err
	}
	if n < 0 {
		return fileError("send", src, off, errNegative)
	}
	return c.settle(h, c.out.release, c.out.SendFile(src, off, n))
}

// Read takes message bytes off the stream: at least 1 and at most len(p).
// The error is io.EOF if the peer has closed its side.
func (c *Conn) Read(p []byte) (int, error) {
	h := &c.inHalf
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil || len(p) == 0 {
		return 0, h.err
	}
	n, err := c.in.Read(p)
	return n, c.settle(h, c.in.release, err)
}

// RecvFile takes exactly n bytes off the stream and writes them to dst at
// offset off. The file's own offset is neither used nor moved.
//
// If dst fails, the rest of the n bytes is drained and the error is a
// *FileError. Any other error ends the connection; it is
// io.ErrUnexpectedEOF if the stream ends within the body. A dst that was
// opened with O_APPEND fails: it cannot honour an offset.
func (c *Conn) RecvFile(dst File, off, n int64) error {
	return c.body(dst, off, n, 0)
}

// GatherFile is RecvFile for a piece of a file whose next piece follows soon,
// though not at once, on the stream: the Conn may hold it back, to write many with
// one call. They are written when a piece comes that is no neighbour, by a RecvFile,
// and by WriteOut, which must be called before the file is read or closed. A
// *FileError can be that of pieces held back before.
//
// more is how many bytes of the file are expected behind the piece; 0 makes it a
// RecvFile. If that is too much, some reads take up to 20 ms longer.
func (c *Conn) GatherFile(dst File, off, n, more int64) error {
	return c.body(dst, off, n, max(more, 0))
}

// WriteOut writes what GatherFile holds back. If that fails the error is a
// *FileError, and nothing is held any more.
func (c *Conn) WriteOut() error {
	h := &c.inHalf
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return h.err
	}
	return c.settle(h, c.in.release, c.in.WriteOut())
}

// body takes the n bytes of a body, behind which so many more are expected.
func (c *Conn) body(dst File, off, n, more int64) error {
	h := &c.inHalf
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil || n == 0 {
		return h.err
	}
	if n < 0 {
		return fileError("receive", dst, off, errNegative)
	}
	if more > 0 {
		return c.settle(h, c.in.release, c.in.GatherFile(dst, off, n, more))
	}
	return c.settle(h, c.in.release, c.in.RecvFile(dst, off, n))
}

// Discard takes n bytes of bodies off the stream and drops them. They count
// as Stats.User.
func (c *Conn) Discard(n int64) error {
	h := &c.inHalf
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil || n <= 0 {
		return h.err
	}
	return c.settle(h, c.in.release, c.in.Discard(n))
}

// errNegative is what a length below zero comes to. Decoders refuse such
// lengths; here they move no bytes.
var errNegative = errors.New("negative length")

// settle decides what an error of a half means. A *FileError leaves it as it
// is; any other ends it and frees its pipe, whatever is in it.
func (c *Conn) settle(h *half, release func(), err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(*FileError); ok {
		return err
	}
	if c.closed.Err() != nil && !errors.Is(err, net.ErrClosed) {
		// The wait for tokens, or an errno of a call that Close cut short.
		err = streamError("use", net.ErrClosed)
	}
	h.err = err
	release()
	return err
}

// CloseWrite flushes, then tells the peer that nothing more will come: its
// Read returns io.EOF. The receiving half goes on. The error matches
// errors.ErrUnsupported if the stream has no such thing.
func (c *Conn) CloseWrite() error {
	if err := c.Flush(); err != nil {
		return err
	}
	if c.closeWrite == nil {
		return fmt.Errorf("wire: close write: %w", errors.ErrUnsupported)
	}
	return streamError("close write", c.closeWrite())
}

// Close ends both halves: calls that wait in them return net.ErrClosed. What
// was not flushed is lost. When Close returns, the stream and the pipes are
// closed. Only the first call does anything; later ones return its error.
func (c *Conn) Close() error {
	c.closeOnce.Do(func() {
		c.markDone()
		// The stream goes first: that wakes whoever waits for it, and only
		// then can the locks be had. No pipe is closed under a call that
		// still uses its number.
		c.closeErr = streamError("close", c.closeStream())
		end := streamError("use", net.ErrClosed)
		c.outHalf.end(end, c.out.release)
		c.inHalf.end(end, c.in.release)
	})
	return c.closeErr
}

func (h *half) end(err error, release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil || h.err == io.EOF {
		h.err = err
	}
	release()
}

// SetTimeout changes Options.Timeout for waits that begin from now on.
func (c *Conn) SetTimeout(d time.Duration) { c.timeout.Store(int64(max(d, 0))) }

// SetLimit changes Options.Limit for what is moved from now on.
func (c *Conn) SetLimit(l *rate.Limiter) { c.limit.Store(l) }

// Buffered returns how many bytes were taken off the stream and not read yet.
func (c *Conn) Buffered() int {
	c.inHalf.mu.Lock()
	defer c.inHalf.mu.Unlock()
	return c.in.buffered()
}

// Stats returns what the Conn counts into.
func (c *Conn) Stats() *Stats { return c.stats }

// LocalAddr returns the stream's own address, nil for stdio.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the peer's address, nil for stdio.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }
