package wire

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// descriptor is what a stream needs to be pumped by the kernel: a
// *net.TCPConn, a *net.UnixConn or a pollable *os.File.
type descriptor interface {
	io.ReadWriter
	syscall.Conn
}

// writeCall is a system call that puts bytes on a stream.
type writeCall uint8

const (
	callWrite    writeCall = iota // write(2) of buf
	callSend                      // send(2) of buf, more follows at once
	callSplice                    // splice(2) from the pipe from
	callSendfile                  // sendfile(2) of the file from at off
)

// kernelWriter makes system calls on the outgoing side of a stream. Its step
// is bound once to the RawConn's callback, so that no call allocates.
type kernelWriter struct {
	meter
	rc     syscall.RawConn
	try    func(fd uintptr) bool
	socket bool // MSG_MORE is known

	// The call that try makes, and what came of it.
	call  writeCall
	buf   []byte
	from  int
	off   int64
	max   int
	n     int
	errno error
}

func newKernelWriter(rc syscall.RawConn, socket bool, m meter) *kernelWriter {
	w := &kernelWriter{meter: m, rc: rc, socket: socket}
	w.try = w.attempt
	return w
}

// attempt makes the call once. It returns false if the stream is not ready,
// whereupon the RawConn waits and calls again. The pipe or file on the other
// side is never the reason for EAGAIN: a pipe is counted to hold bytes.
func (w *kernelWriter) attempt(fd uintptr) bool {
	for {
		w.calls.Add(1)
		switch w.call {
		case callWrite:
			w.n, w.errno = unix.Write(int(fd), w.buf[:w.max])
		case callSend:
			w.n, w.errno = unix.SendmsgN(int(fd), w.buf[:w.max], nil, nil, unix.MSG_MORE|unix.MSG_NOSIGNAL)
		case callSplice:
			w.n, w.errno = splice(w.from, nil, int(fd), nil, w.max)
		case callSendfile:
			w.n, w.errno = unix.Sendfile(int(fd), w.from, &w.off, w.max)
		}
		if w.errno != unix.EINTR {
			return w.errno != unix.EAGAIN
		}
	}
}

// step makes one call for up to max bytes, waiting until the stream takes at
// least one. refused is the errno of the call; err says that the stream
// could not even be waited for.
func (w *kernelWriter) step(call writeCall, max int) (n int, refused, err error) {
	if max, err = w.admit(max); err != nil {
		return 0, nil, streamError("write", err)
	}
	w.call, w.max = call, max
	if err := w.rc.Write(w.try); err != nil {
		return 0, nil, streamError("write", err)
	}
	if w.errno != nil {
		return 0, w.errno, nil
	}
	w.moved(w.n)
	return w.n, nil, nil
}

// Write puts all of p on the stream.
func (w *kernelWriter) Write(p []byte) (int, error) {
	return w.write(callWrite, p)
}

// writeMore is Write for bytes that more bytes follow at once, so that they
// need no packet of their own. Used anywhere else, TCP would sit on the tail
// for 200 ms.
func (w *kernelWriter) writeMore(p []byte) (int, error) {
	if !w.socket {
		return w.write(callWrite, p)
	}
	return w.write(callSend, p)
}

func (w *kernelWriter) write(call writeCall, p []byte) (int, error) {
	done := 0
	for done < len(p) {
		w.buf = p[done:]
		n, refused, err := w.step(call, len(w.buf))
		if err == nil {
			err = streamError("write", refused)
		}
		if err != nil {
			w.buf = nil
			return done, err
		}
		done += n
	}
	w.buf = nil
	return done, nil
}

// drain moves all bytes of p to the stream.
func (w *kernelWriter) drain(p *pipe) error {
	for p.n > 0 {
		w.from = p.r
		n, refused, err := w.step(callSplice, p.n)
		switch {
		case err != nil:
			return err
		case refused != nil:
			return streamError("splice to stream", refused)
		case n == 0:
			// The kernel took a page for lost (ENODATA inside). The pipe
			// cannot be trusted any more.
			return streamError("splice to stream", io.ErrShortWrite)
		}
		p.took(n)
	}
	return nil
}

// kernelReader makes system calls on the incoming side of a stream, as
// kernelWriter does on the outgoing.
type kernelReader struct {
	meter
	rc  syscall.RawConn
	try func(fd uintptr) bool
	tcp bool

	lowat lowat

	buf   []byte // read(2) into buf, or if nil
	to    int    // splice(2) to this pipe
	max   int
	n     int
	errno error
}

func newKernelReader(rc syscall.RawConn, tcp bool, m meter) *kernelReader {
	r := &kernelReader{meter: m, rc: rc, tcp: tcp}
	r.try = r.attempt
	r.lowat.on, r.lowat.calls = tcp, m.calls
	r.lowat.set = r.lowat.apply
	return r
}

// attempt makes the call once. EAGAIN is the stream's: the pipe is empty.
func (r *kernelReader) attempt(fd uintptr) bool {
	for {
		r.calls.Add(1)
		if r.buf != nil {
			r.n, r.errno = unix.Read(int(fd), r.buf[:r.max])
		} else {
			r.n, r.errno = splice(int(fd), nil, r.to, nil, r.max)
		}
		switch r.errno {
		case unix.EINTR:
		case unix.EAGAIN:
			r.waits()
			return false
		default:
			return true
		}
	}
}

// step makes one call for up to max bytes. It returns io.EOF at the end of
// the stream.
func (r *kernelReader) step(op string, max int) (int, error) {
	max, err := r.admit(max)
	if err != nil {
		return 0, streamError(op, err)
	}
	r.max = max
	if err := r.wait(); err != nil {
		return 0, streamError(op, err)
	}
	switch {
	case r.errno != nil:
		return 0, streamError(op, r.errno)
	case r.n == 0:
		return 0, io.EOF
	}
	r.moved(r.n)
	return r.n, nil
}

// Read reads up to len(p) bytes; p is not empty.
func (r *kernelReader) Read(p []byte) (int, error) {
	r.buf = p
	n, err := r.step("read", len(p))
	r.buf = nil
	return n, err
}

// fill moves what the stream has, up to the pipe's size or less, into p, which is
// empty, and waits for at least one byte.
func (r *kernelReader) fill(p *pipe) error {
	r.to = p.w
	most := p.size()
	if r.lowat.now > 0 && r.lowat.guess {
		// The sender of a dialect with small pieces is stock, whose window BBR keeps
		// small: what is taken is acknowledged. With 1 MiB at a time a pull of 1 GiB
		// took 0.95 to 1.05 of stock's time, like this 0.81 to 0.84.
		most = lowatBytes
	}
	n, err := r.step("splice from stream", most)
	if err == nil {
		p.n = n
	}
	return err
}

// pollable returns f, or a duplicate of f that the runtime can wait for if f
// was opened in blocking mode, as stdin and stdout are. The duplicate shares
// f's file description, so f becomes non-blocking too. mine says that the
// caller has to close it besides f.
func pollable(f *os.File) (g *os.File, mine bool, err error) {
	if f.SetDeadline(noDeadline) == nil {
		return f, false, nil
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, false, os.NewSyscallError("fcntl", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, false, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), true, nil
}
