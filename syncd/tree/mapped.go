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
// Pages are mapped as they are looked at, some at a time: that costs half of having
// them mapped ahead. If the page cache lacks them the error is ErrNotCached: reading is faster then, for
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
	return m[into:], unmap, nil
}

// lookEvery is how far the pages lie apart that are looked for: what is not cached is
// rarely less, and a look at each page takes a tenth of the time of hashing it.
const lookEvery = 256 << 10

// cached reports whether a mapping is in the page cache, as far as some of its pages
// tell. To who may not know, the kernel says that it is.
func cached(m []byte) bool {
	var resident [1]byte
	for at := 0; at < len(m); at += lookEvery {
		_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&m[at])), 1, uintptr(unsafe.Pointer(&resident[0])))
		if errno != 0 || resident[0]&1 == 0 {
			return false
		}
	}
	return true
}
