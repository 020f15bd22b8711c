package main

import (
	"context"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestMain makes the test binary the pump that rows start it as.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == pumpCommand {
		os.Exit(pumpMain(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func quickOptions(t *testing.T, args ...string) *options {
	t.Helper()
	opt, err := parseOptions(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return opt
}

func TestRowsAreConsistent(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range chooseRows(quickOptions(t)) {
		if seen[r.name] {
			t.Errorf("two rows are called %s", r.name)
		}
		seen[r.name] = true
		named := func(name string) bool {
			return slices.ContainsFunc(r.contenders, func(c contender) bool { return c.name == name && !c.info })
		}
		for _, g := range r.goals {
			if !named(g.who) || g.beside != "" && !named(g.beside) {
				t.Errorf("%s: goal %q is about nobody that --quick measures", r.name, g)
			}
		}
		if len(r.goals) == 0 {
			t.Errorf("%s has no goal", r.name)
		}
		if r.anew && (r.pulls < 2 || r.full.files != 1) {
			t.Errorf("%s: what is renewed is the one file of several pulls", r.name)
		}
		if r.push && r.pulls > 1 {
			t.Errorf("%s: one daemon can't be pushed to in many directories", r.name)
		}
		if r.same && r.on != onDir {
			t.Errorf("%s: a destination that is kept has to be below --dir", r.name)
		}
		for _, c := range r.contenders {
			if c.program == "pump" && r.full.files != 1 {
				t.Errorf("%s: the pump moves one file", r.name)
			}
		}
	}
}

func TestQuickLeavesOutWhatHasNoQuickSize(t *testing.T) {
	for _, r := range chooseRows(quickOptions(t, "--quick")) {
		if strings.Contains(r.name, "million") {
			t.Errorf("%s is not quick", r.name)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, args := range [][]string{
		{"--runs", "-1"}, {"--runs", "1001"}, {"--scale", "0"}, {"--scale", "17"},
		{"--rows", "("}, {"--no-such-option"}, {"argument"},
	} {
		if _, err := parseOptions(args, io.Discard); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestScaleIsOfTheFileOrOfTheirNumber(t *testing.T) {
	for _, c := range []struct{ in, want amount }{
		{oneFile(1000), oneFile(100)},
		{manyFiles(1000, 4096), manyFiles(100, 4096)},
		{oneFile(1), oneFile(1)},
		{manyFiles(2, 5), manyFiles(1, 5)},
	} {
		if got := c.in.scaled(0.1); got != c.want {
			t.Errorf("%v scaled: %v, want %v", c.in, got, c.want)
		}
	}
}

// TestMeasureRows does the work of whole rows, small: what arrives is compared
// with the source by the bench itself.
func TestMeasureRows(t *testing.T) {
	ctx := context.Background()
	opt := quickOptions(t, "--quick", "--scale", "0.005", "--runs", "1", "--dir", t.TempDir())
	b, err := newBench(ctx, opt, false, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	t.Run("options that are not there", func(t *testing.T) { testSupports(t, b) })
	rows := chooseRows(opt)
	for _, name := range []string{"new-push", "new-tenfold", "new-tenfold-anew", "edits-pull", "far-pull", "far-streams", "unchanged-pull"} {
		t.Run(name, func(t *testing.T) {
			runtime.LockOSThread() // as main: processes die with their thread
			defer runtime.UnlockOSThread()
			r := *rows[slices.IndexFunc(rows, func(r *row) bool { return r.name == name })]
			r.pulls = min(r.pulls, 2)
			res := b.measure(ctx, &r)
			if len(res.Errors) > 0 {
				t.Fatal(res.Errors)
			}
			for _, c := range res.Contenders {
				if c.Failed || len(c.Samples) != 1 || c.Median.Wall <= 0 {
					t.Errorf("%s was not measured: %+v", c.Name, c)
				}
				if r.pulls > 1 && (c.Median.LaterCPU <= 0 || c.Median.LaterCPU >= c.Median.DaemonCPU+tick.Seconds()) {
					t.Errorf("daemon's CPU of %s from the 2nd pull on: %+v", c.Name, c.Median)
				}
				if c.Program == "stock" && c.Median.ClientCPU <= 0 {
					t.Errorf("no CPU time of %s: %+v", c.Name, c.Median)
				}
			}
		})
	}
}

func testSupports(t *testing.T, b *bench) {
	for _, c := range []contender{ours, stock, oursInplace, withTransport("mmap"), {program: "stock", args: []string{"--teleport"}}} {
		if err := b.supports(t.Context(), c); err != nil {
			t.Errorf("%v: %v", c.args, err)
		}
	}
	err := b.supports(t.Context(), contender{program: "syncd", args: []string{"--teleport"}})
	if err == nil || !strings.Contains(err.Error(), "unknown flag: --teleport") {
		t.Errorf("error %v", err)
	}
}
