package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/syncd"
	"github.com/seed9553035b/syncd/wire"
)

func newLs() *cobra.Command {
	var recursive bool
	var timeout int
	var password, shell, program string
	c := &cobra.Command{
		Use:   "ls URL",
		Short: "Show the modules of a daemon, or what is in one",
		Long: `Show the modules of a daemon, or what is in one, as rsync --list-only does:

    syncd://host[:port]/[module/[path]]        a daemon like this one
    rsync://host[:port]/[module/[path]]        stock rsync's daemon, also
    host::[module/[path]]                      written like this
    host:path                                  stock rsync behind a remote shell

The password for stock rsync's daemon is taken from --password-file or RSYNC_PASSWORD.`,
		Args: cobra.ExactArgs(1),
	}
	c.Flags().BoolVarP(&recursive, "recursive", "r", false, "show directories with what is in them")
	c.Flags().IntVar(&timeout, "timeout", 60, "give up after `SECONDS` without I/O; 0: never")
	c.Flags().StringVar(&password, "password-file", "", "the password for stock rsync's daemon is the first line of `FILE`, - for standard input")
	c.Flags().StringVarP(&shell, "rsh", "e", "ssh", "reach host:path by the remote shell `COMMAND`, with its options")
	c.Flags().StringVar(&program, "rsync-path", "rsync", "what the remote shell starts is `PROGRAM`")
	c.RunE = func(c *cobra.Command, args []string) error {
		l, err := syncd.ParseLocation(args[0])
		if err != nil {
			return err
		}
		if !l.Remote() {
			return &usageError{err: fmt.Errorf("%s is on this host; ls shows what another has: syncd://host[:port]/[module/[path]]", args[0])}
		}
		shellArgs, err := syncd.ParseShell(shell)
		if err != nil {
			return &usageError{err: fmt.Errorf("--rsh: %w", err)}
		}
		d := time.Duration(timeout) * time.Second
		t := &syncd.Transfer{Stats: syncd.NewStats(), Timeout: d, Connect: d, Shell: shellArgs, RemoteProgram: program}
		t.Stock.PasswordFile = password
		out := c.OutOrStdout()
		t.Note = (&printer{out: out, err: c.ErrOrStderr()}).note
		if l.Module == "" && !l.Shell {
			modules, err := t.Modules(c.Context(), l)
			for _, m := range modules {
				fmt.Fprintf(out, "%-15s\t%s\n", printableLine(m.Name), printableLine(m.Comment))
			}
			return err
		}
		failed := 0
		err = t.List(c.Context(), l, recursive, func(path string, e *wire.Entry, err error) {
			if err != nil {
				failed++
				fmt.Fprintf(c.ErrOrStderr(), "syncd: %s: %s\n", syncd.Printable(path), printableLine(err.Error()))
				return
			}
			listLine(out, path, e)
		})
		if err == nil && failed > 0 {
			return exitCode(syncd.ExitPartial)
		}
		return err
	}
	return c
}

// listLine prints an entry in the columns of rsync's --list-only.
func listLine(w io.Writer, path string, e *wire.Entry) {
	name := syncd.Printable(path)
	if e.IsSymlink() {
		name += " -> " + syncd.Printable(e.Target)
	}
	when := time.Unix(e.Mtime.Sec, int64(e.Mtime.Nsec)).Format("2006/01/02 15:04:05")
	fmt.Fprintf(w, "%s %14d %s %s\n", modeString(e.Mode), e.Size, when, name)
}

// modeString is the mode as ls(1) shows it.
func modeString(mode uint32) string {
	const types = "?pc?d?b?-?l?s???"
	b := []byte{types[mode&unix.S_IFMT>>12]}
	for i, c := range "rwxrwxrwx" {
		if mode&(1<<(8-i)) == 0 {
			c = '-'
		}
		b = append(b, byte(c))
	}
	for _, s := range []struct {
		bit   uint32
		at    int
		exec  byte
		plain byte
	}{{unix.S_ISUID, 3, 's', 'S'}, {unix.S_ISGID, 6, 's', 'S'}, {unix.S_ISVTX, 9, 't', 'T'}} {
		if mode&s.bit == 0 {
			continue
		}
		if b[s.at] == 'x' {
			b[s.at] = s.exec
		} else {
			b[s.at] = s.plain
		}
	}
	return string(b)
}
