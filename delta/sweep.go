package delta

import "math/bits"

// Tuning of the filter. Rolling is bound by the loads from its first table. The
// wide form of that is 256 KiB, half of the smallest L2 cache that is still common.
// The narrow one has a word or two for each block, so it is 32 KiB, and in L1, for
// up to 16384 blocks (a file of 256 MiB). With 32768 blocks (1 GiB) one position in
// 40 passes the narrow one by chance, one in 64 the wide one, and one in 60 of these
// the second table. From a million blocks on (1 TiB) most pass, and a search is as
// slow as the index.
const (
	halfBits    = 16
	firstWords  = 1 << halfBits
	leastBits   = 13 // of a narrow table: a smaller one gains nothing
	secondShift = 16 // leaves the 16 bits that pick one of secondWords
	secondWords = 1 << (32 - secondShift)
)

// filter tells most weak sums of other data from those of the signature's blocks.
// In its first table the half b of a sum picks a word and the half a its bits; in
// the second, a hash of the sum does. The first table has two forms: a wide one
// from which the least instructions tell whether a bit is set, and a narrow one for
// vector instructions. The zero value is an empty filter.
type filter struct {
	shift  uint32 // leaves the bits of b that pick a word of narrow
	narrow [firstWords]uint16
	wide   [firstWords]uint32
	second [secondWords]uint32
}

// size makes an empty filter fit for a number of blocks. It need not be exact.
func (f *filter) size(blocks int) {
	f.shift = uint32(halfBits - max(leastBits, min(halfBits, bits.Len(uint(max(blocks-1, 0))))))
}

// narrowMask returns the two bits that stand for the half a in a word of the narrow
// table: one in each byte, picked by the lowest bits of a's own bytes, since a
// shuffle of bytes finds both at once.
func narrowMask(a uint32) uint16 {
	return 1<<(a&7) | 0x100<<(a>>8&7)
}

// add enters a weak sum.
func (f *filter) add(weak uint32) {
	f.narrow[weak>>16>>f.shift] |= narrowMask(weak)
	f.wide[weak>>16] |= 1 << (weak & 31)
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
		f.narrow[w>>16>>f.shift] = 0
		f.wide[w>>16] = 0
		f.second[w*weakMultiplier>>secondShift] = 0
	}
	f.shift = 0
}

// has reports whether the weak sum may have been added.
func (f *filter) has(weak uint32) bool {
	return f.hasWide(weak) && f.hasSecond(weak)
}

// hasNarrow asks the narrow form of the first table only.
func (f *filter) hasNarrow(weak uint32) bool {
	m := narrowMask(weak)
	return f.narrow[weak>>16>>f.shift]&m == m
}

// hasWide asks the wide form of the first table only.
func (f *filter) hasWide(weak uint32) bool {
	return f.wide[weak>>16]&(1<<(weak&31)) != 0
}

// hasSecond asks the second table only.
func (f *filter) hasSecond(weak uint32) bool {
	h := weak * weakMultiplier
	return f.second[h>>secondShift]&(1<<(h&31)) != 0
}

// batch is how many positions a sweep covers. The vector form loses some 30 ns at
// both ends of a batch; a match makes at most a batch in vain, half a microsecond.
const batch = 1024

// few is how many hits of 64 positions the vector form lists without asking whether
// there are as many: a branch that is often mispredicted costs more.
const few = 3

// sweep is the result of rolling a window over a batch of positions: which pass
// a form of the filter's first table, and the weak sums there.
type sweep struct {
	a, b  [batch]uint16 // at slot(i), halves of the sum at each position i that passes
	words [batch]uint16 // of the vector form: where in the narrow table, then what is there
	n     int           // how many positions pass
	list  [batch + few]uint16
}

// slot returns where in a and b position i is: of each group of 32 positions the
// even ones come first. That is how vectors of 16-bit lanes get them from bytes.
func slot(i int) int {
	return i&^31 | i&1<<4 | i>>1&15
}

// run rolls a window of n bytes on by m = len(out) positions, at most a batch. Its
// sum's halves are a and b; out holds the bytes that leave it, in those that
// enter. Position i is that behind i+1 steps. It returns the halves at the last.
func (s *sweep) run(f *filter, out, in []byte, n, a, b uint32) (uint32, uint32) {
	s.n = 0
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
		s.a[slot(k)], s.b[slot(k)] = uint16(a), uint16(b)
		s.list[s.n] = uint16(k)
		s.n++
		k, out, in = k+1, out[i+1:], in[i+1:]
	}
}

// passing returns the first position that passes the wide table, or -1, and the
// halves there or at the end. It is a function of its own, and not made part of its
// caller, since the compiler then has registers enough for the loop.
//
//go:noinline
func passing(f *filter, out, in []byte, n, a, b uint32) (int, uint32, uint32) {
	in = in[:len(out)]
	for i := range out {
		x := uint32(int8(out[i]))
		a += uint32(int8(in[i])) - x
		b += a - n*x
		if f.wide[uint16(b)]&(1<<(a&31)) != 0 {
			return i, a, b
		}
	}
	return -1, a, b
}

// passed returns the positions that pass the second table as well, in order. It is
// called once for each run, and what it returns is valid until the next.
func (s *sweep) passed(f *filter) []uint16 {
	k := 0
	for _, i := range s.list[:s.n] {
		if f.hasSecond(s.weak(int(i))) {
			s.list[k] = i
			k++
		}
	}
	return s.list[:k]
}

// weak returns the weak sum at a position that passes.
func (s *sweep) weak(i int) uint32 {
	i = slot(i) % batch
	return uint32(s.a[i]) | uint32(s.b[i])<<16
}
