package delta

import (
	"fmt"
	"math"
	"math/bits"
)

// Limits of a signature, checked wherever one enters the package.
const (
	// MinBlock keeps the number of matches in a segment, and so the memory of a
	// search, bounded whatever a peer asks for.
	MinBlock = 64

	// MaxBlock bounds a search's buffers, which hold a few blocks. Both dialects'
	// own rules stay far below it.
	MaxBlock = 16 << 20

	// MaxBlocks bounds the arrays of a signature and of its index (about 30
	// bytes for a block). Stock's default --max-alloc of 1 GiB ends a little below.
	MaxBlocks = 1 << 25
)

// The native dialect's choices.
const (
	minNativeBlock = 2 << 10
	maxNativeBlock = 1 << 20
)

// Stock's choices, from rsync.h.
const (
	stockBlock        = 700     // BLOCK_SIZE
	maxStockBlock     = 1 << 17 // MAX_BLOCK_SIZE
	stockSumBias      = 10      // BLOCKSUM_BIAS
	minStockStrongLen = 2       // SHORT_SUM_LENGTH
	maxStockStrongLen = 16      // SUM_LENGTH
)

// Params say how a file is cut into blocks and how a block's strong sum is
// made. The weak sum is always stock's.
type Params struct {
	Block     int       // bytes of a block, MinBlock to MaxBlock
	Strong    Algorithm // hash of a block
	StrongLen int       // bytes kept of it, 1 to Strong.Size()

	// Seed is stock's checksum seed; 0 means unseeded. The XXH family takes it
	// sign-extended as its own seed, the others hash its four little-endian
	// bytes with the data: before it if SeedFirst (stock's CHKSUM_SEED_FIX, and
	// SHA1), else behind it.
	Seed      int32
	SeedFirst bool
}

// NativeParams returns the native dialect's parameters for a file of that size:
// blocks of BlockSize(size), and strong sums that are whole, since they alone say
// that a block is what it should be.
func NativeParams(size int64, strong Algorithm) Params {
	return Params{Block: BlockSize(size), Strong: strong, StrongLen: strong.Size()}
}

// BlockSize returns the native block size: the greatest power of two not above
// sqrt(size), from 2 KiB (up to 16 MiB) to 1 MiB (from 1 TiB). The square root
// balances a signature's length against the bytes that an edit drags along; a
// power of two divides a segment and is a multiple of a file system's block as
// soon as that matters, so unmoved blocks can be reflinked.
func BlockSize(size int64) int {
	if size <= minNativeBlock*minNativeBlock {
		return minNativeBlock
	}
	return min(1<<((bits.Len64(uint64(size))-1)/2), maxNativeBlock)
}

// StockBlockSize returns the block size that stock's generator would choose:
// 700 up to 490000 bytes, then sqrt(size) rounded down to a multiple of 8, at
// most 128 KiB. Mirrors generator.c:sum_sizes_sqroot.
func StockBlockSize(size int64) int {
	if size <= stockBlock*stockBlock {
		return stockBlock
	}
	root := int64(math.Sqrt(float64(size)))
	for root*root > size { // float64 has 53 bits, a size has 63
		root--
	}
	return int(min(max(root&^7, stockBlock), maxStockBlock))
}

// StockStrongLen returns how many bytes of a strong sum stock's generator sends
// in its first phase, for a basis of size bytes in blocks of block bytes and a
// digest of digestLen bytes. Mirrors generator.c:sum_sizes_sqroot.
func StockStrongLen(size int64, block, digestLen int) int {
	b := stockSumBias + 2*log2(uint64(max(size, 0))) - log2(uint64(max(block, 0)))
	n := (b + 1 - 32 + 7) / 8 // 32 bits are in the weak sum
	return min(max(n, minStockStrongLen), maxStockStrongLen, digestLen)
}

// log2 returns floor(log2 x), and 0 for 0.
func log2(x uint64) int {
	return max(bits.Len64(x)-1, 0)
}

// blocks returns into how many blocks p cuts a file of that size.
func (p Params) blocks(size int64) (int, error) {
	switch {
	case p.Block < MinBlock || p.Block > MaxBlock:
		return 0, fmt.Errorf("%w: block size %d is not in %d..%d", ErrParams, p.Block, MinBlock, MaxBlock)
	case p.Strong >= algorithms:
		return 0, fmt.Errorf("%w: unknown hash %v", ErrParams, p.Strong)
	case p.StrongLen < 1 || p.StrongLen > p.Strong.Size():
		return 0, fmt.Errorf("%w: %d bytes of %v", ErrParams, p.StrongLen, p.Strong)
	case size < 0:
		return 0, fmt.Errorf("%w: file size %d", ErrParams, size)
	}
	n := size / int64(p.Block)
	if size%int64(p.Block) != 0 {
		n++
	}
	if n > MaxBlocks {
		return 0, fmt.Errorf("%w: %d bytes in blocks of %d are more than %d blocks", ErrParams, size, p.Block, MaxBlocks)
	}
	return int(n), nil
}
