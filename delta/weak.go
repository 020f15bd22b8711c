package delta

import "encoding/binary"

// The weak sum of the signed bytes x[0] .. x[n-1] is
//
//	a = sum of x[i]             mod 2^16
//	b = sum of (n-i) * x[i]     mod 2^16
//	sum = a | b << 16
//
// and rolls one byte on: a += x[n] - x[0], then b += a - n*x[0].
// Mirrors checksum.c:get_checksum1 and match.c:hash_search.
//
// Halves are carried in a uint32 of which only the low 16 bits count.

// weakSum returns the weak sum of a whole block.
func weakSum(data []byte) uint32 {
	a, b := weakHalves(data)
	return a&0xffff | b<<16
}

// weakHalvesGo is weakHalves without vector instructions. It adds the biased
// bytes v = x + 128, eight at a time, in the 16-bit lanes of two words, and takes
// the bias out at the end.
func weakHalvesGo(data []byte) (a, b uint32) {
	n := uint32(len(data))
	for len(data) >= weakRun {
		ra, rb := weakRunGo((*[weakRun]byte)(data))
		b += rb + weakRun*a
		a += ra
		data = data[weakRun:]
	}
	for _, x := range data {
		a += uint32(x ^ 0x80)
		b += a
	}
	return a - 128*n, b - uint32(64*uint64(n)*uint64(n+1))
}

// weakRun is how many bytes weakRunGo takes at once. The greatest lane total is
// 255 * (1 + 2 + ... + 16) = 34680, so no lane overflows into its neighbour.
const weakRun = 128

// weakRunGo returns the sums of weakRun biased bytes.
func weakRunGo(data *[weakRun]byte) (a, b uint32) {
	const (
		bias = 0x8080808080808080
		even = 0x00ff00ff00ff00ff
	)
	// s sums the lanes, t sums s before each step: so t weighs a byte by the
	// number of words behind it.
	var s0, s1, t0, t1 uint64
	for i := 0; i < weakRun; i += 8 {
		w := binary.LittleEndian.Uint64(data[i:]) ^ bias
		t0 += s0
		t1 += s1
		s0 += w & even
		s1 += w >> 8 & even
	}
	b = 8 * (lanes(t0) + lanes(t1))
	for k := range uint32(4) { // byte i of a word weighs 8-i within it
		x, y := uint32(s0>>(16*k))&0xffff, uint32(s1>>(16*k))&0xffff
		a += x + y
		b += (8-2*k)*x + (7-2*k)*y
	}
	return a, b
}

// lanes adds the four 16-bit lanes of w.
func lanes(w uint64) uint32 {
	return uint32(w&0xffff) + uint32(w>>16&0xffff) + uint32(w>>32&0xffff) + uint32(w>>48)
}
