package wire

import (
	"io"
	"runtime"

	"golang.org/x/sys/unix"
)

// sendfileSender is the sending half that uses sendfile(2).
type sendfileSender struct {
	copySender
	out *kernelWriter
}

func (s *sendfileSender) SendFile(src File, off, n int64) error {
	if err := s.flushAhead(s.out); err != nil {
		return err
	}
	defer runtime.KeepAlive(src)
	for n > 0 {
		s.out.from, s.out.off = int(src.Fd()), off
		k, refused, err := s.out.step(callSendfile, int(min(n, maxCall)))
		switch {
		case err != nil:
			return err
		case brokenStream(refused):
			return streamError("sendfile", refused)
		case refused != nil:
			// One call, two descriptors: pread and write will tell which of
			// them it was. EINVAL is a file or a stream without sendfile
			// (pipes before 5.12).
			s.stats.Fallback("sendfile: refused")
			return s.copySender.SendFile(src, off, n)
		case k == 0:
			return s.pad(n, fileError("sendfile", src, off, io.ErrUnexpectedEOF))
		}
		s.stats.Sendfile.Add(int64(k))
		off += int64(k)
		n -= int64(k)
	}
	return nil
}

// maxCall is the most that is asked of one call: a length that fits the
// kernel's MAX_RW_COUNT on any page size.
const maxCall = 1 << 30

// flushAhead sends the pending messages, of which out learns that a body
// follows at once.
func (s *copySender) flushAhead(out *kernelWriter) error {
	if len(s.buf) == 0 {
		return nil
	}
	_, err := out.writeMore(s.buf)
	s.buf = s.buf[:0]
	return err
}

// brokenStream reports whether err is an errno that only a stream has.
func brokenStream(err error) bool {
	switch err {
	case unix.EPIPE, unix.ECONNRESET, unix.ECONNABORTED, unix.ETIMEDOUT,
		unix.ENOTCONN, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENETDOWN:
		return true
	}
	return false
}
