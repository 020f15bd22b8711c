package rsync

import (
	"encoding/binary"
	"sync"

	"github.com/seed9553035b/syncd/wire"
)

// tables hold what entries of a session share: ACLs, sets of attributes, names
// of ids. Packed entries refer to them. mu is held while something is added,
// by the one goroutine that reads or writes lists, and while others look.
type tables struct {
	mu     sync.RWMutex
	acls   [2][]acl // access, default
	xattrs []xattrSet
	users  idNames
	groups idNames
}

// Bits of a packed entry's first number.
const (
	packDir = 1 << iota // so that sorting need not unpack
	packTopDir
	packContent
	packMissing
	packRdev
	packTarget
	packLink
	packDigest
	packACL
	packXattrs
	packTimes
)

// pack appends an entry:
//
//	bits, length of name, name, mode, size, mtime, nanoseconds, uid, gid,
//	and what the bits announce
//
// All numbers are uvarints; times are zigzag.
func (t *tables) pack(b []byte, f *File) []byte {
	bits := uint64(0)
	set := func(on bool, bit uint64) {
		if on {
			bits |= bit
		}
	}
	set(f.IsDir(), packDir)
	set(f.TopDir, packTopDir)
	set(f.Content, packContent)
	set(f.Missing, packMissing)
	set(f.Rdev != 0, packRdev)
	set(f.Target != "", packTarget)
	set(f.Nlink > 1, packLink)
	set(len(f.Digest) > 0, packDigest)
	set(f.aclRef != [2]int{}, packACL)
	set(f.xattrRef != 0, packXattrs)
	set(f.Atime != 0 || f.Crtime != 0, packTimes)

	b = binary.AppendUvarint(b, bits)
	b = appendString(b, f.Name)
	for _, v := range [...]uint64{uint64(f.Mode), uint64(f.Size)} {
		b = binary.AppendUvarint(b, v)
	}
	b = binary.AppendVarint(b, f.Mtime.Sec)
	for _, v := range [...]uint32{f.Mtime.Nsec, f.UID, f.GID} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	if bits&packRdev != 0 {
		b = binary.AppendUvarint(b, f.Rdev)
	}
	if bits&packTarget != 0 {
		b = appendString(b, f.Target)
	}
	if bits&packLink != 0 {
		b = binary.AppendUvarint(binary.AppendUvarint(b, f.Dev), f.Ino)
	}
	if bits&packDigest != 0 {
		b = appendString(b, string(f.Digest))
	}
	if bits&packACL != 0 {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(f.aclRef[0])), uint64(f.aclRef[1]))
	}
	if bits&packXattrs != 0 {
		b = binary.AppendUvarint(b, uint64(f.xattrRef))
	}
	if bits&packTimes != 0 {
		b = binary.AppendVarint(binary.AppendVarint(b, f.Atime), f.Crtime)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// packed reads what pack wrote; it is never fed by a peer.
type packed []byte

func (p *packed) uint() uint64 {
	v, n := binary.Uvarint(*p)
	*p = (*p)[n:]
	return v
}

func (p *packed) int() int64 {
	v, n := binary.Varint(*p)
	*p = (*p)[n:]
	return v
}

func (p *packed) bytes() []byte {
	n := p.uint()
	s := (*p)[:n]
	*p = (*p)[n:]
	return s
}

// packedName returns the name of the entry that b starts with.
func packedName(b []byte) (name []byte, dir bool) {
	p := packed(b)
	dir = p.uint()&packDir != 0
	return p.bytes(), dir
}

// unpack fills f with the entry that b starts with.
// The shared parts of f must not be changed.
func (t *tables) unpack(f *File, b []byte) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p := packed(b)
	bits := p.uint()
	f.TopDir, f.Content, f.Missing = bits&packTopDir != 0, bits&packContent != 0, bits&packMissing != 0
	f.Name = string(p.bytes())
	f.Mode, f.Size = uint32(p.uint()), int64(p.uint())
	f.Mtime = wire.Time{Sec: p.int(), Nsec: uint32(p.uint())}
	f.UID, f.GID = uint32(p.uint()), uint32(p.uint())
	f.User, f.Group = t.users.names[f.UID], t.groups.names[f.GID]
	f.Nlink = 1
	if bits&packRdev != 0 {
		f.Rdev = p.uint()
	}
	if bits&packTarget != 0 {
		f.Target = string(p.bytes())
	}
	if bits&packLink != 0 {
		f.Dev, f.Ino, f.Nlink = p.uint(), p.uint(), 2
	}
	if bits&packDigest != 0 {
		f.Digest = append([]byte(nil), p.bytes()...)
	}
	if bits&packACL != 0 {
		f.aclRef = [2]int{int(p.uint()), int(p.uint())}
		t.expandACLs(f)
	}
	if bits&packXattrs != 0 {
		f.xattrRef = int(p.uint())
		f.Xattrs, f.Abbrev = t.xattrs[f.xattrRef-1].attrs, t.xattrs[f.xattrRef-1].abbrev
	}
	if bits&packTimes != 0 {
		f.Atime, f.Crtime = p.int(), p.int()
	}
}
