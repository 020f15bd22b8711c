package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"syscall"
)

// options are the command line.
type options struct {
	quick   bool
	rows    *regexp.Regexp
	runs    int
	scale   float64
	json    string
	svg     string
	results bool
	dir     string
}

// Runs of each contender that are timed.
const (
	fullRuns  = 5 // the least that gives a median worth quoting on a shared machine
	quickRuns = 3
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == pumpCommand {
		os.Exit(pumpMain(os.Args[2:]))
	}
	// Processes that are started here die with the thread that started them:
	// all are started on this one, which lives as long as the program.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run measures the rows that args choose and writes the table to out. It is an
// error if a row could not be measured, not if a goal was missed.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	opt, err := parseOptions(args, progress)
	if err != nil {
		return err
	}
	chosen := chooseRows(opt)
	if len(chosen) == 0 {
		return fmt.Errorf("--rows %s: no row has such a name", opt.rows)
	}
	mounts, err := ownMounts()
	if err != nil {
		return err
	}
	b, err := newBench(ctx, opt, mounts, progress)
	if err != nil {
		return err
	}
	defer b.close()
	rep := newReport(ctx, b)
	for i, r := range chosen {
		fmt.Fprintf(progress, "[%d/%d] %s: %s\n", i+1, len(chosen), r.name, r.what)
		res := b.measure(ctx, r)
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		rep.Rows = append(rep.Rows, res)
		res.write(out)
	}
	if err := rep.write(ctx, opt, out); err != nil {
		return err
	}
	return rep.failure()
}

func parseOptions(args []string, usage io.Writer) (*options, error) {
	opt := new(options)
	var rows string
	fl := flag.NewFlagSet("bench", flag.ContinueOnError)
	fl.SetOutput(usage)
	fl.BoolVar(&opt.quick, "quick", false, "smaller files and fewer runs")
	fl.StringVar(&rows, "rows", "", "measure the rows whose name matches `REGEXP`")
	fl.IntVar(&opt.runs, "runs", 0, "time each contender `N` times (default 5, or 3 with --quick)")
	fl.Float64Var(&opt.scale, "scale", 1, "multiply the sizes of files and trees by `F`, to try the bench itself")
	fl.StringVar(&opt.json, "json", "", "write all samples to `FILE`")
	fl.StringVar(&opt.svg, "svg", "", "write a chart of the ratios to `FILE`")
	fl.BoolVar(&opt.results, "results", false, "write RESULTS.md beside the source of this program")
	fl.StringVar(&opt.dir, "dir", os.TempDir(), "make files below `DIR`")
	if err := fl.Parse(args); err != nil {
		return nil, err
	}
	if fl.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q", fl.Arg(0))
	}
	if opt.runs == 0 {
		opt.runs = fullRuns
		if opt.quick {
			opt.runs = quickRuns
		}
	}
	if opt.runs < 1 || opt.runs > 1000 {
		return nil, fmt.Errorf("--runs: %d is not between 1 and 1000", opt.runs)
	}
	if opt.scale <= 0 || opt.scale > 16 {
		return nil, fmt.Errorf("--scale: %g is not above 0 and at most 16", opt.scale)
	}
	var err error
	if opt.rows, err = regexp.Compile(rows); err != nil {
		return nil, fmt.Errorf("--rows: %w", err)
	}
	return opt, nil
}

// chooseRows are the rows that the options ask for, in the table's order.
func chooseRows(opt *options) []*row {
	var chosen []*row
	for _, group := range [][]row{newFileRows, editRows, manyFilesRows, farRows, unchangedRows, searchRows, fanOutRows, mixedRows} {
		for i := range group {
			r := &group[i]
			if opt.rows.MatchString(r.name) && !(opt.quick && r.quick.zero()) {
				chosen = append(chosen, r)
			}
		}
	}
	return chosen
}
