package rsync

import (
	"encoding/binary"
	"fmt"
	"hash"

	"github.com/seed9553035b/syncd/delta"
)

// A Checksum is a hash by its name in the negotiation. The zero value is
// "none", whose sum is one zero byte.
type Checksum struct {
	alg delta.Algorithm
	set bool
	// old is MD4 as protocols 27 to 29 use it: the seed goes before the file.
	old bool
}

// ChecksumNames are what this package offers, best first. "md4" is not among
// them, and taken only where it is asked for by name: builds of stock disagree
// on where the seed of its block sums goes. Peers that do find no blocks in
// common, and send files whole.
var ChecksumNames = []string{"xxh128", "xxh3", "xxh64", "md5", "sha1", "none"}

// ParseChecksum returns the checksum of that name (checksum.c:parse_csum_name).
func ParseChecksum(name string) (Checksum, error) {
	if name == "none" {
		return Checksum{}, nil
	}
	alg, err := delta.ParseAlgorithm(name)
	if err != nil || alg == delta.BLAKE3 {
		return Checksum{}, fmt.Errorf("%w: checksum %q", ErrUnsupported, name)
	}
	return Checksum{alg: alg, set: true}, nil
}

// defaultChecksum is the one that is not negotiated.
func defaultChecksum(protocol int) Checksum {
	if protocol >= 30 {
		return Checksum{alg: delta.MD5, set: true}
	}
	return Checksum{alg: delta.MD4, set: true, old: true}
}

// Algorithm returns the hash for delta, and whether there is one: "none" has
// no block sums, all files go whole.
func (c Checksum) Algorithm() (alg delta.Algorithm, ok bool) { return c.alg, c.set }

// SeedFirst reports whether the seed of a block sum goes before the data
// where it is hashed as bytes (checksum.c:get_checksum2).
func (c Checksum) SeedFirst(compat Compat) bool {
	switch c.alg {
	case delta.MD5:
		return compat&SeedFix != 0
	case delta.MD4:
		return false
	}
	return true
}

// Size returns the length of a digest in bytes.
func (c Checksum) Size() int {
	if !c.set {
		return 1
	}
	return c.alg.Size()
}

// NewFile returns a hash for a whole file behind its tokens. seed is the
// session's (checksum.c:sum_init).
func (c Checksum) NewFile(seed int32) hash.Hash {
	if !c.set {
		return noHash{}
	}
	h := c.alg.New()
	c.Restart(h, seed)
	return h
}

// Restart makes of a hash from NewFile one for the next file.
func (c Checksum) Restart(h hash.Hash, seed int32) {
	h.Reset()
	if c.old {
		h.Write(binary.LittleEndian.AppendUint32(nil, uint32(seed)))
	}
}

// NewList returns a hash for the file list of --checksum, unseeded
// (checksum.c:file_checksum).
func (c Checksum) NewList() hash.Hash {
	c.old = false
	return c.NewFile(0)
}

// String returns the name in the negotiation.
func (c Checksum) String() string {
	if !c.set {
		return "none"
	}
	return c.alg.String()
}

// noHash is the sum of "none": one zero byte for every content.
type noHash struct{}

func (noHash) Write(p []byte) (int, error) { return len(p), nil }
func (noHash) Sum(b []byte) []byte         { return append(b, 0) }
func (noHash) Reset()                      {}
func (noHash) Size() int                   { return 1 }
func (noHash) BlockSize() int              { return 1 }
