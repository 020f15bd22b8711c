package syncd

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/wire/native"
)

// TestWhatNobodyCheckedIsWrong verifies a file of copies whose signature is gone.
func TestWhatNobodyCheckedIsWrong(t *testing.T) {
	k, j := &sink{}, &job{mixed: true}
	j.entry.Size = 100
	bad := k.verify(context.Background(), j)
	if want := []native.Range{{N: 100}}; !slices.Equal(bad, want) || j.mixed || !j.taken {
		t.Errorf("%v is wrong, want %v; mixed %t, taken %t", bad, want, j.mixed, j.taken)
	}
}

// TestLostRangesJoin has what is wrong in a row take the memory of one range.
func TestLostRangesJoin(t *testing.T) {
	w := &partBuilder{builder: &builder{}}
	for off := range int64(1000) {
		w.lost(off, 1)
	}
	w.lost(2000, 5)
	w.lost(0, 7)
	if want := []native.Range{{N: 1000}, {Off: 2000, N: 5}, {N: 7}}; !slices.Equal(w.bad, want) {
		t.Errorf("noted %v, want %v", w.bad, want)
	}
}

// TestCheckerFindsEachWrongBlock writes blocks in pieces of several lengths, right
// ones and wrong ones.
func TestCheckerFindsEachWrongBlock(t *testing.T) {
	const block, size = 1000, 10_300
	rnd := rand.NewChaCha8([32]byte{1})
	data := make([]byte, size)
	_, _ = rnd.Read(data)
	for _, alg := range []delta.Algorithm{delta.XXH3128, delta.BLAKE3} {
		p := delta.Params{Block: block, Strong: alg, StrongLen: alg.Size()}
		sig, err := delta.Sign(context.Background(), bytes.NewReader(data), size, p, delta.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range []int{1, 7, block - 1, block, block + 1, 3 * block, size} {
			for _, start := range []int{0, 3 * block, 10 * block} {
				for _, bad := range []int{-1, 0, 2999, 3000, 9999, 10_000, size - 1} {
					got := bytes.Clone(data)
					var want []native.Range
					if bad >= 0 {
						got[bad] ^= 1
					}
					if bad >= start {
						off := int64(bad / block * block)
						want = []native.Range{{Off: off, N: min(block, size-off)}}
					}
					var wrong []native.Range
					c := newChecker(sig, func(off, n int64) { wrong = append(wrong, native.Range{Off: off, N: n}) })
					c.start(0)
					c.write(got[:start/2]) // an op that was given up
					c.start(int64(start))
					wrong = nil
					for rest := got[start:]; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
						c.write(rest[:min(piece, len(rest))])
					}
					if !slices.Equal(wrong, want) {
						t.Errorf("%v, pieces of %d from %d, byte %d wrong: found %v, want %v", alg, piece, start, bad, wrong, want)
					}
				}
			}
		}
	}
}
