package delta

import (
	"errors"
	"math"
	"testing"
)

func TestBlockSize(t *testing.T) {
	for _, c := range []struct {
		size int64
		want int
	}{
		{0, 2 << 10}, {1, 2 << 10}, {4<<20 - 1, 2 << 10}, {4 << 20, 2 << 10}, {16<<20 - 1, 2 << 10},
		{16 << 20, 4 << 10}, {64<<20 - 1, 4 << 10}, {64 << 20, 8 << 10},
		{1<<30 - 1, 16 << 10}, {1 << 30, 32 << 10}, {1<<30 + 1, 32 << 10},
		{1<<40 - 1, 512 << 10}, {1 << 40, 1 << 20}, {math.MaxInt64, 1 << 20},
	} {
		if got := BlockSize(c.size); got != c.want {
			t.Errorf("BlockSize(%d) = %d, want %d", c.size, got, c.want)
		}
	}
}

func TestStockBlockSize(t *testing.T) {
	for _, c := range []struct {
		size int64
		want int
	}{
		{0, 700}, {490000, 700}, {490001, 700}, {704*704 - 1, 700}, {704 * 704, 704}, {704*704 + 1, 704},
		{1 << 30, 32768}, {1<<30 - 1, 32760}, {1 << 34, 131072}, {1<<34 - 1, 131064}, {math.MaxInt64, 131072},
	} {
		if got := StockBlockSize(c.size); got != c.want {
			t.Errorf("StockBlockSize(%d) = %d, want %d", c.size, got, c.want)
		}
	}
}

func TestStockStrongLen(t *testing.T) {
	for _, c := range []struct {
		size          int64
		block, digest int
		want          int
	}{
		{0, 700, 16, 2}, {1000, 700, 16, 2}, {490000, 700, 16, 2},
		{1 << 20, 1024, 16, 2}, // 10 + 40 - 10 - 24 = 16 bits
		{1 << 22, 2048, 16, 2}, // 19 bits
		{1 << 30, 32768, 16, 3},
		{1 << 40, 131072, 16, 6},
		{math.MaxInt64, 700, 16, 12}, {math.MaxInt64, 1, 16, 13}, {math.MaxInt64, 1, 8, 8}, {-1, -1, 16, 2},
	} {
		if got := StockStrongLen(c.size, c.block, c.digest); got != c.want {
			t.Errorf("StockStrongLen(%d, %d, %d) = %d, want %d", c.size, c.block, c.digest, got, c.want)
		}
	}
}

func TestParamsLimits(t *testing.T) {
	good := Params{Block: 1024, Strong: MD5, StrongLen: 16}
	with := func(change func(*Params)) Params {
		p := good
		change(&p)
		return p
	}
	for _, c := range []struct {
		name   string
		p      Params
		size   int64
		blocks int // -1 for an error
	}{
		{"empty", good, 0, 0},
		{"one byte", good, 1, 1},
		{"one block", good, 1024, 1},
		{"one byte more", good, 1025, 2},
		{"least block", with(func(p *Params) { p.Block = MinBlock }), MinBlock, 1},
		{"block too small", with(func(p *Params) { p.Block = MinBlock - 1 }), 1, -1},
		{"greatest block", with(func(p *Params) { p.Block = MaxBlock }), MaxBlock + 1, 2},
		{"block too large", with(func(p *Params) { p.Block = MaxBlock + 1 }), 1, -1},
		{"negative block", with(func(p *Params) { p.Block = -1024 }), 1, -1},
		{"no strong sum", with(func(p *Params) { p.StrongLen = 0 }), 1, -1},
		{"strong sum too long", with(func(p *Params) { p.StrongLen = 17 }), 1, -1},
		{"unknown hash", with(func(p *Params) { p.Strong = algorithms }), 1, -1},
		{"negative size", good, -1, -1},
		{"most blocks", good, 1024 * MaxBlocks, MaxBlocks},
		{"too many blocks", good, 1024*MaxBlocks + 1, -1},
		{"greatest size", good, math.MaxInt64, -1},
	} {
		got, err := c.p.blocks(c.size)
		if c.blocks < 0 && !errors.Is(err, ErrParams) || c.blocks >= 0 && (err != nil || got != c.blocks) {
			t.Errorf("%s: %d blocks, %v; want %d", c.name, got, err, c.blocks)
		}
	}
}

func TestNativeParamsAreValid(t *testing.T) {
	for _, size := range []int64{0, 1, 1 << 20, 1 << 40, 16 << 40} {
		if _, err := NativeParams(size, XXH3128).blocks(size); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}
