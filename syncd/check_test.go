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
