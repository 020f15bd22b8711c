package native

import (
	"encoding/binary"
	"hash"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
)

// DigestLen is the length of a directory's digest in bytes.
const DigestLen = 16

// MaxSameNames is how many names a directory has at most for its sink to ask
// whether it is the same: its entries mostly fit into one page.
const MaxSameNames = 1024

// DirDigest is the digest of a directory's entries by what a sink can make
// equal, protocol.md part 4. Entries are added in the order of their names. Its
// encoding leaves nothing to chance: two lists of entries have the same one only
// if they are equal in all of it.
type DirDigest struct {
	h     hash.Hash
	links bool
	buf   []byte
}

// NewDirDigest returns the digest of no entries yet. h is the session's digest.
func NewDirDigest(h hash.Hash) *DirDigest { return &DirDigest{h: h} }

// maxKeptBuf is how large a buffer is kept for the next directory, in bytes: one
// with large attributes is rare.
const maxKeptBuf = 256 << 10

// Reset begins a directory that is listed for want.
func (d *DirDigest) Reset(want uint8) {
	if cap(d.buf) > maxKeptBuf {
		d.buf = nil
	}
	d.buf, d.links = d.buf[:0], want&WantLinks != 0
}

// Len is how many bytes the entries that were added take, encoded, in memory.
func (d *DirDigest) Len() int { return len(d.buf) }

// Add adds an entry.
func (d *DirDigest) Add(e *wire.Entry) {
	le := binary.LittleEndian
	b := appendStr8(d.buf, e.Name)
	b = le.AppendUint32(b, e.Mode)
	b = le.AppendUint64(b, uint64(e.Mtime.Sec))
	b = le.AppendUint32(b, e.Mtime.Nsec)
	b = appendOwner(b, e.UID, e.User)
	b = appendOwner(b, e.GID, e.Group)
	if d.links && !e.IsDir() {
		b = le.AppendUint32(b, e.Nlink)
	}
	switch e.Type() {
	case unix.S_IFREG:
		b = le.AppendUint64(b, uint64(e.Size))
	case unix.S_IFLNK:
		b = appendText(b, e.Target)
	case unix.S_IFBLK, unix.S_IFCHR:
		b = le.AppendUint64(b, e.Rdev)
	}
	b = le.AppendUint32(b, uint32(len(e.Xattrs)))
	for _, x := range e.Xattrs {
		b = appendStr8(b, x.Name)
		b = appendText(b, string(x.Value))
	}
	b = appendACL(b, e.ACL)
	d.buf = appendACL(b, e.DefaultACL)
}

// appendOwner writes a name or, if it is unknown, a number.
func appendOwner(b []byte, id uint32, name string) []byte {
	if b = appendStr8(b, name); name == "" {
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	return b
}

// Sum returns the digest of what was added since Reset.
func (d *DirDigest) Sum() (sum [DigestLen]byte) {
	d.h.Reset()
	_, _ = d.h.Write(d.buf) // a hash takes everything
	copy(sum[:], d.h.Sum(nil))
	return sum
}
