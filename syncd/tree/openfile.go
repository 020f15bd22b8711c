package tree

import (
	"io"
	"io/fs"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
)

// A File is an open regular file. An [os.File] asks the kernel for the flags of
// its fd and has itself closed with the garbage: for a small file that is a tenth
// of all that is done about it. This one is its owner's to close, as a [Dir] is;
// nobody closes it under a call.
type File struct {
	fd   atomic.Int64 // -1 when it is closed: every later call fails with EBADF
	dir  *Dir
	name string
	perm uint32 // what Create was asked for
	made bool   // by Create, and not changed since

	data atomic.Pointer[Extent] // that Extents found last, as far as it goes
}

var _ wire.File = (*File)(nil)

// file makes the File of fd, which it takes over.
func (d *Dir) file(fd int, name string) *File {
	f := &File{dir: d, name: name}
	f.fd.Store(int64(fd))
	return f
}

// Fd returns the descriptor.
func (f *File) Fd() uintptr { return uintptr(f.fd.Load()) }

func (f *File) num() int { return int(f.fd.Load()) }

// Name returns the path of the file relative to the root, for messages.
func (f *File) Name() string { return f.dir.join(f.name) }

func (f *File) fail(op string, err error) error {
	return &fs.PathError{Op: op, Path: f.Name(), Err: err}
}

// ReadAt implements [io.ReaderAt].
func (f *File) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m := 0
		err := retry(func() (err error) {
			m, err = unix.Pread(f.num(), p[n:], off+int64(n))
			return err
		})
		switch {
		case err != nil:
			return n, f.fail("read", err)
		case m == 0:
			return n, io.EOF
		}
		n += m
	}
	return n, nil
}

// WriteAt implements [io.WriterAt].
func (f *File) WriteAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		m := 0
		err := retry(func() (err error) {
			m, err = unix.Pwrite(f.num(), p[n:], off+int64(n))
			return err
		})
		switch {
		case err != nil:
			return n, f.fail("write", err)
		case m == 0:
			return n, f.fail("write", io.ErrUnexpectedEOF)
		}
		n += m
	}
	return n, nil
}

// Size returns the length of the file in bytes.
func (f *File) Size() (int64, error) {
	var st unix.Statx_t
	if err := statAt(f.num(), "", &st); err != nil {
		return 0, f.fail("stat", err)
	}
	return int64(st.Size), nil
}

// Truncate changes the length of the file to size bytes.
func (f *File) Truncate(size int64) error {
	f.data.Store(nil)
	if err := retry(func() error { return unix.Ftruncate(f.num(), size) }); err != nil {
		return f.fail("truncate", err)
	}
	return nil
}

// Sync writes the file to its disk.
func (f *File) Sync() error {
	if err := retry(func() error { return unix.Fsync(f.num()) }); err != nil {
		return f.fail("fsync", err)
	}
	return nil
}

// Close closes the file. Only the first call does.
func (f *File) Close() error {
	if err := unix.Close(int(f.fd.Swap(-1))); err != nil {
		return f.fail("close", err)
	}
	return nil
}
