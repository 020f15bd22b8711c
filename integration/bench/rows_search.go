package main

import "io"

// searchRows: files that are hard to search.
var searchRows = []row{
	{
		name: "repetitive-pull", what: "a repetitive file against a copy shifted by one byte, pull",
		full: oneFile(gib), quick: oneFile(gib / 16), data: shifted{},
		contenders: append(shiftedContenders(ours), shiftedContenders(stock)...), goals: shiftedGoals,
	},
	{
		name: "repetitive-push", what: "a repetitive file against a copy shifted by one byte, push",
		full: oneFile(gib), quick: oneFile(gib / 16), data: shifted{}, push: true,
		contenders: shiftedContenders(ours), goals: shiftedGoals,
	},
	{
		name: "unrelated-pull", what: "a file whose basis has nothing in common with it, pull",
		full: oneFile(gib / 4), quick: oneFile(gib / 16), data: unrelated{},
		contenders: []contender{stock, ours, pump}, goals: []goal{{wall, "syncd", "stock", 0.15}},
	},
	{
		name: "unrelated-push", what: "a file whose basis has nothing in common with it, push",
		full: oneFile(gib / 4), quick: oneFile(gib / 16), data: unrelated{}, push: true,
		contenders: []contender{stock, ours, pump}, goals: []goal{{wall, "syncd", "stock", 0.15}},
	},
}

// fanOutRows: one daemon and many clients that each hold something else.
var fanOutRows = []row{{
	name: "fan-out", what: "one changed file, pulled by ten clients with different bases",
	full: oneFile(gib), quick: oneFile(gib / 16), data: edited{}, pulls: 10, maxRuns: 3,
	contenders: []contender{stock, ours}, goals: []goal{{daemonCPU, "syncd", "stock", 0.5}},
}}

// The files of shifted.
const (
	variantRandom = "random"
	variantZeros  = "zeros"
	variantOne    = "one block"  // of 4 KiB: all blocks of a search are equal
	variantTwo    = "two blocks" // of 32 KiB, the square root of 1 GiB: every other block of a search is equal

	oneBlock = 4 * kib
	twoBlock = 32 * kib
)

var shiftedGoals = []goal{
	{wall, "syncd, " + variantZeros, "syncd, " + variantRandom, 2},
	{wall, "syncd, " + variantOne, "syncd, " + variantRandom, 2},
	{wall, "syncd, " + variantTwo, "syncd, " + variantRandom, 2},
}

// shiftedContenders is c once for each file. Stock is there for comparison.
func shiftedContenders(c contender) []contender {
	var out []contender
	for _, v := range []string{variantRandom, variantZeros, variantOne, variantTwo} {
		w := c
		w.name, w.variant, w.info = c.name+", "+v, v, c.program == "stock"
		out = append(out, w)
	}
	return out
}

// shifted is a file against itself without its first byte.
type shifted struct{}

func (shifted) reader(variant string) io.Reader {
	switch variant {
	case variantZeros:
		return &repeated{block: make([]byte, oneBlock)}
	case variantOne:
		return &repeated{block: randomBlock(1, oneBlock)}
	case variantTwo:
		return &repeated{block: randomBlock(1, 2*twoBlock)}
	}
	return randomBytes(1)
}

func (s shifted) source(dir string, c contender, a amount) error {
	return writeData(dir, s.reader(c.variant), a.bytes, sourceTime)
}

func (s shifted) basis(dir string, c contender, a amount, _ int) error {
	r := s.reader(c.variant)
	if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
		return err
	}
	return writeData(dir, r, a.bytes, basisTime)
}

// unrelated is a file whose basis is another file of the same size.
type unrelated struct{}

func (unrelated) source(dir string, _ contender, a amount) error {
	return writeData(dir, randomBytes(1), a.bytes, sourceTime)
}

func (unrelated) basis(dir string, _ contender, a amount, _ int) error {
	return writeData(dir, randomBytes(2), a.bytes, basisTime)
}
