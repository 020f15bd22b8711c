package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// manyFilesRows: new small files.
var manyFilesRows = []row{
	{
		name: "small-pull", what: "new small files to tmpfs, pull",
		full: manyFiles(20000, 4*kib), quick: manyFiles(20000, 4*kib), data: smallFiles{}, on: onTmpfs,
		contenders: []contender{stock, ours}, goals: []goal{{wall, "syncd", "stock", 0.45}},
	},
	{
		name: "small-push", what: "new small files to tmpfs, push",
		full: manyFiles(20000, 4*kib), quick: manyFiles(20000, 4*kib), data: smallFiles{}, on: onTmpfs, push: true,
		contenders: []contender{stock, ours}, goals: []goal{{wall, "syncd", "stock", 0.45}},
	},
}

// unchangedRows: trees where nothing is to do.
var unchangedRows = []row{
	{
		name: "unchanged-pull", what: "a tree in which nothing changed, pull",
		full: manyFiles(100_000, 1000), quick: manyFiles(50_000, 1000), data: unchanged{}, same: true,
		contenders: []contender{stock, ours}, goals: unchangedGoals,
	},
	{
		name: "unchanged-push", what: "a tree in which nothing changed, push",
		full: manyFiles(100_000, 1000), quick: manyFiles(50_000, 1000), data: unchanged{}, same: true, push: true,
		contenders: []contender{stock, ours}, goals: unchangedGoals,
	},
	{
		name: "unchanged-million-pull", what: "a large tree in which nothing changed, pull",
		full: manyFiles(1_000_000, 1000), data: unchanged{}, same: true,
		contenders: []contender{stock, ours}, goals: unchangedGoals,
	},
	{
		name: "unchanged-million-push", what: "a large tree in which nothing changed, push",
		full: manyFiles(1_000_000, 1000), data: unchanged{}, same: true, push: true,
		contenders: []contender{stock, ours}, goals: unchangedGoals,
	},
}

var unchangedGoals = []goal{
	{wall, "syncd", "stock", 0.6},
	{clientMem, "syncd", "", 40e6},
	{daemonMem, "syncd", "", 40e6},
}

// perDir is how many files a directory of a tree holds.
const perDir = 100

// smallFiles is a tree of small files that the destination lacks.
type smallFiles struct{}

func (smallFiles) source(dir string, _ contender, a amount) error {
	r := randomBytes(1)
	content := make([]byte, a.bytes)
	return makeTree(dir, a.files, func(path string) error {
		if _, err := r.Read(content); err != nil {
			return err
		}
		return os.WriteFile(path, content, 0o644)
	})
}

func (smallFiles) basis(string, contender, amount, int) error { return nil }

// unchanged is a tree that both sides have. Nobody reads its files: they are
// holes, so that a million of them needs no blocks.
type unchanged struct{}

func (unchanged) source(dir string, _ contender, a amount) error {
	return makeTree(dir, a.files, func(path string) error {
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := f.Truncate(a.bytes); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	})
}

func (u unchanged) basis(dir string, c contender, a amount, _ int) error { return u.source(dir, c, a) }

// makeTree makes n files by a function, and the directories that they are in.
// All times in the tree, other than that of dir, are sourceTime.
func makeTree(dir string, n int, write func(path string) error) error {
	sub := ""
	for i := range n {
		if i%perDir == 0 {
			sub = filepath.Join(dir, fmt.Sprintf("d%05d", i/perDir))
			if err := os.Mkdir(sub, 0o755); err != nil {
				return err
			}
		}
		path := filepath.Join(sub, fmt.Sprintf("file%02d", i%perDir))
		if err := write(path); err != nil {
			return err
		}
		if err := os.Chtimes(path, sourceTime, sourceTime); err != nil {
			return err
		}
		if i%perDir == perDir-1 || i == n-1 {
			if err := os.Chtimes(sub, sourceTime, sourceTime); err != nil {
				return err
			}
		}
	}
	return nil
}
