package tree

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrNotCached says that a range of a file would have to be read from the disk.
var ErrNotCached = errors.New("not in the page cache")

// Map shows n bytes from off where the page cache has them, until unmap is called.
// If it lacks some of them the error is ErrNotCached: reading is faster then, for
// only there the kernel reads ahead in large folios. What the file does not have,
// because it is shorter or its disk fails, faults when it is looked at.
func (f *File) Map(off int64, n int) (data []byte, unmap func(), err error) {
	into := int(off % int64(os.Getpagesize()))
	m, err := unix.Mmap(f.num(), off-int64(into), into+n, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, f.fail("map", err)
	}
	unmap = func() { _ = unix.Munmap(m) }
	if !cached(m) {
		unmap()
		return nil, nil, f.fail("map", ErrNotCached)
	}
	// A hint, which spares a fault for each page.
	_ = unix.Madvise(m, unix.MADV_POPULATE_READ)
	return m[into:], unmap, nil
}

// cached reports whether all pages of a mapping are in the page cache. To who may
// not know, the kernel says so.
func cached(m []byte) bool {
	page := os.Getpagesize()
	resident := make([]byte, (len(m)+page-1)/page)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), uintptr(unsafe.Pointer(&resident[0])))
	if errno != 0 {
		return false
	}
	for _, r := range resident {
		if r&1 == 0 {
			return false
		}
	}
	return true
}
