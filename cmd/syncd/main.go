// Command syncd keeps directories equal: `syncd sync` makes one transfer,
// `syncd serve` is the daemon. See the README for a tour.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/seed9553035b/syncd/syncd"
)

// ballast makes the collector of garbage run when some 16 MiB have been used since
// its last run, not 4: with the few MiB that syncd keeps, it ran so often that 7 % of
// what small files cost the processor went to it. It is never touched, so that it takes
// addresses and no memory; the garbage that lies there longer takes up to as much. A
// greater percentage would multiply what is kept.
const ballast = 12 << 20

func main() {
	held := make([]byte, ballast)
	runInBatches()
	code := run(os.Args[1:], os.Stdout, os.Stderr)
	runtime.KeepAlive(held)
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal ends the run in order; a second one at once.
	context.AfterFunc(ctx, stop)
	switch {
	case len(args) == 1 && args[0] == syncd.ChildArg:
		if err := syncd.ServeChild(ctx); err != nil {
			fmt.Fprintf(stderr, "syncd: %v\n", err)
			return syncd.ExitCode(err)
		}
		return syncd.ExitOK
	case isDaemon(args):
		return runDaemon(ctx, args, stdout, stderr)
	case len(args) > 0 && args[0] == "--server":
		// A stock client has started this as its server, by a remote shell. It
		// shows what the server has to say.
		return syncd.ExitCode(syncd.ServeStock(ctx, args, os.Stdin, os.Stdout))
	}
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var done exitCode
	switch {
	case err == nil:
		return syncd.ExitOK
	case errors.As(err, &done):
		return int(done)
	}
	fmt.Fprintf(stderr, "syncd: %v\n", err)
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(stderr, "`syncd COMMAND --help` shows the options.")
		return syncd.ExitUsage
	}
	return syncd.ExitCode(err)
}

// exitCode ends the process with that code; all that is to be said was said.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// usageError is a command line that can't be understood.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "syncd",
		Short:         "Keeps directories equal across hosts, with bodies moved by the kernel",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       syncd.Version,
	}
	root.AddCommand(newSync(), newServe(), newLs(), newDemo(), newBench(), newConfig(), newVersion())
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{err: err}
	})
	for _, c := range root.Commands() {
		c.Args = usageArgs(c.Args)
	}
	return root
}

// showHelp is what a command does that is but the name of a group. With
// cobra.NoArgs, a command that the group lacks is an error.
func showHelp(c *cobra.Command, _ []string) error { return c.Help() }

// usageArgs marks a wrong number of arguments as a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		return nil
	}
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return &usageError{err: err}
		}
		return nil
	}
}
