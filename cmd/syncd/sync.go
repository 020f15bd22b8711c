package main

import (
	"fmt"
	"io"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed9553035b/syncd/syncd"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// syncFlags are the options of `syncd sync`.
type syncFlags struct {
	opt                    syncd.Options
	filter                 filter.List
	human                  int
	partialProgress        bool
	keeping                keeping
	chmod, chown           string
	verbose                int
	quiet                  bool
	maxDelete              int64
	timeout                int
	connect                int
	retry                  int
	streams                int
	bwlimit                string
	fsync                  string
	digest                 string
	transport              string
	stats                  string
	progress               bool
	noWhole                bool
	partialDir, backupDir  string
	compress, skipCompress string
	block                  string
	minSize, maxSize       string
	window                 int64
	shell                  string
	program                string
	stock                  syncd.StockOptions
}

func newSync() *cobra.Command {
	f := new(syncFlags)
	c := &cobra.Command{
		Use:   "sync [OPTIONS] SRC... DST",
		Short: "Make DST equal to SRC, once",
		Long: `Make DST equal to SRC, once. One of the two may be on another host:

    syncd://[user@]host[:port]/module/path     a daemon like this one
    rsync://[user@]host[:port]/module/path     stock rsync's daemon, also
    [user@]host::module/path                   written like this
    [user@]host:path                           stock rsync behind a remote shell

The password for stock rsync's daemon is taken from --password-file or RSYNC_PASSWORD.
If RSYNC_CONNECT_PROG is set, that command connects to it; %H in it is the host.
As with rsync, "dir/" means what is in dir, and "dir" means dir itself.
Unless some of -rlptgoD are given, or turned off by --no-perms and so on, all of
permissions, owners, times, symlinks, devices and specials are kept.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && f.human > 0 {
				return nil // -h alone asks for help, as with rsync
			}
			return cobra.MinimumNArgs(2)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return f.run(c, args)
		},
	}
	f.register(c)
	return c
}

func (f *syncFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.SortFlags = false
	f.keepFlags(fl)
	fl.BoolVarP(&f.opt.DryRun, "dry-run", "n", false, "show what would be done")
	fl.BoolVarP(&f.opt.Itemize, "itemize-changes", "i", false, "show each change in rsync's letters")
	fl.CountVarP(&f.verbose, "verbose", "v", "show the names of what changes, and a summary")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "show errors only")
	fl.BoolVarP(&f.opt.HardLinks, "hard-links", "H", false, "keep hard links")
	fl.BoolVarP(&f.opt.ACLs, "acls", "A", false, "keep POSIX ACLs")
	fl.BoolVarP(&f.opt.Xattrs, "xattrs", "X", false, "keep extended attributes")
	fl.BoolVarP(&f.opt.Sparse, "sparse", "S", false, "turn blocks of zeros into holes; holes are always kept")
	fl.BoolVar(&f.opt.NumericIDs, "numeric-ids", false, "keep numbers of owners rather than names")
	fl.BoolVarP(&f.opt.Checksum, "checksum", "c", false, "compare contents rather than size and time: both sides hash every file of equal size anew")
	fl.BoolVarP(&f.opt.Update, "update", "u", false, "leave files that are newer in DST")
	f.selection(fl)
	fl.BoolVarP(&f.opt.WholeFile, "whole-file", "W", false, "send whole files, not what differs; always so between local paths")
	fl.BoolVar(&f.noWhole, "no-whole-file", false, "send what differs, even between local paths")
	fl.StringVarP(&f.block, "block-size", "B", "", "compare in blocks of `SIZE`, for example 16K; else by the file's size")
	fl.BoolVar(&f.opt.Inplace, "inplace", false, "update files in place; a crash leaves a mix that the next run repairs")
	fl.BoolVar(&f.opt.Append, "append", false, "only add to files that have become longer; implies --inplace")
	fl.BoolVar(&f.opt.AppendVerify, "append-verify", false, "like --append, and verify the whole file")
	fl.BoolVar(&f.opt.Partial, "partial", false, "keep, hidden, what has arrived also of a file below 8 MiB, or for which the disk was full")
	fl.StringVar(&f.partialDir, "partial-dir", "", "keep it in the directory `NAME` beside the file")
	fl.VarPF(&onceFlag{&f.opt.Fuzzy}, "fuzzy", "y", "use a file of a similar name if there is none of that name").NoOptDefVal = "true"
	fl.Var(&altDest{&f.opt.AltDests, syncd.CompareDest}, "compare-dest", "leave out files that `DIR` has; may be repeated, as the next two")
	fl.Var(&altDest{&f.opt.AltDests, syncd.CopyDest}, "copy-dest", "copy files that `DIR` has from there")
	fl.Var(&altDest{&f.opt.AltDests, syncd.LinkDest}, "link-dest", "make hard links to files that `DIR` has")
	fl.BoolVar(&f.opt.MkPath, "mkpath", false, "make all directories on the way to DST")
	fl.VarPF(&onceFlag{&f.opt.OneFS}, "one-file-system", "x", "do not enter mount points").NoOptDefVal = "true"
	f.deletions(fl)
	f.backups(fl)
	fl.Var(&rule{&f.filter, ruleExclude}, "exclude", "leave out what matches `PATTERN`")
	fl.Var(&rule{&f.filter, ruleInclude}, "include", "do not leave out what matches `PATTERN`")
	fl.Var(&rule{&f.filter, ruleExcludeFrom}, "exclude-from", "read exclude patterns from `FILE`, - for standard input")
	fl.Var(&rule{&f.filter, ruleIncludeFrom}, "include-from", "read include patterns from `FILE`, - for standard input")
	fl.VarP(&rule{&f.filter, ruleFilter}, "filter", "f", "add the filter `RULE`; per-directory ones are not supported")
	fl.BoolVarP(&f.filter.From0, "from0", "0", false, "NUL ends the lines of files that options behind this one name")
	fl.StringVarP(&f.compress, "compress", "z", "none", "compress what is sent: zstd, auto (only what shrinks), `none`; zstd if no value is given")
	fl.Lookup("compress").NoOptDefVal = "zstd"
	fl.IntVar(&f.opt.Level, "compress-level", 0, "zstd's level, `1` to 22; 0 is its default")
	fl.StringVar(&f.skipCompress, "skip-compress", "", "do not compress files with these suffixes: `LIST` of suffixes with slashes between them")
	fl.StringVarP(&f.shell, "rsh", "e", "ssh", "reach host:path by the remote shell `COMMAND`, with its options")
	fl.StringVar(&f.program, "rsync-path", "rsync", "what the remote shell starts is `PROGRAM`")
	fl.StringVar(&f.stock.PasswordFile, "password-file", "", "the password for stock rsync's daemon is the first line of `FILE`, - for standard input")
	fl.IntVar(&f.stock.Protocol, "protocol", 0, "speak at most protocol `NUM` with stock rsync")
	fl.StringVar(&f.stock.Checksum, "checksum-choice", "", "have stock rsync verify with `NAME`: xxh128, xxh3, xxh64, md5, md4, sha1, none; with a comma, another one for --checksum")
	fl.StringVar(&f.stock.Compress, "compress-choice", "", "have stock rsync compress with `NAME`: zstd, lz4, zlibx, zlib, none")
	fl.BoolVar(&f.stock.Whole, "no-inc-recursive", false, "have stock rsync list the whole tree before anything else")
	fl.SetNormalizeFunc(aliases)
	fl.IntVar(&f.timeout, "timeout", 0, "give up after `SECONDS` without I/O; 0: never")
	fl.IntVar(&f.connect, "contimeout", 0, "give up connecting after `SECONDS`; 0: the kernel's limit")
	fl.IntVar(&f.retry, "retry", 0, "connect again up to `NUM` times when the connection breaks, and go on")
	fl.IntVar(&f.streams, "streams", 1, "share the work between `NUM` connections, where one does not fill the line")
	fl.StringVar(&f.bwlimit, "bwlimit", "", "limit the stream to `RATE` KiB per second, or with a suffix K, M, G")
	fl.StringVar(&f.fsync, "fsync", "none", "make it durable: `none`, commit (before the run ends), file (each)")
	fl.StringVar(&f.digest, "digest", "xxh3-128", "verify what arrives with `NAME`: xxh3-128, blake3")
	fl.StringVar(&f.transport, "transport", "splice", "move bodies by `NAME`: splice, sendfile, mmap, readwrite")
	fl.StringVar(&f.stats, "stats", "", "show statistics at the end; =json as one line of JSON")
	fl.Lookup("stats").NoOptDefVal = "text"
	fl.BoolVar(&f.progress, "progress", false, "show progress on a terminal")
	fl.BoolVarP(&f.partialProgress, "P", "P", false, "--partial --progress")
	fl.CountVarP(&f.human, "human-readable", "h", "show numbers in units of 1000, twice: of 1024; -h alone shows this")
	fl.Bool("help", false, "show this")
}

// aliases are rsync's other spellings of an option.
func aliases(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if long, ok := map[string]string{"no-r": "recursive", "no-l": "links", "no-p": "perms", "no-t": "times", "no-g": "group", "no-o": "owner"}[name]; ok {
		return pflag.NormalizedName("no-" + long)
	}
	switch name {
	case "cc":
		name = "checksum-choice"
	case "zc":
		name = "compress-choice"
	case "no-i-r":
		name = "no-inc-recursive"
	case "ignore-non-existing":
		name = "existing"
	case "del":
		name = "delete-during"
	}
	return pflag.NormalizedName(name)
}

// transfer turns the flags into a Transfer.
func (f *syncFlags) transfer(c *cobra.Command, args []string) (t *syncd.Transfer, err error) {
	t = &syncd.Transfer{Options: f.opt, Filter: &f.filter, Stats: syncd.NewStats()}
	usage := func(err error) (*syncd.Transfer, error) { return nil, &usageError{err: err} }
	if err := f.takeDeletions(c, &t.Options); err != nil {
		return usage(err)
	}
	if err := f.takeKept(&t.Options); err != nil {
		return usage(err)
	}
	t.Chmod = f.chmod
	if f.partialProgress {
		f.progress, t.Options.Partial = true, true
	}
	if f.timeout < 0 || f.connect < 0 {
		return usage(fmt.Errorf("--timeout and --contimeout take a number of seconds that is not negative"))
	}
	if f.retry < 0 {
		return usage(fmt.Errorf("--retry: %d is negative", f.retry))
	}
	if f.streams < 1 || f.streams > native.MaxStreams {
		return usage(fmt.Errorf("--streams: %d is not in 1..%d", f.streams, native.MaxStreams))
	}
	t.Retry, t.Streams = f.retry, f.streams
	t.Timeout, t.Connect = time.Duration(f.timeout)*time.Second, time.Duration(f.connect)*time.Second
	if f.bwlimit != "" {
		n, err := parseRate(f.bwlimit)
		if err != nil {
			return usage(fmt.Errorf("--bwlimit: %w", err))
		}
		if n > 0 {
			t.Limit = wire.NewLimiter(n)
		}
	}
	if t.Digest, err = syncd.ParseDigest(f.digest); err != nil {
		return usage(fmt.Errorf("--digest: %w", err))
	}
	if t.Transport, err = wire.ParseTransport(f.transport); err != nil {
		return usage(fmt.Errorf("--transport: %w", err))
	}
	if f.stats != "" && f.stats != "text" && f.stats != "json" {
		return usage(fmt.Errorf("--stats: unknown form %q (text, json)", f.stats))
	}
	if f.block != "" {
		if t.Options.BlockSize, err = parseSize(f.block); err != nil {
			return usage(fmt.Errorf("--block-size: %w", err))
		}
	}
	if err := f.takeSelection(c, &t.Options); err != nil {
		return usage(err)
	}
	if f.noWhole && f.opt.WholeFile {
		return usage(fmt.Errorf("--whole-file and --no-whole-file exclude each other"))
	}
	if t.Shell, err = syncd.ParseShell(f.shell); err != nil {
		return usage(fmt.Errorf("--rsh: %w", err))
	}
	t.RemoteProgram, t.Stock = f.program, f.stock
	t.LocalDelta = f.noWhole
	t.Options.Compress = syncd.Compress(f.compress)
	if c.Flags().Changed("skip-compress") {
		t.Options.SkipCompress = strings.Split(f.skipCompress, "/")
	}
	if f.partialDir != "" {
		t.Options.PartialDir = []byte(f.partialDir)
		// As with rsync it is neither sent nor deleted.
		if err := f.filter.AddExclude(f.partialDir + "/"); err != nil {
			return usage(fmt.Errorf("--partial-dir: %w", err))
		}
	}
	f.filter.DeleteExcluded = t.Options.DeleteExcluded
	t.Options.Fsync = syncd.Fsync(f.fsync)
	if err := f.takeBackups(c, &t.Options); err != nil {
		return usage(err)
	}
	if err := t.Options.Validate(); err != nil {
		return usage(err)
	}
	t.Options.Names = f.verbose > 0 && !f.quiet
	t.Options.Itemize = f.opt.Itemize && !f.quiet
	for i, a := range args {
		l, err := syncd.ParseLocation(a)
		if err != nil {
			return nil, err
		}
		if i < len(args)-1 {
			t.Sources = append(t.Sources, l)
		} else {
			t.Dest = l
		}
	}
	return t, nil
}

func (f *syncFlags) run(c *cobra.Command, args []string) error {
	// A terminal that is gone ends the run like any other signal.
	ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGHUP)
	defer stop()
	t, err := f.transfer(c, args)
	if err != nil {
		return err
	}
	out := &printer{out: c.OutOrStdout(), err: c.ErrOrStderr()}
	t.Note = out.note
	if f.progress && !f.quiet {
		out.progress = startProgress(t.Stats, out)
	}
	result, err := t.Run(ctx)
	out.progress.stop()
	if result == nil {
		result = t.Stats.Result(syncd.ExitCode(err))
	}
	if err != nil {
		result.Exit = syncd.ExitCode(err)
	}
	f.report(out, result)
	if err != nil {
		return err
	}
	if result.Exit != 0 {
		fmt.Fprintf(out.err, "syncd: %s (code %d)\n", exitText(result.Exit), result.Exit)
		return exitCode(result.Exit)
	}
	return nil
}

// exitText says what a code means to the user.
func exitText(code int) string {
	switch code {
	case syncd.ExitPartial:
		return "some files could not be transferred; the lines above name them"
	case syncd.ExitVanished:
		return "some files vanished before they could be transferred"
	case syncd.ExitMaxDelete:
		return "--max-delete stopped the deletions"
	}
	return "the transfer did not complete"
}

// printer writes lines for the person, one at a time.
type printer struct {
	mu       sync.Mutex
	out, err io.Writer
	progress *progress
}

func (p *printer) note(n native.Note) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress.clear()
	if n.Error {
		fmt.Fprintf(p.err, "syncd: %s\n", printableLine(n.Text))
		return
	}
	fmt.Fprintln(p.out, printableLine(n.Text))
}

// printableLine keeps what a peer wrote from steering the terminal. Names in
// it have been escaped by who wrote it; this is for a peer that did not.
func printableLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
