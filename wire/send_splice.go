package wire

import (
	"io"
	"runtime"

	"golang.org/x/sys/unix"
)

// roundBytes is how much of a large body goes into the pipe at a time. 1 GiB
// over loopback cost both ends 0.66-0.77 CPU-s with 256 KiB and 0.71-0.79
// with all of the pipe's 1 MiB (three medians of 9 to 15), for the peer starts
// on it sooner. Small files do fill the pipe: 4 KiB files cost the sender
// 7.6 us each in rounds of 1 MiB and 8.6 us in rounds of 256 KiB, of which
// open and close are half.
const roundBytes = 256 << 10

// spliceSender is the sending half that splices. The pipe is its buffer:
// messages are written into it and the pages of files spliced behind them
// until its slots are used, so that many small files leave with one call.
//
// Invariant: what is in the pipe precedes what is in copySender's buffer.
type spliceSender struct {
	copySender
	out  *kernelWriter
	pipe pipe
}

func (s *spliceSender) release() { s.pipe.close() }

func (s *spliceSender) Write(p []byte) (int, error) {
	if len(s.buf)+len(p) > s.size/2 {
		// The buffer might flush itself, and must not overtake the pipe.
		if err := s.out.drain(&s.pipe); err != nil {
			return 0, err
		}
	}
	return s.copySender.Write(p)
}

func (s *spliceSender) Flush() error {
	if s.pipe.n > 0 {
		// One call and one push for all of it, rather than two.
		if err := s.stage(); err != nil {
			return err
		}
		if err := s.out.drain(&s.pipe); err != nil {
			return err
		}
	}
	return s.copySender.Flush()
}

// stage moves the pending messages into the pipe, or past it if they are too
// many. Afterwards the buffer is empty.
func (s *spliceSender) stage() error {
	if len(s.buf) == 0 {
		return nil
	}
	need := pagesOf(0, len(s.buf))
	if need >= s.pipe.free() {
		if err := s.out.drain(&s.pipe); err != nil {
			return err
		}
	}
	if need < s.pipe.free() {
		s.stats.Calls.Add(1)
		n, err := unix.Write(s.pipe.w, s.buf)
		if err == nil && n > 0 {
			s.pipe.put(n, need)
			s.buf = s.buf[:copy(s.buf, s.buf[n:])]
		}
		if len(s.buf) == 0 {
			return nil
		}
		// The kernel counts slots otherwise than we do. What it did not take
		// goes behind what it did.
		if err := s.out.drain(&s.pipe); err != nil {
			return err
		}
	}
	return s.copySender.Flush()
}

func (s *spliceSender) SendFile(src File, off, n int64) error {
	if err := s.pipe.open(); err != nil {
		return err
	}
	if err := s.stage(); err != nil {
		return err
	}
	defer runtime.KeepAlive(src)
	fd := int(src.Fd())
	for n > 0 {
		if s.full(n) {
			if err := s.out.drain(&s.pipe); err != nil {
				return err
			}
		}
		want, got, err := s.load(fd, off, n)
		off += int64(got)
		n -= int64(got)
		if got == want {
			continue
		}
		// The pipe is fuller than it was counted to be, or the file has an
		// end or an error here. With the pipe empty the next call tells.
		if s.pipe.n == 0 {
			return s.giveUp(src, off, n, err)
		}
		if err := s.out.drain(&s.pipe); err != nil {
			return err
		}
	}
	return nil
}

// full reports whether the pipe has enough in it before the next pages of a
// body of which n bytes are left.
func (s *spliceSender) full(n int64) bool {
	return s.pipe.free() == 0 || n >= roundBytes && s.pipe.n >= roundBytes
}

// load splices the next pages of the file into the pipe, which is not full.
func (s *spliceSender) load(fd int, off, n int64) (want, got int, err error) {
	room := int64(s.pipe.free())*int64(pageSize) - off%int64(pageSize)
	if n >= roundBytes {
		room = min(room, int64(roundBytes-s.pipe.n))
	}
	want = int(min(n, room))
	s.out.off = off
	s.stats.Calls.Add(1)
	got, err = splice(fd, &s.out.off, s.pipe.w, nil, want)
	if got > 0 {
		s.pipe.put(got, pagesOf(off, got))
		s.stats.Splice.Add(int64(got))
	}
	return want, got, err
}

// giveUp puts the last n bytes of a body on the stream when splice with an
// empty pipe has returned err, or nothing.
func (s *spliceSender) giveUp(src File, off, n int64, err error) error {
	switch err {
	case nil:
		return s.pad(n, fileError("splice", src, off, io.ErrUnexpectedEOF))
	case unix.EINVAL, unix.EAGAIN:
		// EINVAL: the file system has no splice_read (before 6.5, some of
		// /proc). EAGAIN with room in the pipe: the file does not block.
		s.stats.Fallback("splice from file: " + unix.ErrnoName(err.(unix.Errno)))
		return s.copySender.SendFile(src, off, n)
	default:
		return s.pad(n, fileError("splice", src, off, err))
	}
}
