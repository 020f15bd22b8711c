package tree

import (
	"errors"
	"io"
	"io/fs"
	"iter"

	"golang.org/x/sys/unix"
)

// An Extent is a range of a file that is all data or all hole.
type Extent struct {
	Off, Len int64 // bytes
	Hole     bool
}

// Extents yields the extents of f from off to off+n, in order, without gaps
// and not beyond that range. A file that ends before is io.ErrUnexpectedEOF.
// A file system that does not know holes has none. An error is the last pair
// and comes with the part of the range that is left. It moves f's own offset.
//
// Data once found is not asked for again: the end of it may be far away, and the page
// cache all that says where (tmpfs, blocks of XFS that are allocated and not written). A
// hole that somebody else makes in it is data that reads as zeros.
func Extents(f *File, off, n int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		end := off + n
		if off < 0 || n < 0 || end < off {
			yield(Extent{Off: off, Len: n}, &fs.PathError{Op: "seek", Path: f.Name(), Err: unix.EINVAL})
			return
		}
		for off < end {
			x, err := nextExtent(f, off, end)
			if !yield(x, err) || err != nil {
				return
			}
			off += x.Len
		}
	}
}

// nextExtent returns the extent at off, cut at end.
func nextExtent(f *File, off, end int64) (Extent, error) {
	x := Extent{Off: off, Len: end - off}
	if d := f.data.Load(); d != nil && off >= d.Off && off < d.Off+d.Len {
		x.Len = min(d.Off+d.Len, end) - off
		return x, nil
	}
	data, err := f.seek(off, unix.SEEK_DATA)
	switch {
	case err == nil && data > off:
		x.Hole, x.Len = true, min(data, end)-off
		return x, nil
	case errors.Is(err, unix.ENXIO): // no data from here to the end of the file
		x.Hole = true
		return x, longEnough(f, end)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return x, longEnough(f, end) // holes are not known here
	case err != nil:
		return x, err
	}
	hole, err := f.seek(off, unix.SEEK_HOLE)
	if err != nil && !errors.Is(err, unix.ENXIO) { // ENXIO: truncated just now
		return x, err
	}
	if err != nil || hole <= off {
		return x, longEnough(f, end)
	}
	f.data.Store(&Extent{Off: off, Len: hole - off})
	x.Len = min(hole, end) - off
	return x, nil
}

// seek is lseek(2) for SEEK_DATA and SEEK_HOLE.
func (f *File) seek(off int64, whence int) (at int64, err error) {
	err = retry(func() error {
		at, err = unix.Seek(f.num(), off, whence)
		return err
	})
	if err != nil {
		return 0, f.fail("seek", err)
	}
	return at, nil
}

// longEnough tells an extent that ends with the file from one beyond it.
func longEnough(f *File, end int64) error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	if size < end {
		return &fs.PathError{Op: "seek", Path: f.Name(), Err: io.ErrUnexpectedEOF}
	}
	return nil
}

// zeros is what Punch writes where it can not punch.
var zeros [64 << 10]byte

// Punch makes the n bytes of f from off a hole, so far as the file reaches,
// and does not change its size. Where the file system has no holes it writes
// zeros.
func Punch(f *File, off, n int64) error {
	if n == 0 {
		return nil // EINVAL for fallocate(2)
	}
	f.data.Store(nil)
	const mode = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	err := retry(func() error { return unix.Fallocate(f.num(), mode, off, n) })
	switch err {
	case nil:
		return nil
	case unix.EOPNOTSUPP, unix.ENOSYS: // vfat, NFS before 4.2, old FUSE
		return writeZeros(f, off, n)
	}
	return &fs.PathError{Op: "punch", Path: f.Name(), Err: err}
}

func writeZeros(f *File, off, n int64) error {
	size, err := f.Size()
	if err != nil {
		return err
	}
	for end := min(off+n, size); off < end; {
		k, err := f.WriteAt(zeros[:min(int64(len(zeros)), end-off)], off)
		if err != nil {
			return err
		}
		off += int64(k)
	}
	return nil
}
