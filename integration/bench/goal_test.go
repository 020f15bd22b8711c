package main

import (
	"slices"
	"testing"

	transports "github.com/seed9553035b/syncd/wire/bench"
)

func samplesOf(walls ...float64) []sample {
	var out []sample
	for _, w := range walls {
		out = append(out, sample{Wall: w})
	}
	return out
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []float64
		want float64
	}{
		{"nothing", nil, 0},
		{"one", []float64{3}, 3},
		{"even", []float64{4, 1}, 2.5},
		{"odd, unsorted", []float64{9, 1, 5}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := slices.Clone(c.in)
			if got := median(c.in); got != c.want {
				t.Errorf("got %g, want %g", got, c.want)
			}
			if !slices.Equal(c.in, before) {
				t.Error("the samples were reordered")
			}
		})
	}
}

// The ratio is that of pairs: a round in which all are slow does not count more.
func TestRatioIsMedianOfPairs(t *testing.T) {
	if got := ratio(samplesOf(1, 10, 2), samplesOf(2, 20, 8), wall); got != 0.5 {
		t.Errorf("got %g, want 0.5", got)
	}
	if got := ratio(samplesOf(1), nil, wall); got != 0 {
		t.Errorf("nothing to compare with: got %g, want 0", got)
	}
}

func TestJudge(t *testing.T) {
	res := &rowResult{Contenders: []contenderResult{
		{Name: "stock", Samples: samplesOf(2, 2)},
		{Name: "syncd", Samples: samplesOf(1, 1), Warm: sample{ClientMemory: 41e6}},
		{Name: "broken", Failed: true},
	}}
	for _, c := range []struct {
		name string
		goal goal
		want string
	}{
		{"at the limit", goal{wall, "syncd", "stock", 0.5}, met},
		{"over it", goal{wall, "syncd", "stock", 0.49}, notMet},
		{"absolute, over", goal{clientMem, "syncd", "", 40e6}, notMet},
		{"absolute, below", goal{clientMem, "syncd", "", 41e6}, met},
		{"never sampled", goal{daemonMem, "syncd", "", 40e6}, notMeasured},
		{"nobody of that name", goal{wall, "syncd", "nobody", 1}, notMeasured},
		{"the other failed", goal{wall, "syncd", "broken", 1}, notMeasured},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.goal.judge(res); got.Verdict != c.want {
				t.Errorf("%s: %s with %g, want %s", got.Goal, got.Verdict, got.Value, c.want)
			}
		})
	}
}

func TestEachRoundHasAllContendersInAnotherOrder(t *testing.T) {
	for n := 1; n <= 6; n++ {
		var last []int
		for round := range 8 {
			order := transports.Turn(n, round)
			if sorted := slices.Sorted(slices.Values(order)); sorted[0] != 0 || sorted[n-1] != n-1 || len(slices.Compact(sorted)) != n {
				t.Fatalf("%d contenders, round %d: %v", n, round, order)
			}
			if n > 1 && slices.Equal(order, last) {
				t.Errorf("%d contenders, round %d: %v again", n, round, order)
			}
			last = order
		}
	}
}
