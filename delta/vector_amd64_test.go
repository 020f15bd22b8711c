//go:build !purego

package delta

import (
	"testing"

	"golang.org/x/sys/cpu"
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
