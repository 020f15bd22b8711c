//go:build !purego

package delta

import "golang.org/x/sys/cpu"

// hasAVX2 is whether the vector forms can run, with the few bit instructions that
// the sweep has besides. It includes that the kernel saves the vector registers.
var hasAVX2 = cpu.X86.HasAVX2 && cpu.X86.HasBMI1 && cpu.X86.HasPOPCNT

// weakHalves returns the halves of a block's weak sum.
func weakHalves(data []byte) (a, b uint32) {
	if !hasAVX2 {
		return weakHalvesGo(data)
	}
	n := len(data) &^ 31
	if n > 0 {
		a, b = weakHalvesAVX2(&data[0], n)
	}
	for _, x := range data[n:] {
		a += uint32(int8(x))
		b += a
	}
	return a, b
}

// vector does the work of run for as many positions, from the first on, as it
// returns, and moves a and b there.
func (s *sweep) vector(f *filter, out, in []byte, n uint32, a, b *uint32) int {
	m := len(out) &^ 63
	if !hasAVX2 || m == 0 {
		return 0
	}
	in = in[:m]
	_, _ = s.a[m-1], s.words[m-1] // the assembly checks nothing
	s.n = sweepAVX2(s, f, &out[0], &in[0], m, uint16(n), uint16(*a), uint16(*b))
	*a, *b = uint32(s.a[m-1]), uint32(s.b[m-1])
	return m
}

// weakHalvesAVX2 returns the halves of the weak sum of n bytes, n a positive
// multiple of 32.
//
//go:noescape
func weakHalvesAVX2(data *byte, n int) (a, b uint32)

// sweepAVX2 stores the halves of the weak sum at m positions, m a positive multiple
// of 64, lists those that pass the narrow table, and returns how many they are.
//
//go:noescape
func sweepAVX2(s *sweep, f *filter, out, in *byte, m int, n, a, b uint16) int
