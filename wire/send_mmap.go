package wire

import (
	"io"
	"runtime"

	"golang.org/x/sys/unix"
)

// mmapWindow is how much of a file is mapped at a time.
const mmapWindow = 4 << 20

// mmapCalls are those of a window beside its writes: mmap(2), munmap(2), and
// fstat(2) before and after.
const mmapCalls = 4

// mmapSender is the sending half that writes from a mapping of the file.
//
// User space never touches the mapping, so there is no SIGBUS: where the file
// was truncated, write(2) returns EFAULT.
type mmapSender struct {
	copySender
	out *kernelWriter
}

func (s *mmapSender) SendFile(src File, off, n int64) error {
	if err := s.flushAhead(s.out); err != nil {
		return err
	}
	defer runtime.KeepAlive(src)
	for n > 0 {
		start := off &^ int64(pageSize-1)
		end := min(off+n, start+mmapWindow)
		k, err := s.sendWindow(src, start, off, end)
		off += k
		n -= k
		if fe, ok := err.(*FileError); ok && n > 0 {
			return s.pad(n, fe)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sendWindow sends bytes [off, end) from a mapping that begins at start, and
// returns how many it has put on the stream.
func (s *mmapSender) sendWindow(src File, start, off, end int64) (int64, error) {
	fd := int(src.Fd())
	if off < 0 {
		return 0, fileError("mmap", src, off, unix.EINVAL)
	}
	s.stats.Calls.Add(mmapCalls)
	m, err := unix.Mmap(fd, start, int(end-start), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		// ENODEV: the file system has no mmap. Others show in pread too.
		s.stats.Fallback("mmap: refused")
		return end - off, s.copySender.SendFile(src, off, end-off)
	}
	defer func() { _ = unix.Munmap(m) }() // it was mapped just now
	if err := s.Flush(); err != nil {
		return 0, err
	}

	done, limit := off, min(end, sizeOf(fd))
	var failed *FileError
	for done < limit && failed == nil {
		s.out.buf = m[done-start : limit-start]
		k, refused, err := s.out.step(callWrite, len(s.out.buf))
		s.out.buf = nil
		switch {
		case err != nil:
			return done - off, err
		case refused == unix.EFAULT:
			failed = fileError("mmap", src, done, io.ErrUnexpectedEOF)
		case refused != nil:
			return done - off, streamError("write", refused)
		}
		s.stats.Mmap.Add(int64(k))
		done += int64(k)
	}
	// A file that ends within the last page reads as zeros up to the page's
	// end, with no fault to tell. Its size does.
	if failed == nil && sizeOf(fd) < end {
		failed = fileError("mmap", src, done, io.ErrUnexpectedEOF)
	}
	if failed != nil {
		return done - off, failed
	}
	return done - off, nil
}

// sizeOf returns the size of the file, 0 if that cannot be had.
func sizeOf(fd int) int64 {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	return st.Size
}
