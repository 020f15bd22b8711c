package main

import (
	"fmt"
	"os"
)

// A job is the runs of one row.
type job struct {
	*bench
	row    *row
	amount amount
	dir    string // owned by the row
	to     string // where destinations are made
	notes  []string
}

// once makes a tree on first use. It is kept for all rows until the bench ends:
// ext4 makes files many times slower while inodes that were freed seconds ago
// are all it finds.
func (b *bench) once(key string, fill func(dir string) error) (string, error) {
	if dir, ok := b.trees[key]; ok {
		return dir, nil
	}
	dir, err := newTree(b.dir)
	if err != nil {
		return "", err
	}
	if err := fill(dir); err != nil {
		return "", fmt.Errorf("make a tree: %w", err)
	}
	if err := os.Chtimes(dir, sourceTime, sourceTime); err != nil {
		return "", err
	}
	b.trees[key] = dir
	return dir, nil
}

// key tells trees apart.
func (j *job) key(c contender) string {
	return fmt.Sprintf("%T%v %v %s", j.row.data, j.row.data, j.amount, c.variant)
}

// source is what a contender transfers.
func (j *job) source(c contender) (string, error) {
	return j.once("source "+j.key(c), func(dir string) error { return j.row.data.source(dir, c, j.amount) })
}

// destination is as the row has it before transfer n of a run.
func (j *job) destination(c contender, n int) (string, error) {
	fill := func(dir string) error { return j.row.data.basis(dir, c, j.amount, n) }
	if j.row.same {
		return j.once("same "+j.key(c), fill)
	}
	dir, err := newTree(j.to)
	if err != nil {
		return "", err
	}
	if err := fill(dir); err != nil {
		return "", fmt.Errorf("make the basis: %w", err)
	}
	return dir, nil
}

// discard deletes a destination at once: its memory is free for the next run.
func (j *job) discard(dest string) {
	if j.row.same {
		return
	}
	if err := os.RemoveAll(dest); err != nil {
		fmt.Fprintln(j.progress, "bench: delete a destination:", err)
	}
}

// newTree is an empty directory with the permissions that most have.
func newTree(below string) (string, error) {
	dir, err := os.MkdirTemp(below, "tree-*")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}
