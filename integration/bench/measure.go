package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	transports "github.com/seed9553035b/syncd/wire/bench"
)

// measure does all runs of a row. What went wrong is in the result.
func (b *bench) measure(ctx context.Context, r *row) *rowResult {
	a := r.amount(b.opt)
	res := &rowResult{Name: r.name, What: r.what, Size: a.String(), Runs: b.runs(r)}
	if a != r.full {
		res.Reduced = "reduced from " + r.full.String()
	}
	list, notes := b.contenders(ctx, r)
	res.Notes = notes
	if !slices.ContainsFunc(list, func(c contender) bool { return strings.Contains(c.program, "syncd") }) {
		res.Skipped = "nothing of syncd's to measure"
		return res
	}
	var mount needsMount
	switch err := b.measureRow(ctx, r, a, list, res); {
	case errors.As(err, &mount):
		res.Skipped = err.Error()
	case err != nil:
		res.Errors = append(res.Errors, err.Error())
	}
	for _, g := range r.goals {
		res.Goals = append(res.Goals, g.judge(res))
	}
	return res
}

// measureRow makes the files of a row, lets the contenders take turns, and
// deletes what they made.
func (b *bench) measureRow(ctx context.Context, r *row, a amount, list []contender, res *rowResult) (err error) {
	dir, err := os.MkdirTemp(b.dir, r.name+"-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	to, done, err := b.destinations(ctx, r, a, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	res.FS = fileSystem(to)
	j := &job{bench: b, row: r, amount: a, dir: dir, to: to}
	for _, c := range list { // before anything is timed
		if _, err := j.source(c); err != nil {
			return err
		}
	}
	return j.takeTurns(ctx, list, res)
}

// takeTurns fills res. A contender that fails is out, the others go on.
func (j *job) takeTurns(ctx context.Context, list []contender, res *rowResult) error {
	res.Contenders = make([]contenderResult, len(list))
	for i, c := range list {
		res.Contenders[i] = contenderResult{Name: c.name, Program: c.program, Variant: c.variant, Plain: len(c.args) == 0}
	}
	for round := range res.Runs + 1 {
		for _, i := range transports.Turn(len(list), round) {
			cr := &res.Contenders[i]
			if cr.Failed {
				continue
			}
			s, err := j.run(ctx, list[i], round == 0)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			switch {
			case err != nil:
				cr.Failed = true
				res.Errors = append(res.Errors, fmt.Sprintf("%s: %v", list[i].name, err))
			case round == 0:
				cr.Warm = s
			default:
				cr.Samples = append(cr.Samples, s)
			}
		}
	}
	res.Notes = append(res.Notes, j.notes...)
	for i := range res.Contenders {
		res.Contenders[i].summarize()
	}
	return nil
}
