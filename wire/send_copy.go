package wire

import (
	"io"
)

// The sizes of a half's buffer. A half that copies bodies has a large one; a
// half whose bodies go by the kernel needs it for messages.
const (
	copyBufSize    = 256 << 10
	messageBufSize = 64 << 10
)

// copySender is the sending half that copies: pread(2) into the buffer behind
// what is pending, so that small files and messages share a write. The other
// senders build on it: their messages wait in its buffer, and files that
// their mechanism is refused for go its way.
type copySender struct {
	w     io.Writer // writes all or fails
	size  int       // capacity of buf
	buf   []byte    // pending bytes, allocated at first use
	stats *Stats
}

func (s *copySender) release() {}

// room returns the free part of the buffer. It flushes first if less than
// want is free and the buffer is more than half full.
func (s *copySender) room(want int64) ([]byte, error) {
	if s.buf == nil {
		s.buf = make([]byte, 0, s.size)
	}
	free := cap(s.buf) - len(s.buf)
	if int64(free) < want && len(s.buf) > cap(s.buf)/2 {
		if err := s.Flush(); err != nil {
			return nil, err
		}
	}
	return s.buf[len(s.buf):cap(s.buf)], nil
}

func (s *copySender) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		b, err := s.room(int64(len(p) - done))
		if err != nil {
			return done, err
		}
		n := copy(b, p[done:])
		s.buf = s.buf[:len(s.buf)+n]
		done += n
	}
	return done, nil
}

func (s *copySender) Flush() error {
	if len(s.buf) == 0 {
		return nil
	}
	_, err := s.w.Write(s.buf)
	s.buf = s.buf[:0]
	return err
}

func (s *copySender) SendFile(src File, off, n int64) error {
	for n > 0 {
		b, err := s.room(n)
		if err != nil {
			return err
		}
		s.stats.Calls.Add(1)
		k, readErr := src.ReadAt(b[:min(int64(len(b)), n)], off)
		s.buf = s.buf[:len(s.buf)+k]
		s.stats.User.Add(int64(k))
		off += int64(k)
		n -= int64(k)
		if readErr != nil && n > 0 {
			if readErr == io.EOF {
				readErr = io.ErrUnexpectedEOF
			}
			return s.pad(n, fileError("pread", src, off, readErr))
		}
	}
	return nil
}

// pad sends n zeros in place of what a source failed to give, and returns
// failed, or the error that ends the connection.
func (s *copySender) pad(n int64, failed *FileError) error {
	s.stats.User.Add(n)
	for n > 0 {
		b, err := s.room(n)
		if err != nil {
			return err
		}
		k := min(int64(len(b)), n)
		clear(b[:k])
		s.buf = s.buf[:len(s.buf)+int(k)]
		n -= k
	}
	return failed
}
