package delta

import (
	"bytes"
	"cmp"
	"math/bits"
	"slices"
	"sort"
	"sync"
)

// index finds the blocks of a signature by their sums. It is immutable.
//
// order lists the full-length blocks bucket by bucket, and within a bucket by
// weak sum, strong sum and number. Blocks with the same sums, a group, are thus
// neighbours, and both the search for a weak sum and that for a strong sum among
// equal weak sums are binary: a chain of equal weak sums costs its logarithm, so
// it needs no cap, and the blocks of a repetitive file are one group. The short
// last block is not listed.
type index struct {
	*Signature
	block int64
	full  int // number of full-length blocks
	short int // length of the last block if it is shorter, else 0

	origin int64 // offset of the first block, if the signature is that of a part

	filter *filter
	shift  uint32   // turns a hash into a bucket
	start  []uint32 // bucket k is order[start[k]:start[k+1]]
	order  []uint32
	group  []uint32 // block -> index in order of its group's first block
}

// at returns the full-length block that the signed file has at that offset, or -1.
func (ix *index) at(off int64) int {
	off -= ix.origin
	if off < 0 || off%ix.block != 0 || off/ix.block >= int64(ix.full) {
		return -1
	}
	return int(off / ix.block)
}

// newIndex returns the index of a signature. Its user releases it.
func newIndex(sig *Signature) *index {
	ix := &index{Signature: sig, block: int64(sig.params.Block)}
	ix.full, ix.short = sig.full()
	ix.filter = filters.Get().(*filter)
	ix.filter.size(ix.full)
	ix.fillBuckets()
	for k := range len(ix.start) - 1 {
		ix.sortBucket(ix.order[ix.start[k]:ix.start[k+1]])
	}
	ix.group = make([]uint32, ix.full)
	for i, block := range ix.order {
		g := uint32(i)
		if i > 0 && ix.compare(ix.order[i-1], block) == 0 {
			g = ix.group[ix.order[i-1]]
		}
		ix.group[block] = g
	}
	return ix
}

// filters holds empty filters: zeroing a new one costs more than searching a
// small file.
var filters = sync.Pool{New: func() any { return new(filter) }}

// release ends the use of the index.
func (ix *index) release() {
	ix.filter.remove(ix.weak[:ix.full])
	filters.Put(ix.filter)
	ix.filter = nil
}

// fillBuckets sorts the blocks into buckets by counting, one bucket or two for
// each block. Within a bucket it keeps their order.
func (ix *index) fillBuckets() {
	log := bits.Len(uint(ix.full))
	ix.shift = uint32(32 - log)
	ix.start = make([]uint32, 1<<log+1)
	ix.order = make([]uint32, ix.full)
	for _, weak := range ix.weak[:ix.full] {
		ix.filter.add(weak)
		ix.start[ix.bucket(weak)+1]++
	}
	for k := range len(ix.start) - 1 {
		ix.start[k+1] += ix.start[k]
	}
	next := slices.Clone(ix.start)
	for i, weak := range ix.weak[:ix.full] {
		k := ix.bucket(weak)
		ix.order[next[k]] = uint32(i)
		next[k]++
	}
}

// weakMultiplier spreads weak sums, whose halves are far from uniform: 2^32
// divided by the golden ratio (Knuth, TAOCP 6.4).
const weakMultiplier = 0x9e3779b1

func (ix *index) bucket(weak uint32) uint32 {
	return weak * weakMultiplier >> ix.shift
}

// sortBucket sorts blocks by weak sum, strong sum and number. Equal ones come in
// order already, so a file of one repeated block costs a linear pass.
func (ix *index) sortBucket(blocks []uint32) {
	if len(blocks) < 2 {
		return
	}
	slices.SortFunc(blocks, func(x, y uint32) int {
		return cmp.Or(ix.compare(x, y), cmp.Compare(x, y))
	})
}

// compare orders two blocks by their sums.
func (ix *index) compare(x, y uint32) int {
	if c := cmp.Compare(ix.weak[x], ix.weak[y]); c != 0 {
		return c
	}
	return bytes.Compare(ix.Strong(int(x)), ix.Strong(int(y)))
}

// withWeak returns the blocks that have this weak sum.
func (ix *index) withWeak(weak uint32) []uint32 {
	k := ix.bucket(weak)
	blocks := ix.order[ix.start[k]:ix.start[k+1]]
	lo := sort.Search(len(blocks), func(i int) bool { return ix.weak[blocks[i]] >= weak })
	blocks = blocks[lo:]
	hi := sort.Search(len(blocks), func(i int) bool { return ix.weak[blocks[i]] > weak })
	return blocks[:hi]
}

// withStrong returns the first of blocks, which have equal weak sums, that has
// this strong sum.
func (ix *index) withStrong(blocks []uint32, sum []byte) (block int, ok bool) {
	i := sort.Search(len(blocks), func(i int) bool {
		return bytes.Compare(ix.Strong(int(blocks[i])), sum) >= 0
	})
	if i == len(blocks) || !bytes.Equal(ix.Strong(int(blocks[i])), sum) {
		return 0, false
	}
	return int(blocks[i]), true
}

// same reports whether two blocks have the same content, as far as sums tell.
func (ix *index) same(x, y int) bool {
	return x == y || x < ix.full && y < ix.full && ix.group[x] == ix.group[y]
}

// sameFrom returns the first block at or behind from that is the same as the
// full-length block, by number.
func (ix *index) sameFrom(block, from int) (found int, ok bool) {
	g := ix.group[block]
	members := ix.order[g:]
	i := sort.Search(len(members), func(i int) bool {
		m := members[i]
		return ix.group[m] != g || int(m) >= from
	})
	if i == len(members) || ix.group[members[i]] != g {
		return 0, false
	}
	return int(members[i]), true
}
