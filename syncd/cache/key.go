package cache

import (
	"encoding/binary"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/seed9553035b/syncd/wire"
)

// ClockStep is how far apart two changes must be for every kernel to give them
// different times: file times advance with the timer interrupt, at least 100
// times a second, and twice as much for an interrupt that comes late.
const ClockStep = 20 * time.Millisecond

// Key says what a sum is of: a range of a version of a file, or all of it.
type Key struct {
	Dev     uint64 // of the directory
	Dir     uint64 // inode of the directory
	Name    string // in the directory
	Version wire.Version
	Alg     string // the digest's, or the one of a signature's blocks
	Off, N  int64  // the range of a digest, at most 4 GiB unless it is the file; 0 for a signature
	Block   int    // bytes, of a signature; 0 for a digest
}

// recordKey names a record. Its first half keeps the records of a directory
// together in the file.
type recordKey struct {
	dev, dir uint64
	name     uint64 // hash of the file's name; 0 for that of a directory
	what     uint64 // hash of the rest
}

// chunk is how much of a large file one record has the ranges of.
const chunk = 4 << 30

// record returns in which record the sum is, and under which tag.
func (k *Key) record() (r recordKey, tag uint64) {
	name := xxh3.HashString(k.Name)
	r = recordKey{dev: k.Dev, dir: k.Dir}
	var what [24]byte
	le := binary.LittleEndian
	le.PutUint64(what[:], xxh3.HashString(k.Alg))
	switch {
	case k.Block != 0:
		r.name = name
		le.PutUint64(what[8:], 1)
		le.PutUint64(what[16:], uint64(k.Block))
	case k.Off == 0 && k.N == k.Version.Size:
		tag = name
	default:
		r.name = name
		le.PutUint64(what[8:], 2)
		le.PutUint64(what[16:], uint64(k.Off/chunk))
		tag = uint64(k.Off%chunk)<<32 | uint64(uint32(k.N))
	}
	r.what = xxh3.Hash(what[:])
	return r, tag
}

// bytes is the record's key in the file.
func (r recordKey) bytes() []byte {
	be := binary.BigEndian
	b := be.AppendUint64(make([]byte, 0, 32), r.dev)
	b = be.AppendUint64(b, r.dir)
	b = be.AppendUint64(b, r.name)
	return be.AppendUint64(b, r.what)
}

// settled reports whether a change from now on would get another ctime.
func settled(v *wire.Version, now time.Time) bool {
	return now.Sub(time.Unix(v.Ctime.Sec, int64(v.Ctime.Nsec))) >= ClockStep
}
