package delta

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// naiveWeak is the definition, in arithmetic that cannot overflow.
func naiveWeak(data []byte) uint32 {
	var a, b int64
	for i, x := range data {
		a += int64(int8(x))
		b += int64(len(data)-i) * int64(int8(x))
	}
	return uint32(uint16(a)) | uint32(uint16(b))<<16
}

// extremes are contents that reach the greatest and least lane totals.
func extremes(n int) map[string][]byte {
	fill := func(x byte) []byte {
		return slices.Repeat([]byte{x}, n)
	}
	return map[string][]byte{
		"random": randomBytes(uint64(n), n), "zeros": fill(0), "127": fill(127), "-128": fill(128), "-1": fill(255),
	}
}

// TestWeakSumVectors has values worked out by hand.
func TestWeakSumVectors(t *testing.T) {
	for _, c := range []struct {
		data []byte
		want uint32
	}{
		{nil, 0},
		{[]byte{1}, 0x00010001},
		{[]byte{0xff}, 0xffffffff},       // -1 each
		{[]byte{0x80, 0x7f}, 0xff7fffff}, // -1 and 2*-128 + 127 = -129
		{[]byte("abc"), 0x024a0126},      // 294 and 3*97 + 2*98 + 99 = 586
		{make([]byte, 1000), 0},
	} {
		if got := weakSum(c.data); got != c.want {
			t.Errorf("%x: %#08x, want %#08x", c.data, got, c.want)
		}
	}
}

func TestWeakSumEqualsNaiveTwin(t *testing.T) {
	for _, n := range []int{0, 1, 7, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 700, 2048, 32768, 131071, 1 << 20} {
		for name, data := range extremes(n) {
			want := naiveWeak(data)
			if got := weakSum(data); got != want {
				t.Errorf("%d bytes of %s: %#x, want %#x", n, name, got, want)
			}
			a, b := weakHalvesGo(data)
			if got := a&0xffff | b<<16; got != want {
				t.Errorf("%d bytes of %s, scalar: %#x, want %#x", n, name, got, want)
			}
		}
	}
}

// filterOf returns a filter made for a number of blocks, with these sums.
func filterOf(blocks int, sums ...uint32) *filter {
	f := new(filter)
	f.size(blocks)
	for _, weak := range sums {
		f.add(weak)
	}
	return f
}

// filterSizes are numbers of blocks around those at which the narrow table grows.
var filterSizes = []int{0, 1, 1 << 13, 1<<13 + 1, 1 << 14, 1<<15 + 1, 1 << 16, 1<<16 + 1, 1 << 30}

// passes lists what a sweep found.
func passes(s *sweep, f *filter) (found []string) {
	for _, i := range s.passed(f) {
		found = append(found, fmt.Sprintf("%d:%08x", i, s.weak(int(i))))
	}
	return found
}

// TestSweepFindsEverySum enters the sums of all positions, so all must pass.
func TestSweepFindsEverySum(t *testing.T) {
	for _, n := range []int{64, 65, 700, 4096} {
		for name, data := range extremes(n + batch + 1) {
			for _, m := range []int{1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, batch - 64, batch - 1, batch} {
				f := filterOf(m)
				var want []string
				for i := range m {
					weak := naiveWeak(data[i+1:][:n])
					f.add(weak)
					want = append(want, fmt.Sprintf("%d:%08x", i, weak))
				}
				a, b := weakHalves(data[:n])
				var s sweep
				endA, endB := s.run(f, data[:m], data[n:n+m], uint32(n), a, b)
				if got := passes(&s, f); !slices.Equal(got, want) {
					t.Fatalf("%s, window %d, %d positions: %v, want %v", name, n, m, got, want)
				}
				if got, want := endA&0xffff|endB<<16, naiveWeak(data[m:][:n]); got != want {
					t.Fatalf("%s, window %d, %d positions: ends with %#x, want %#x", name, n, m, got, want)
				}
			}
		}
	}
}

// naiveSweep returns the sums behind each step, by their definition.
func naiveSweep(out, in []byte, n, weak uint32) (sums []uint32) {
	a, b := int64(weak&0xffff), int64(weak>>16)
	for i := range out {
		a += int64(int8(in[i])) - int64(int8(out[i]))
		b += a - int64(n)*int64(int8(out[i]))
		sums = append(sums, uint32(uint16(a))|uint32(uint16(b))<<16)
	}
	return sums
}

