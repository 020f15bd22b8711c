package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// endArg makes the test binary one end of a run, as the program would be.
const endArg = "_end"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == endArg {
		if err := RunEnd(os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Under the race detector each end would sleep a second before it exits.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	goleak.VerifyTestMain(m)
}

func smallOptions(t *testing.T) Options {
	return Options{Size: 3<<20 + 7, Dir: t.TempDir(), Runs: 1, End: []string{endArg}}
}

// What arrives is compared by Run itself.
func TestRunMeasuresEachPair(t *testing.T) {
	o := smallOptions(t)
	last := 0
	o.Progress = func(done, of int) { last = of - done }
	rep, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Rows) != len(senders)*len(receivers) {
		t.Errorf("%d rows", len(rep.Rows))
	}
	for _, r := range rep.Rows {
		m := r.Median
		if m.Sender.Calls == 0 || m.Receiver.Calls == 0 || m.Receiver.Seconds <= 0 {
			t.Errorf("%s to %s was not measured: %+v", r.Sender, r.Receiver, m)
		}
	}
	if len(rep.Notes) > 0 {
		t.Errorf("not as meant: %v", rep.Notes)
	}
	if last != 1 {
		t.Errorf("the last run was %d before the end", last)
	}
	if !slices.ContainsFunc(rep.Interfaces, func(i Interface) bool { return i.Loopback && i.Problem == "" }) {
		t.Errorf("no loopback among %v", rep.Interfaces)
	}
	noFiles(t, o.Dir)
}

func TestFileOfOnesOwnIsOnlyRead(t *testing.T) {
	o := smallOptions(t)
	o.File = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(o.File, []byte("content"), 0o400); err != nil {
		t.Fatal(err)
	}
	rep, err := Run(t.Context(), o)
	if err != nil || rep.Size != int64(len("content")) {
		t.Fatalf("%+v, %v", rep, err)
	}
	if b, err := os.ReadFile(o.File); err != nil || string(b) != "content" {
		t.Errorf("%q, %v", b, err)
	}
	for name, path := range map[string]string{"directory": o.Dir, "empty": os.DevNull, "missing": filepath.Join(o.Dir, "no")} {
		o.File = path
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestInterruptedRunLeavesNothing(t *testing.T) {
	o := smallOptions(t)
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(done, _ int) {
		if done == 3 {
			cancel()
		}
	}
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	noFiles(t, o.Dir)
}

func noFiles(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestEndThatDiesIsNamed(t *testing.T) {
	o := smallOptions(t)
	o.End = append(o.End, "surplus") // one argument too many for RunEnd
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "not by hand") {
		t.Errorf("error %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	good := smallOptions(t)
	for name, spoil := range map[string]func(*Options){
		"no runs": func(o *Options) { o.Runs = 0 }, "too many": func(o *Options) { o.Runs = 1001 },
		"no size": func(o *Options) { o.Size = 0 }, "no end": func(o *Options) { o.End = nil },
	} {
		o := good
		spoil(&o)
		if o.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func TestDifferenceIsFound(t *testing.T) {
	file := func(b []byte) *os.File {
		f, err := nameless(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
		return f
	}
	content := make([]byte, fileBuffer+1)
	other := slices.Clone(content)
	other[fileBuffer] = 1
	a := file(content)
	for _, c := range []struct {
		name    string
		content []byte
		same    bool
	}{
		{"same", content, true}, {"last byte", other, false}, {"shorter", content[1:], false}, {"longer", append(other, 0), false},
	} {
		if err := sameContent(a, file(c.content), int64(len(content))); (err == nil) != c.same {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestEachRoundHasAllPairsInAnotherOrder(t *testing.T) {
	var last []int
	for round := range 8 {
		order := Turn(8, round)
		sorted := slices.Sorted(slices.Values(order))
		if len(slices.Compact(sorted)) != 8 || sorted[0] != 0 || sorted[7] != 7 || slices.Equal(order, last) {
			t.Errorf("round %d: %v after %v", round, order, last)
		}
		last = order
	}
}
