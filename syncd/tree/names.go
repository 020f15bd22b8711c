package tree

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Names is the sorted list of the names in a directory. It costs 7 bytes and
// the name itself for each entry, in two allocations. A string that Name
// returned keeps the whole list in memory.
type Names struct {
	// slab has for each name its length (2 bytes, little-endian: vfat and FUSE
	// have names above 255 bytes), its d_type (1 byte) and its bytes.
	slab      []byte
	at        []uint32 // where each name's record begins, in the order of names
	leftovers []string
}

const nameHeader = 3

// The layout of struct linux_dirent64, getdents64(2).
const (
	direntReclen = 16
	direntType   = 18
	direntName   = 19
)

// buffers are for getdents64 and for xattrs, whose names and values are both
// at most 64 KiB (linux/limits.h).
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// Names lists the directory. Names that IsStagingName knows are kept apart.
func (d *Dir) Names() (*Names, error) {
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	d.list.Lock()
	defer d.list.Unlock()
	if _, err := unix.Seek(d.fd, 0, unix.SEEK_SET); err != nil {
		return nil, d.fail("list", ".", err)
	}
	n := new(Names)
	for {
		size, err := unix.Getdents(d.fd, buf[:])
		if err == unix.EINTR {
			continue
		}
		if err == nil && size > 0 {
			err = n.add(buf[:size])
		}
		if err != nil {
			return nil, d.fail("list", ".", err)
		}
		if size == 0 {
			break
		}
	}
	slices.SortFunc(n.at, func(a, b uint32) int {
		return strings.Compare(n.name(a), n.name(b))
	})
	slices.Sort(n.leftovers)
	return n, nil
}

// add takes over the names of a buffer that getdents64 filled.
func (n *Names) add(dirents []byte) error {
	if n.slab == nil {
		n.slab = make([]byte, 0, len(dirents))
	}
	for len(dirents) > direntName {
		reclen := int(binary.NativeEndian.Uint16(dirents[direntReclen:]))
		if reclen <= direntName || reclen > len(dirents) {
			return unix.EIO
		}
		name := dirents[direntName:reclen]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			name = name[:end]
		}
		typ := dirents[direntType]
		dirents = dirents[reclen:]
		switch {
		case string(name) == "." || string(name) == "..":
			continue
		case isStagingName(name):
			n.leftovers = append(n.leftovers, string(name))
			continue
		case len(n.slab) > math.MaxUint32-nameHeader-math.MaxUint16:
			return unix.EOVERFLOW
		}
		n.at = append(n.at, uint32(len(n.slab)))
		n.slab = append(n.slab, byte(len(name)), byte(len(name)>>8), typ)
		n.slab = append(n.slab, name...)
	}
	return nil
}

// name returns the name of the record at offset at. It shares the slab, which
// nobody writes to after the listing.
func (n *Names) name(at uint32) string {
	size := int(n.slab[at]) | int(n.slab[at+1])<<8
	if size == 0 {
		return ""
	}
	return unsafe.String(&n.slab[at+nameHeader], size)
}

// Len returns the number of names.
func (n *Names) Len() int { return len(n.at) }

// Name returns the i-th name in the order of bytes.
func (n *Names) Name(i int) string { return n.name(n.at[i]) }

// Type returns the d_type of the i-th name: unix.DT_REG, ..., or
// unix.DT_UNKNOWN on file systems that do not say.
func (n *Names) Type(i int) uint8 { return n.slab[n.at[i]+2] }

// Search returns where name is, or would be, and whether it is there.
func (n *Names) Search(name string) (int, bool) {
	return slices.BinarySearchFunc(n.at, name, func(at uint32, name string) int {
		return strings.Compare(n.name(at), name)
	})
}

// Leftovers returns the staging names in the directory, sorted. Some may
// belong to runs that are alive.
func (n *Names) Leftovers() []string { return n.leftovers }
