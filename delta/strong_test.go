package delta

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/zeebo/xxh3"
)

// TestStrongSumSeeds spells the formulas out that the two dialects use.
func TestStrongSumSeeds(t *testing.T) {
	data := randomBytes(1, 3000)
	seed := []byte{0xfe, 0xff, 0xff, 0xff} // -2
	before := append(slices.Clone(seed), data...)
	behind := append(slices.Clone(data), seed...)
	const extended = 1<<64 - 2 // stock sign-extends
	wide := xxh3.Hash128Seed(data, extended)
	withSeed := xxhash.NewWithSeed(extended)
	withSeed.Write(data)
	le := binary.LittleEndian
	for _, c := range []struct {
		name string
		p    Params
		want []byte
	}{
		{"md5 fixed", Params{Strong: MD5, Seed: -2, SeedFirst: true}, MD5.Sum(nil, before)},
		{"md5 old", Params{Strong: MD5, Seed: -2}, MD5.Sum(nil, behind)},
		{"md5 unseeded", Params{Strong: MD5, SeedFirst: true}, MD5.Sum(nil, data)},
		{"md4 old", Params{Strong: MD4, Seed: -2}, MD4.Sum(nil, behind)},
		{"sha1", Params{Strong: SHA1, Seed: -2, SeedFirst: true}, SHA1.Sum(nil, before)},
		{"blake3", Params{Strong: BLAKE3, Seed: -2, SeedFirst: true}, BLAKE3.Sum(nil, before)},
		{"xxh128", Params{Strong: XXH3128, Seed: -2}, le.AppendUint64(le.AppendUint64(nil, wide.Lo), wide.Hi)},
		{"xxh128 unseeded", Params{Strong: XXH3128}, XXH3128.Sum(nil, data)},
		{"xxh3", Params{Strong: XXH364, Seed: -2}, le.AppendUint64(nil, xxh3.HashSeed(data, extended))},
		{"xxh64", Params{Strong: XXH64, Seed: -2}, le.AppendUint64(nil, withSeed.Sum64())},
		{"xxh64 unseeded", Params{Strong: XXH64}, XXH64.Sum(nil, data)},
	} {
		for _, n := range []int{1, 2, len(c.want) - 1, len(c.want)} {
			c.p.StrongLen = n
			s := newStrong(c.p)
			s.sum(before) // a sum must not depend on those before it
			if got := s.sum(data); !bytes.Equal(got, c.want[:n]) {
				t.Errorf("%s, %d bytes: %x, want %x", c.name, n, got, c.want)
			}
		}
	}
}

func TestStrongSumDoesNotAllocate(t *testing.T) {
	data := randomBytes(1, 4096)
	for a := range algorithms {
		s := newStrong(Params{Strong: a, StrongLen: a.Size(), Seed: 1})
		if n := testing.AllocsPerRun(10, func() { s.sum(data) }); n > 0 {
			t.Errorf("%v: %v allocations", a, n)
		}
	}
}
