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

// filterOf returns a filter with these sums.
func filterOf(sums ...uint32) *filter {
	f := new(filter)
	for _, weak := range sums {
		f.add(weak)
	}
	return f
}

// passes lists what a sweep found.
func passes(s *sweep, f *filter) (found []string) {
	for i, weak, ok := s.next(f, 0); ok; i, weak, ok = s.next(f, i+1) {
		found = append(found, fmt.Sprintf("%d:%08x", i, weak))
	}
	return found
}

// TestSweepFindsEverySum enters the sums of all positions, so all must pass.
func TestSweepFindsEverySum(t *testing.T) {
	for _, n := range []int{64, 65, 700, 4096} {
		for name, data := range extremes(n + batch + 1) {
			for _, m := range []int{1, 15, 16, 17, 63, 64, 65, 255, batch - 1, batch} {
				f := new(filter)
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

// TestSweepTwinsAgree compares the vector form with the scalar one, with a
// filter that lets some positions pass.
func TestSweepTwinsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{64, 65, 127, 1000}).Draw(t, "n")
		m := rapid.IntRange(0, batch).Draw(t, "m")
		data := randomBytes(uint64(rapid.IntRange(0, 1<<16-1).Draw(t, "content")), n+batch)
		f := new(filter)
		for range rapid.IntRange(0, 40).Draw(t, "blocks") {
			f.add(naiveWeak(data[rapid.IntRange(0, batch).Draw(t, "at"):][:n]))
		}
		a, b := weakHalves(data[:n])
		var vector, scalar sweep
		a1, b1 := vector.run(f, data[:m], data[n:n+m], uint32(n), a, b)
		a2, b2 := scalar.scalar(f, 0, data[:m], data[n:n+m], uint32(n), a, b)
		if uint16(a1) != uint16(a2) || uint16(b1) != uint16(b2) {
			t.Fatalf("vector ends with %x %x, scalar with %x %x", a1, b1, a2, b2)
		}
		if v, s := passes(&vector, f), passes(&scalar, f); !slices.Equal(v, s) || vector.hits != scalar.hits {
			t.Fatalf("vector found %v, scalar %v", v, s)
		}
	})
}

func TestFilterHoldsWhatWasAdded(t *testing.T) {
	f := filterOf(0, 1, 0xffffffff, 0x80008000)
	for _, weak := range []uint32{0, 1, 0xffffffff, 0x80008000} {
		if !f.has(weak) {
			t.Errorf("%#x is not in the filter", weak)
		}
	}
	if f.has(2) || f.has(0x00010000) {
		t.Error("the filter holds sums that were not added")
	}
	f.remove([]uint32{0, 1, 0xffffffff, 0x80008000})
	if *f != (filter{}) {
		t.Error("the filter is not empty after all sums are removed")
	}
	f.add(5)
	f.remove(append(make([]uint32, firstWords/8), 5))
	if *f != (filter{}) {
		t.Error("the filter is not empty after many sums are removed")
	}
}
