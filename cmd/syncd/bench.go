package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire/bench"
)

// endCommand is how `bench transports` starts this program as one end of a run.
const endCommand = "_end"

func newBench() *cobra.Command {
	c := &cobra.Command{Use: "bench", Short: "Measure what this machine can do", Args: cobra.NoArgs, RunE: showHelp}
	end := &cobra.Command{
		Use: endCommand, Hidden: true, Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error { return bench.RunEnd(args, c.OutOrStdout()) },
	}
	c.AddCommand(newTransports(), end)
	return c
}

func newTransports() *cobra.Command {
	opt := bench.Options{End: []string{"bench", endCommand}}
	var sizeText, svg string
	var asJSON bool
	c := &cobra.Command{
		Use:   "transports [FILE]",
		Short: "Compare read+write, mmap+write, sendfile and splice at both ends of a connection",
		Long: `Send a file over TCP on loopback with each technique that can move one, and show what each costs: by theory in copies
and mode switches, and as measured here in system calls, CPU time of each end, context switches and speed. It also says
which network interfaces do scatter-gather DMA. Without FILE, a file is made and removed. What is written, to --dir,
has no name and is gone when the command ends, however it ends.`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
	}
	fl := c.Flags()
	fl.SortFlags = false
	fl.StringVar(&sizeText, "size", "1G", "the `SIZE` of the file to make, such as 64M")
	fl.IntVar(&opt.Runs, "runs", 5, "time each pair of techniques `N` times; the figures are medians")
	fl.StringVar(&opt.Dir, "dir", os.TempDir(), "make files in `DIR`")
	fl.BoolVar(&asJSON, "json", false, "write JSON, with all runs, instead of the table")
	fl.StringVar(&svg, "svg", "", "write a chart to `FILE`, too")
	c.RunE = func(c *cobra.Command, args []string) (err error) {
		if opt.Size, err = parseSize(sizeText); err != nil {
			return &usageError{err: fmt.Errorf("--size: %w", err)}
		}
		if len(args) > 0 {
			if opt.File = args[0]; c.Flags().Changed("size") {
				return &usageError{err: fmt.Errorf("--size is of the file that is made; %s has its own", opt.File)}
			}
		}
		if err := opt.Validate(); err != nil {
			return &usageError{err: err}
		}
		clear := showRuns(c, &opt)
		rep, err := bench.Run(c.Context(), opt)
		clear()
		if err != nil {
			return err
		}
		if svg != "" {
			if err := writeChart(rep, svg); err != nil {
				return err
			}
		}
		if asJSON {
			return json.NewEncoder(c.OutOrStdout()).Encode(rep)
		}
		return rep.WriteText(c.OutOrStdout())
	}
	return c
}

// showRuns counts runs on stderr if that is a terminal. clear takes the line
// away.
func showRuns(c *cobra.Command, opt *bench.Options) (clear func()) {
	f, ok := c.ErrOrStderr().(*os.File)
	if !ok {
		return func() {}
	}
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err != nil {
		return func() {}
	}
	opt.Progress = func(done, of int) { fmt.Fprintf(f, "\r\x1b[Krun %d of %d", done+1, of) }
	return func() { fmt.Fprint(f, "\r\x1b[K") }
}

func writeChart(rep *bench.Report, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := rep.WriteSVG(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
