//go:build !purego

package delta

import (
	"slices"
	"testing"

	"golang.org/x/sys/cpu"
	"pgregory.net/rapid"
)

// TestVectorFormRuns where the processor has what it needs, for all but the last
// positions.
func TestVectorFormRuns(t *testing.T) {
	data := randomBytes(1, 2*batch)
	for m := range batch + 1 {
		want := 0
		if cpu.X86.HasAVX2 && cpu.X86.HasBMI1 && cpu.X86.HasPOPCNT {
			want = m &^ 63
		}
		var s sweep
		var a, b uint32
		if k := s.vector(new(filter), data[:m], data[batch:][:m], 700, &a, &b); k != want {
			t.Fatalf("the vector form does %d of %d positions, want %d", k, m, want)
		}
	}
}

// TestSearchFindsTheSameWithoutVectors in both directions.
func TestSearchFindsTheSameWithoutVectors(t *testing.T) {
	defer func(had bool) { hasAVX2 = had }(hasAVX2)
	had := hasAVX2
	for name, search := range directions {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				p := drawParams(rt)
				basis := drawBasis(rt, p.Block)
				file := drawEdits(rt, basis)
				hasAVX2 = had
				with := search(t, p, file, basis, Options{Workers: 1})
				hasAVX2 = false
				if without := search(t, p, file, basis, Options{Workers: 1}); !slices.Equal(with, without) {
					rt.Fatalf("%+v without vectors, %+v with them", without, with)
				}
			})
		})
	}
}
