package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// packagePath is what `go build` and `go list` are asked for.
const packagePath = "github.com/seed9553035b/syncd"

// A bench is what all rows share.
type bench struct {
	opt      *options
	mounts   bool   // may mount
	dir      string // for all files; owned
	programs map[string]program
	rsync    string            // path
	syncd    string            // path
	trees    map[string]string // directories by key; see once
	progress io.Writer
}

// newBench builds syncd into a new directory. The caller closes the bench.
func newBench(ctx context.Context, opt *options, mounts bool, progress io.Writer) (*bench, error) {
	rsync, err := exec.LookPath("rsync")
	if err != nil {
		return nil, fmt.Errorf("the peer to measure against is missing: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	below, err := filepath.Abs(opt.dir)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(below, "syncd-bench-*")
	if err != nil {
		return nil, err
	}
	b := &bench{opt: opt, mounts: mounts, dir: dir, rsync: rsync, syncd: filepath.Join(dir, "syncd"), trees: make(map[string]string), progress: progress}
	theirs, ours := stockRsync(rsync), syncd(b.syncd)
	b.programs = map[string]program{
		"stock": theirs, "syncd": ours, "pump": barePump(self),
		"stock to syncd": stockToSyncd{theirs, ours}, "syncd to stock": syncdToStock{ours, theirs},
	}
	if _, err := output(ctx, "go", "build", "-o", b.syncd, packagePath+"/cmd/syncd"); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) close() {
	if err := os.RemoveAll(b.dir); err != nil {
		fmt.Fprintln(b.progress, "bench: left behind:", err)
	}
}

// output is what a command writes to stdout, without space around it.
func output(ctx context.Context, args ...string) (string, error) {
	c, stderr := newCommand(ctx, args)
	var stdout strings.Builder
	c.Stdout = &stdout
	if err := c.Run(); err != nil {
		return "", failed(args, err, stderr.String())
	}
	return strings.TrimSpace(stdout.String()), nil
}

// contenders are those of a row that take part, and notes about the others.
func (b *bench) contenders(ctx context.Context, r *row) (list []contender, notes []string) {
	for _, c := range r.contenders {
		if c.info && b.opt.quick {
			continue
		}
		if err := b.supports(ctx, c); err != nil {
			notes = append(notes, fmt.Sprintf("%s: not supported: %v", c.name, err))
			continue
		}
		list = append(list, c)
	}
	return list, notes
}

// supports is what syncd says to options that it does not have.
func (b *bench) supports(ctx context.Context, c contender) error {
	if c.program != "syncd" || len(c.args) == 0 {
		return nil
	}
	cmd, stderr := newCommand(ctx, slices.Concat([]string{b.syncd, "sync"}, c.args, []string{"--help"}))
	err := cmd.Run()
	if line, _, _ := strings.Cut(stderr.String(), "\n"); err != nil && line != "" {
		return errors.New(line)
	}
	return err
}

// runs is how often each contender of a row is timed. Ten transfers that are
// one sample have much of the noise averaged out already.
func (b *bench) runs(r *row) int {
	if b.opt.quick && r.pulls > 1 {
		return 1
	}
	if r.maxRuns > 0 {
		return min(r.maxRuns, b.opt.runs)
	}
	return b.opt.runs
}
