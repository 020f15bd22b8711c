package main

import "io"

// editRows: a file with about 240 edits, insertions and deletions.
var editRows = []row{
	{
		name: "edits-pull", what: "one file with scattered edits, pull",
		full: oneFile(gib), quick: oneFile(gib / 4), data: edited{},
		contenders: []contender{stock, ours, pump}, goals: editGoals,
	},
	{
		name: "edits-push", what: "one file with scattered edits, push",
		full: oneFile(gib), quick: oneFile(gib / 4), data: edited{}, push: true,
		contenders: []contender{stock, ours, pump}, goals: editGoals,
	},
	{
		// What a disk takes to be given a new file and to get the old one back is the
		// same for all contenders, and most of the time where it is slow.
		name: "edits-memory-pull", what: "one file with scattered edits, on an ext4 whose disk is memory, pull",
		full: oneFile(gib), data: edited{}, on: onMemory,
		contenders: []contender{stock, ours, pump}, goals: editGoals,
	},
	{
		name: "edits-memory-push", what: "one file with scattered edits, on an ext4 whose disk is memory, push",
		full: oneFile(gib), data: edited{}, on: onMemory, push: true,
		contenders: []contender{stock, ours, pump}, goals: editGoals,
	},
	{
		name: "edits-inplace-pull", what: "one file with scattered edits, with --inplace, pull",
		full: oneFile(gib), quick: oneFile(gib / 8), data: edited{},
		contenders: []contender{stock, stockInplace, oursInplace}, goals: inplaceGoals("syncd --inplace"),
	},
	{
		name: "edits-inplace-push", what: "one file with scattered edits, with --inplace, push",
		full: oneFile(gib), quick: oneFile(gib / 8), data: edited{}, push: true,
		contenders: []contender{stock, stockInplace, oursInplace}, goals: inplaceGoals("syncd --inplace"),
	},
	{
		name: "edits-xfs-pull", what: "one file with scattered edits, on XFS with reflinks, pull",
		full: oneFile(gib), quick: oneFile(gib / 8), data: edited{}, on: onXFS,
		contenders: []contender{stock, stockInplace, ours}, goals: inplaceGoals("syncd"),
	},
	{
		name: "edits-xfs-push", what: "one file with scattered edits, on XFS with reflinks, push",
		full: oneFile(gib), quick: oneFile(gib / 8), data: edited{}, on: onXFS, push: true,
		contenders: []contender{stock, stockInplace, ours}, goals: inplaceGoals("syncd"),
	},
	{
		// Blocks that moved by less than a block of the file system can't be
		// shared; as in an image of a disk, these all can.
		name: "edits-xfs-aligned-pull", what: "one file with scattered edits in blocks of 4 KiB, on XFS with reflinks, pull",
		full: oneFile(gib), data: edited{step: 4 * kib}, on: onXFS,
		contenders: []contender{stock, stockInplace, ours}, goals: inplaceGoals("syncd"),
	},
}

var editGoals = []goal{
	{wall, "syncd", "stock", 0.45},
	{cpu, "syncd", "stock", 0.5},
	{literal, "syncd", "stock", 1.1},
}

func inplaceGoals(who string) []goal {
	return []goal{{wall, who, "stock", 0.3}, {wall, who, "stock --inplace", 0.1}}
}

// edited is a file of random bytes with scattered edits. The bases of further
// transfers of a run have other edits.
type edited struct {
	step int64 // edits begin and end at multiples of it, in bytes; 0 is 1
}

// editsPerGiB edits of 4 to 64 KiB are 1.5 % of a file; stock rsync sends
// 15.8 MB for them, as its blocks of 32 KiB are touched at both ends.
const editsPerGiB = 240

// version is the file with the edits of a seed; 0 has none.
func (e edited) version(size int64, seed uint64) io.Reader {
	n := max(3, int(editsPerGiB*size/gib))
	return applyEdits(io.LimitReader(randomBytes(1), size), editList(seed, size, n, max(1, e.step)), seed)
}

func (e edited) source(dir string, _ contender, a amount) error {
	return writeData(dir, e.version(a.bytes, 1), -1, sourceTime)
}

func (e edited) basis(dir string, _ contender, a amount, n int) error {
	if n == 0 {
		return writeData(dir, randomBytes(1), a.bytes, basisTime)
	}
	return writeData(dir, e.version(a.bytes, uint64(n)+1), -1, basisTime)
}
