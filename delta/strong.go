package delta

import (
	"encoding/binary"
	"hash"

	"github.com/cespare/xxhash/v2"
	"github.com/zeebo/xxh3"
)

// strong computes the strong sums of blocks for one goroutine.
type strong struct {
	params Params
	hash   hash.Hash      // for all but the XXH family
	xxh64  *xxhash.Digest // for XXH64, which has no seeded one-shot form
	seed   [4]byte
	out    []byte
}

func newStrong(p Params) *strong {
	s := &strong{params: p, out: make([]byte, 0, p.Strong.Size())}
	switch p.Strong {
	case XXH3128, XXH364:
	case XXH64:
		s.xxh64 = xxhash.New()
	default:
		s.hash = p.Strong.New()
		binary.LittleEndian.PutUint32(s.seed[:], uint32(p.Seed))
	}
	return s
}

// sum returns the StrongLen bytes of data's strong sum, valid until the next call.
// Mirrors checksum.c:get_checksum2.
func (s *strong) sum(data []byte) []byte {
	p := &s.params
	switch p.Strong {
	case XXH3128:
		s.out = appendUint128(s.out[:0], xxh3.Hash128Seed(data, uint64(p.Seed)))
	case XXH364:
		s.out = binary.LittleEndian.AppendUint64(s.out[:0], xxh3.HashSeed(data, uint64(p.Seed)))
	case XXH64:
		s.xxh64.ResetWithSeed(uint64(p.Seed))
		_, _ = s.xxh64.Write(data) // never fails
		s.out = binary.LittleEndian.AppendUint64(s.out[:0], s.xxh64.Sum64())
	default:
		s.hash.Reset()
		if p.Seed != 0 && p.SeedFirst {
			s.hash.Write(s.seed[:])
		}
		s.hash.Write(data)
		if p.Seed != 0 && !p.SeedFirst {
			s.hash.Write(s.seed[:])
		}
		s.out = s.hash.Sum(s.out[:0])
	}
	return s.out[:p.StrongLen]
}

// alone reports whether the strong sum is both cheap and long enough to judge a
// block without looking at its weak sum first.
func (p Params) alone() bool {
	return (p.Strong == XXH3128 || p.Strong == XXH364) && p.StrongLen >= 8
}
