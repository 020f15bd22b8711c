package integration

import (
	"math/rand/v2"
	"testing"
)

// factor is what a matrix varies, and the values that it has.
type factor struct {
	name   string
	values []string
}

// pairwise returns rows, each with the number of a value for each factor, such
// that every pair of values of two factors is in one of them, unless bad says
// that it makes no sense. It is greedy: a row starts with a pair that is not
// covered, and of many ways to go on the one is taken that covers the most. The
// same factors give the same rows.
func pairwise(factors []factor, bad func(a, av, b, bv int) bool) (rows [][]int) {
	rng := rand.New(rand.NewPCG(1, 2))
	open := make(map[[4]int]bool)
	var todo [][4]int
	for a := range factors {
		for b := a + 1; b < len(factors); b++ {
			for av := range factors[a].values {
				for bv := range factors[b].values {
					if p := [4]int{a, av, b, bv}; !bad(a, av, b, bv) {
						open[p] = true
						todo = append(todo, p)
					}
				}
			}
		}
	}
	for _, p := range todo {
		if !open[p] {
			continue
		}
		var best []int
		most := 0
		for range 60 {
			row := fill(factors, p, bad, open, rng)
			if n := covered(row, open, false); n > most {
				best, most = row, n
			}
		}
		covered(best, open, true)
		rows = append(rows, best)
	}
	return rows
}

// fill makes a row that has the pair p, factor by factor in some order, each
// with the value that covers the most.
func fill(factors []factor, p [4]int, bad func(a, av, b, bv int) bool, open map[[4]int]bool, rng *rand.Rand) []int {
	row := make([]int, len(factors))
	for i := range row {
		row[i] = -1
	}
	row[p[0]], row[p[2]] = p[1], p[3]
	for _, f := range rng.Perm(len(factors)) {
		if row[f] >= 0 {
			continue
		}
		best, most := -1, -1
		for _, v := range rng.Perm(len(factors[f].values)) {
			n := 0
			for g, gv := range row {
				switch {
				case gv < 0:
				case bad(min(f, g), pick(f < g, v, gv), max(f, g), pick(f < g, gv, v)):
					n = -len(factors)
				case open[[4]int{min(f, g), pick(f < g, v, gv), max(f, g), pick(f < g, gv, v)}]:
					n++
				}
			}
			if n > most {
				best, most = v, n
			}
		}
		row[f] = max(best, 0)
	}
	return row
}

func pick(first bool, a, b int) int {
	if first {
		return a
	}
	return b
}

// covered counts the open pairs of a row, and closes them if it is taken.
func covered(row []int, open map[[4]int]bool, take bool) (n int) {
	for a := range row {
		for b := a + 1; b < len(row); b++ {
			if p := [4]int{a, row[a], b, row[b]}; open[p] {
				n++
				if take {
					delete(open, p)
				}
			}
		}
	}
	return n
}

func TestPairwise(t *testing.T) {
	factors := []factor{{"a", []string{"1", "2", "3"}}, {"b", []string{"1", "2"}}, {"c", []string{"1", "2", "3", "4"}}, {"d", []string{"1", "2"}}}
	bad := func(a, av, b, bv int) bool { return a == 0 && b == 2 && av == 1 && bv == 3 }
	rows := pairwise(factors, bad)
	seen := make(map[[4]int]bool)
	for _, r := range rows {
		for a := range r {
			for b := a + 1; b < len(r); b++ {
				seen[[4]int{a, r[a], b, r[b]}] = true
			}
		}
	}
	if want := 3*2 + 3*4 + 3*2 + 2*4 + 2*2 + 4*2 - 1; len(seen) != want || seen[[4]int{0, 1, 2, 3}] {
		t.Errorf("%d pairs are covered, want %d", len(seen), want)
	}
	if len(rows) < 12-1 || len(rows) > 16 {
		t.Errorf("%d rows; the product has 48, the two largest factors 12", len(rows))
	}
}
