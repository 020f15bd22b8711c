package delta

import "math/bits"

// Tuning of the filter. Its first table takes 256 KiB, half of the smallest L2
// that is still common, and nothing of its layout depends on the number of blocks,
// so that a probe is a load and a bit test. With 32768 blocks (a file of 1 GiB) one
// position in 64 passes it by chance, and one in 2000 the second table as well.
// From a million blocks on (1 TiB) most pass, and a search is as slow as the index.
const (
	firstWords  = 1 << 16
	secondShift = 17 // leaves the 15 bits that pick one of secondWords
	secondWords = 1 << (32 - secondShift)
)

// filter tells most weak sums of other data from those of the signature's blocks.
// In its first table the half b of a sum picks a word and the half a a bit of it;
// in the second, a hash of the sum does.
type filter struct {
	first  [firstWords]uint32
	second [secondWords]uint32
}

// add enters a weak sum.
func (f *filter) add(weak uint32) {
	f.first[weak>>16] |= 1 << (weak & 31)
	h := weak * weakMultiplier
	f.second[h>>secondShift] |= 1 << (h & 31)
}

// remove empties a filter to which nothing but these was added.
func (f *filter) remove(weak []uint32) {
	if len(weak) > firstWords/8 {
		*f = filter{}
		return
	}
	for _, w := range weak {
		f.first[w>>16] = 0
		f.second[w*weakMultiplier>>secondShift] = 0
	}
}

// has reports whether the weak sum may have been added.
func (f *filter) has(weak uint32) bool {
	return f.first[weak>>16]&(1<<(weak&31)) != 0 && f.hasSecond(weak)
}

// hasSecond asks the second table only.
func (f *filter) hasSecond(weak uint32) bool {
	h := weak * weakMultiplier
	return f.second[h>>secondShift]&(1<<(h&31)) != 0
}

// batch is how many positions a sweep covers. The vector form loses some 20 ns at
// both ends of a batch; a match makes at most a batch in vain, half a microsecond.
const batch = 1024

// sweep is the result of rolling a window over a batch of positions: which pass
// the filter's first table, and the weak sums there.
type sweep struct {
	hits [batch / 64]uint64 // bit i%64 of word i/64 is set if position i passes
	a, b [batch]uint16      // halves of the sum at each position that passes
}

// run rolls a window of n bytes on by m = len(out) positions, at most a batch. Its
// sum's halves are a and b; out holds the bytes that leave it, in those that
// enter. Position i is that behind i+1 steps. It returns the halves at the last.
func (s *sweep) run(f *filter, out, in []byte, n, a, b uint32) (uint32, uint32) {
	clear(s.hits[:])
	k := s.vector(f, out, in, n, &a, &b)
	return s.scalar(f, k, out[k:], in[k:], n, a, b)
}

// scalar does the work of run, without vector instructions, for positions from k
// on.
func (s *sweep) scalar(f *filter, k int, out, in []byte, n, a, b uint32) (uint32, uint32) {
	for {
		var i int
		i, a, b = passing(f, out, in, n, a, b)
		if i < 0 {
			return a, b
		}
		k += i
		s.hits[k/64] |= 1 << (k % 64)
		s.a[k], s.b[k] = uint16(a), uint16(b)
		k, out, in = k+1, out[i+1:], in[i+1:]
	}
}

// passing returns the first position that passes the first table, or -1, and the
// halves there or at the end. It is a function of its own since the compiler then
// moves the rare case out of the loop.
func passing(f *filter, out, in []byte, n, a, b uint32) (int, uint32, uint32) {
	in = in[:len(out)]
	for i := range out {
		x := uint32(int8(out[i]))
		a += uint32(int8(in[i])) - x
		b += a - n*x
		if f.first[uint16(b)]&(1<<(a&31)) != 0 {
			return i, a, b
		}
	}
	return -1, a, b
}

// next returns the first position at or behind i that passes the whole filter, and
// its weak sum.
func (s *sweep) next(f *filter, i int) (pos int, weak uint32, ok bool) {
	for k := i / 64; k < len(s.hits); k++ {
		for hits := s.hits[k] >> (i % 64) << (i % 64); hits != 0; hits &= hits - 1 {
			i = 64*k + bits.TrailingZeros64(hits)
			if weak = uint32(s.a[i]) | uint32(s.b[i])<<16; f.hasSecond(weak) {
				return i, weak, true
			}
		}
		i = 0
	}
	return 0, 0, false
}
