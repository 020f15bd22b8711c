package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// ErrTimeout reports that one direction of a Conn made no progress for
// Options.Timeout.
var ErrTimeout = errors.New("no I/O within the timeout")

// FileError reports that a file failed while its stream stayed in step: the
// run can go on without the file.
type FileError struct {
	Op   string // the call that failed: "splice", "pread", "pwrite", ...
	Path string // the file's name, as its File knows it
	Off  int64  // the offset that Op was at
	Err  error  // an errno, or io.ErrUnexpectedEOF for a source that is short
}

func (e *FileError) Error() string {
	return fmt.Sprintf("%s %s at %d: %v", e.Op, e.Path, e.Off, e.Err)
}

// Unwrap returns Err.
func (e *FileError) Unwrap() error { return e.Err }

// fileError returns a FileError for f, taking the errno out of an
// *os.PathError, whose path and operation it repeats.
func fileError(op string, f File, off int64, err error) *FileError {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		err = pe.Err
	}
	return &FileError{Op: op, Path: f.Name(), Off: off, Err: err}
}

// streamError names the operation on the stream that ended a half, and maps
// what the runtime says of deadlines and of closed descriptors to this
// package's sentinels. io.EOF stays as it is: it is Read's clean end.
func streamError(op string, err error) error {
	switch {
	case err == nil || err == io.EOF:
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = ErrTimeout
	case errors.Is(err, os.ErrClosed):
		err = net.ErrClosed
	}
	return fmt.Errorf("wire: %s: %w", op, err)
}
