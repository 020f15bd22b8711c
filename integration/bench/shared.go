package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A keptBasis is a second name for a basis, outside the destination: blocks
// that the new file shares with it stay shared when the basis is replaced.
type keptBasis struct {
	name, file string
}

func keepBasis(dest, below string) (*keptBasis, error) {
	k := &keptBasis{name: filepath.Join(below, "kept-basis"), file: filepath.Join(dest, dataName)}
	return k, os.Link(k.file, k.name)
}

func (k *keptBasis) release() { _ = os.Remove(k.name) }

// shared says how much of the new file is blocks of the basis. The file is
// synced first (-s): until then its blocks are not chosen.
func (k *keptBasis) shared(ctx context.Context, c contender) string {
	text, err := output(ctx, "filefrag", "-s", "-v", "-b4096", k.file)
	if err != nil {
		return fmt.Sprintf("%s: shared blocks unknown: %v", c.name, err)
	}
	shared, all := sharedExtents(text)
	return fmt.Sprintf("%s: %s of %s are blocks shared with the basis", c.name, formatBytes(shared*4096), formatBytes(all*4096))
}

// sharedExtents counts blocks in the output of filefrag -v: all, and those in
// extents with the flag "shared". A line of an extent is
//
//	ext: logical_offset: physical_offset: length: expected: flags
//
// where "expected:" is absent if the extent is where the one before ended.
func sharedExtents(text string) (shared, all int64) {
	for line := range strings.Lines(text) {
		f := strings.Split(line, ":")
		if len(f) < 5 {
			continue
		}
		if _, err := strconv.Atoi(strings.TrimSpace(f[0])); err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(f[3]), 10, 64)
		if err != nil {
			continue
		}
		all += n
		if strings.Contains(f[len(f)-1], "shared") {
			shared += n
		}
	}
	return shared, all
}