// TestSweepFormsListWhatTheirTableHas starts anywhere, with windows of any length
// and filters of any density, and compares each form with the table it asks.
func TestSweepFormsListWhatTheirTableHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := uint32(rapid.IntRange(1, MaxBlock).Draw(t, "n"))
		m := rapid.OneOf(rapid.IntRange(0, batch), rapid.SampledFrom([]int{63, 64, 65, batch - 1, batch})).Draw(t, "m")
		weak := rapid.Uint32().Draw(t, "weak")
		data := randomBytes(uint64(rapid.IntRange(0, 1<<16-1).Draw(t, "content")), 2*batch)
		if rapid.Bool().Draw(t, "extreme") {
			for i := range data {
				data[i] = 0x7f + data[i]&1
			}
		}
		out, in := data[:m], data[batch:][:m]
		sums := naiveSweep(out, in, n, weak)

		f := filterOf(rapid.SampledFrom(filterSizes).Draw(t, "blocks"))
		all := rapid.IntRange(0, 3).Draw(t, "all") == 0
		for i, sum := range sums {
			if all || data[i]&31 == 0 {
				f.add(sum)
			}
		}
		for i := range uint32(rapid.SampledFrom([]int{0, 1 << 10, 1 << 14}).Draw(t, "others")) {
			f.add(i * weakMultiplier)
		}
		check := func(form string, s *sweep, upTo int, has func(uint32) bool, a, b uint32) {
			last, listed := weak, s.list[:s.n]
			for i, sum := range sums[:upTo] {
				last = sum
				if has(sum) != (len(listed) > 0 && int(listed[0]) == i) {
					t.Fatalf("%s: at %d of %d, with %08x in the filter %v, lists %v", form, i, upTo, sum, has(sum), listed)
				}
				if has(sum) {
					if s.weak(i) != sum {
						t.Fatalf("%s: sum at %d of %d is %08x, want %08x", form, i, upTo, s.weak(i), sum)
					}
					listed = listed[1:]
				}
			}
			if len(listed) > 0 || a&0xffff|b<<16 != last {
				t.Fatalf("%s: ends %d positions with %04x %04x and lists %v, want %08x", form, upTo, uint16(a), uint16(b), listed, last)
			}
		}
		var vector, scalar sweep
		a, b := weak&0xffff, weak>>16
		k := vector.vector(f, out, in, n, &a, &b)
		if k != 0 && k != m&^63 {
			t.Fatalf("the vector form does %d of %d", k, m)
		}
		check("vector", &vector, k, f.hasNarrow, a, b)
		a, b = scalar.scalar(f, 0, out, in, n, weak&0xffff, weak>>16)
		check("scalar", &scalar, m, f.hasWide, a, b)
	})
}

func TestFilterHoldsWhatWasAdded(t *testing.T) {
	sums := []uint32{0, 1, 0xffffffff, 0x80008000}
	for _, blocks := range filterSizes {
		f := filterOf(blocks, sums...)
		for _, weak := range sums {
			if !f.has(weak) || !f.hasNarrow(weak) {
				t.Errorf("%d blocks: %#x is not in the filter", blocks, weak)
			}
		}
		if f.has(2) || f.hasNarrow(2) || f.has(0x00010000) {
			t.Errorf("%d blocks: the filter holds sums that were not added", blocks)
		}
		f.remove(sums)
		if *f != (filter{}) {
			t.Errorf("%d blocks: the filter is not empty after all sums are removed", blocks)
		}
		f.size(blocks)
		f.add(5)
		f.remove(append(make([]uint32, firstWords/8), 5))
		if *f != (filter{}) {
			t.Errorf("%d blocks: the filter is not empty after many sums are removed", blocks)
		}
	}
}

// TestNarrowTableHasAWordForEachBlock as long as there are as many words.
func TestNarrowTableHasAWordForEachBlock(t *testing.T) {
	for blocks, words := range map[int]int{
		0: 1 << 13, 1: 1 << 13, 1 << 13: 1 << 13, 1<<13 + 1: 1 << 14, 1 << 14: 1 << 14, 1<<14 + 1: 1 << 15,
		1 << 16: 1 << 16, 1<<16 + 1: 1 << 16, 1 << 30: 1 << 16,
	} {
		if f := filterOf(blocks); firstWords>>f.shift != words {
			t.Errorf("%d blocks: %d words, want %d", blocks, firstWords>>f.shift, words)
		}
	}
}
