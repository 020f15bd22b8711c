package wire

import (
	"io"
	"sync"
)

// A File is a regular file that bodies come from or go to: an *os.File, or what
// costs less to open. Fd is valid until the file is closed, which is not done
// during a call.
//
// One that is a sync.Locker too is locked while it is written to. That is for files
// that several goroutines write: the kernel lets one of them write at a time, and has
// the others spin.
type File interface {
	io.ReaderAt
	io.WriterAt
	Fd() uintptr
	Name() string // for messages
}

// lock locks a file, if it has a lock, and returns what unlocks it.
func lock(dst File) sync.Locker {
	l, ok := dst.(sync.Locker)
	if !ok {
		return unlocked{}
	}
	l.Lock()
	return l
}

// WriteAt writes p to dst at off, with the lock that dst may have. Its error is a
// *FileError.
func WriteAt(dst File, p []byte, off int64) error {
	defer lock(dst).Unlock()
	if n, err := dst.WriteAt(p, off); err != nil {
		return fileError("pwrite", dst, off+int64(n), err)
	}
	return nil
}

// unlocked is the lock of a file that has none.
type unlocked struct{}

func (unlocked) Lock()   {}
func (unlocked) Unlock() {}
