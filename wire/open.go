package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"

	"golang.org/x/sys/unix"
)

// NewConn returns a Conn that owns c. The kernel pumps the bodies of a
// *net.TCPConn and of a stream *net.UnixConn. Any other type, a *tls.Conn or
// a wrapper around one of these two, is written to and read from and nothing
// else: what it does with the bytes is kept. A *tls.Conn has to be through its
// handshake: a Write that still waits for the peer's part of it is beyond
// Options.Timeout, which watches each direction for itself.
//
// If NewConn fails, c is still the caller's and open.
func NewConn(c net.Conn, o Options) (*Conn, error) {
	conn, err := newConn(&o)
	if err != nil {
		return nil, err
	}
	conn.local, conn.remote = c.LocalAddr(), c.RemoteAddr()
	conn.closeStream = c.Close
	if cw, ok := c.(interface{ CloseWrite() error }); ok {
		conn.closeWrite = cw.CloseWrite
	}
	var d descriptor
	switch c := c.(type) {
	case *net.TCPConn:
		d = c
	case *net.UnixConn:
		if n := c.LocalAddr().Network(); n != "unix" {
			return nil, fmt.Errorf("wire: a %s socket is not a stream", n)
		}
		d = c
	}
	if err := conn.receive(c, d, &o); err != nil {
		return nil, err
	}
	if err := conn.send(c, d, &o); err != nil {
		return nil, err
	}
	return conn, nil
}

// NewStream returns a Conn that owns r and w: the stdin and stdout of a
// remote shell, or the two pipes to one. An *os.File that is a pipe or a
// stream socket is pumped by the kernel and set to non-blocking mode, which
// stays so after Close. Anything else is copied; if it is a terminal, neither
// Options.Timeout nor Close can end a read that waits for it. r and w may be
// the same.
//
// If NewStream fails, r and w are still the caller's and open.
func NewStream(r io.ReadCloser, w io.WriteCloser, o Options) (*Conn, error) {
	conn, err := newConn(&o)
	if err != nil {
		return nil, err
	}
	in, err := pumped(r)
	if err != nil {
		return nil, err
	}
	closers := []io.Closer{r}
	// Comparable: an interface may hold a type that == panics for.
	same := reflect.ValueOf(r).Comparable() && any(r) == any(w)
	if !same {
		closers = append(closers, w)
	}
	if in.mine {
		closers = append(closers, in.File)
	}
	out, err := pumped(w)
	if err != nil {
		in.discard()
		return nil, err
	}
	if out.mine {
		closers = append(closers, out.File)
	}
	conn.closeStream = func() error { return closeAll(closers) }
	if !same {
		conn.closeWrite = func() error {
			if out.mine {
				out.Close()
			}
			return w.Close()
		}
	}
	if err := errors.Join(conn.receive(r, in.descriptor(), &o), conn.send(w, out.descriptor(), &o)); err != nil {
		in.discard()
		out.discard()
		return nil, err
	}
	return conn, nil
}

func newConn(o *Options) (*Conn, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	conn := &Conn{stats: o.Stats}
	if conn.stats == nil {
		conn.stats = new(Stats)
	}
	conn.timeout.Store(int64(o.Timeout))
	conn.limit.Store(o.Limit)
	conn.closed, conn.markDone = context.WithCancel(context.Background())
	return conn, nil
}

// receive builds the incoming half on d, or on r if d is nil.
func (c *Conn) receive(r io.Reader, d descriptor, o *Options) error {
	m := meter{count: &c.stats.Received, calls: &c.stats.Calls, limit: &c.limit, closed: c.closed, timeout: &c.timeout}
	if d == nil {
		m.setDeadline = readDeadline(r)
		c.stats.Fallback("receive: the stream is in user space")
		in := &userReader{meter: m, r: r}
		c.in = newCopyReceiver(in, c.stats)
		return nil
	}
	m.setDeadline = readDeadline(d)
	rc, err := d.SyscallConn()
	if err != nil {
		return streamError("open", err)
	}
	_, tcp := d.(*net.TCPConn)
	in := newKernelReader(rc, tcp, m)
	c.kernel = in
	switch o.Transport {
	case Splice, Sendfile:
		c.in = &spliceReceiver{in: in, stats: c.stats}
	default:
		c.in = newCopyReceiver(in, c.stats)
	}
	return nil
}

// send builds the outgoing half on d, or on w if d is nil.
func (c *Conn) send(w io.Writer, d descriptor, o *Options) error {
	m := meter{count: &c.stats.Sent, calls: &c.stats.Calls, limit: &c.limit, closed: c.closed, timeout: &c.timeout}
	if d == nil {
		m.setDeadline = writeDeadline(w)
		c.stats.Fallback("send: the stream is in user space")
		out := &userWriter{meter: m, w: w}
		c.out = &copySender{w: out, size: copyBufSize, stats: c.stats}
		return nil
	}
	m.setDeadline = writeDeadline(d)
	rc, err := d.SyscallConn()
	if err != nil {
		return streamError("open", err)
	}
	_, isFile := d.(*os.File)
	out := newKernelWriter(rc, !isFile, m)
	base := copySender{w: out, size: messageBufSize, stats: c.stats}
	switch o.Transport {
	case Splice:
		c.out = &spliceSender{copySender: base, out: out}
	case Sendfile:
		c.out = &sendfileSender{copySender: base, out: out}
	case Mmap:
		c.out = &mmapSender{copySender: base, out: out}
	default:
		base.size = copyBufSize
		c.out = &base
	}
	return nil
}

// streamFile is one side of NewStream: nothing, if it is no file that can be
// spliced, or the file that the runtime can wait for.
type streamFile struct {
	*os.File
	mine bool // a duplicate, to be closed besides the original
}

// pumped returns the pollable file behind rw if that is an *os.File on a pipe
// or a stream socket.
func pumped(rw any) (streamFile, error) {
	f, ok := rw.(*os.File)
	if !ok || !spliceable(f) {
		return streamFile{}, nil
	}
	g, mine, err := pollable(f)
	if err != nil {
		return streamFile{}, fmt.Errorf("wire: %s: %w", f.Name(), err)
	}
	return streamFile{File: g, mine: mine}, nil
}

func (f streamFile) descriptor() descriptor {
	if f.File == nil {
		return nil
	}
	return f.File
}

func (f streamFile) discard() {
	if f.mine {
		f.Close()
	}
}

// spliceable reports whether f is a pipe or a stream socket.
func spliceable(f *os.File) bool {
	rc, err := f.SyscallConn()
	if err != nil {
		return false
	}
	var ok bool
	err = rc.Control(func(fd uintptr) {
		var st unix.Stat_t
		if unix.Fstat(int(fd), &st) != nil {
			return
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFIFO:
			ok = true
		case unix.S_IFSOCK:
			typ, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE)
			ok = err == nil && typ == unix.SOCK_STREAM
		}
	})
	return err == nil && ok
}

// closeAll closes every one and returns the first error, except that what
// CloseWrite has closed before is no error.
func closeAll(closers []io.Closer) error {
	var first error
	for _, c := range closers {
		if err := c.Close(); err != nil && first == nil && !errors.Is(err, os.ErrClosed) {
			first = err
		}
	}
	return first
}
