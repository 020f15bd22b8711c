package delta

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"hash"

	"github.com/cespare/xxhash/v2"
	"github.com/zeebo/blake3"
	"github.com/zeebo/xxh3"
	"golang.org/x/crypto/md4"
)

// Algorithm names a strong hash. Its value is part of the encoding of a
// [Signature]: append new ones, never renumber.
type Algorithm uint8

// The algorithms. The zero value is the native dialect's default. MD4, MD5 and
// SHA1 are here for stock peers and defend against accidents only.
const (
	XXH3128 Algorithm = iota // XXH3 with 128 bits; LE64(low), LE64(high)
	XXH364                   // XXH3 with 64 bits; LE64
	XXH64                    // XXH64; LE64
	BLAKE3                   // BLAKE3 with 256 bits
	MD5
	MD4
	SHA1
	algorithms // how many there are
)

// algorithmInfo is indexed by Algorithm. The names are those of rsync's
// checksum negotiation where it has one.
var algorithmInfo = [algorithms]struct {
	name string
	size int
}{
	XXH3128: {"xxh128", 16},
	XXH364:  {"xxh3", 8},
	XXH64:   {"xxh64", 8},
	BLAKE3:  {"blake3", 32},
	MD5:     {"md5", md5.Size},
	MD4:     {"md4", md4.Size},
	SHA1:    {"sha1", sha1.Size},
}

// ParseAlgorithm returns the algorithm of that name: xxh128 (or xxh3-128),
// xxh3, xxh64 (or xxhash), blake3, md5, md4 or sha1.
func ParseAlgorithm(name string) (Algorithm, error) {
	switch name {
	case "xxh3-128":
		return XXH3128, nil
	case "xxhash": // stock's alias
		return XXH64, nil
	}
	for a := range algorithms {
		if algorithmInfo[a].name == name {
			return a, nil
		}
	}
	return 0, fmt.Errorf("unknown hash algorithm %q", name)
}

// String returns the name that rsync's negotiation uses, or blake3.
func (a Algorithm) String() string {
	if a >= algorithms {
		return fmt.Sprintf("algorithm(%d)", uint8(a))
	}
	return algorithmInfo[a].name
}

// Size returns the length of a digest in bytes, 0 for an unknown algorithm.
func (a Algorithm) Size() int {
	if a >= algorithms {
		return 0
	}
	return algorithmInfo[a].size
}

// New returns an unseeded hash. Its Sum appends the bytes that stock rsync puts
// on the wire, which for the XXH family is little-endian, not the canonical
// order. The algorithm must be a known one.
func (a Algorithm) New() hash.Hash {
	switch a {
	case XXH3128:
		return &xxh3128{Hasher: xxh3.New()}
	case XXH364:
		return &xxh364{Hasher: xxh3.New()}
	case XXH64:
		return &xxh64{Digest: xxhash.New()}
	case BLAKE3:
		return blake3.New()
	case MD5:
		return md5.New()
	case MD4:
		return md4.New()
	case SHA1:
		return sha1.New()
	}
	panic("delta: New of an unknown algorithm")
}

// Sum appends the unseeded digest of data to dst, in the byte order of New.
// Only MD4 allocates.
func (a Algorithm) Sum(dst, data []byte) []byte {
	switch a {
	case XXH3128:
		return appendUint128(dst, xxh3.Hash128(data))
	case XXH364:
		return binary.LittleEndian.AppendUint64(dst, xxh3.Hash(data))
	case XXH64:
		return binary.LittleEndian.AppendUint64(dst, xxhash.Sum64(data))
	case BLAKE3:
		sum := blake3.Sum256(data)
		return append(dst, sum[:]...)
	case MD5:
		sum := md5.Sum(data)
		return append(dst, sum[:]...)
	case SHA1:
		sum := sha1.Sum(data)
		return append(dst, sum[:]...)
	}
	h := a.New()
	h.Write(data)
	return h.Sum(dst)
}

// appendUint128 appends x in stock's order, low half first.
func appendUint128(dst []byte, x xxh3.Uint128) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(dst, x.Lo), x.Hi)
}

// xxh3128, xxh364 and xxh64 give the streaming hashes stock's byte order and
// digest length.
type (
	xxh3128 struct{ *xxh3.Hasher }
	xxh364  struct{ *xxh3.Hasher }
	xxh64   struct{ *xxhash.Digest }
)

// Size returns 16: the embedded hasher would answer for its 64-bit digest.
func (h *xxh3128) Size() int { return 16 }

// Sum appends the 128-bit digest.
func (h *xxh3128) Sum(dst []byte) []byte { return appendUint128(dst, h.Sum128()) }

// Sum appends the digest in little-endian order.
func (h *xxh364) Sum(dst []byte) []byte {
	return binary.LittleEndian.AppendUint64(dst, h.Sum64())
}

// Sum appends the digest in little-endian order.
func (h *xxh64) Sum(dst []byte) []byte {
	return binary.LittleEndian.AppendUint64(dst, h.Sum64())
}
