package wire

import "io"

// A File is a regular file that bodies come from or go to: an *os.File, or what
// costs less to open. Fd is valid until the file is closed, which is not done
// during a call.
type File interface {
	io.ReaderAt
	io.WriterAt
	Fd() uintptr
	Name() string // for messages
}
