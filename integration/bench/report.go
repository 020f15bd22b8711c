package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A report is a run of the program.
type report struct {
	Date    string       `json:"date"`
	Machine machine      `json:"machine"`
	Quick   bool         `json:"quick"`
	Scale   float64      `json:"scale"`
	Runs    int          `json:"runs"`
	Rows    []*rowResult `json:"rows"`
}

func newReport(ctx context.Context, b *bench) *report {
	return &report{
		Date: time.Now().Format(time.DateOnly), Machine: thisMachine(ctx, b),
		Quick: b.opt.quick, Scale: b.opt.scale, Runs: b.opt.runs,
	}
}

// write makes the files that the options ask for, and ends the table.
func (rep *report) write(ctx context.Context, opt *options, out io.Writer) error {
	fmt.Fprintf(out, "%s\n%s\n", rep.tally(), rep.Machine)
	if rep.reduced() {
		fmt.Fprintln(out, rep.caution())
	}
	if opt.json != "" {
		if err := rep.writeJSON(opt.json); err != nil {
			return err
		}
	}
	if opt.svg != "" {
		if err := os.WriteFile(opt.svg, []byte(rep.svg()), 0o644); err != nil {
			return err
		}
	}
	if opt.results {
		dir, err := output(ctx, "go", "list", "-f", "{{.Dir}}", packagePath+"/integration/bench")
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "RESULTS.md"), []byte(rep.markdown()), 0o644)
	}
	return nil
}

// reduced says whether sizes are not those that the goals are about.
func (rep *report) reduced() bool { return rep.Quick || rep.Scale != 1 }

// caution is what to think of a report that is reduced.
func (rep *report) caution() string {
	return fmt.Sprintf("Sizes are reduced (--quick: %t, --scale: %g): these figures are no claim.", rep.Quick, rep.Scale)
}

// tally counts goals.
func (rep *report) tally() string {
	count := map[string]int{}
	for _, r := range rep.Rows {
		for _, g := range r.Goals {
			count[g.Verdict]++
		}
	}
	return fmt.Sprintf("goals: %d %s, %d %s, %d %s", count[met], met, count[notMet], notMet, count[notMeasured], notMeasured)
}

// failure is an error if rows could not be measured.
func (rep *report) failure() error {
	var names []string
	for _, r := range rep.Rows {
		if len(r.Errors) > 0 {
			names = append(names, r.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return errors.New("not all of it could be measured: " + strings.Join(names, ", "))
}
