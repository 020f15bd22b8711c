package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/config/rsyncd"
	"github.com/seed9553035b/syncd/syncd"
)

// Where stock's daemon looks for its configuration: the second is of a user who
// starts it by a remote shell, in the directory where that starts.
const (
	rsyncdConf     = "/etc/rsyncd.conf"
	userRsyncdConf = "rsyncd.conf"
)

// isDaemon reports whether a command line is that of a stock daemon: all that is
// in front of a "." has to be options.
func isDaemon(args []string) bool {
	if i := slices.Index(args, "."); i >= 0 {
		args = args[:i]
	}
	return len(args) > 0 && strings.HasPrefix(args[0], "-") && slices.Contains(args, "--daemon")
}

// daemon is `syncd --daemon`: a daemon that reads an rsyncd.conf and takes the
// options of stock's.
type daemon struct {
	file     string
	set      []string // --dparam, and options that are the same
	logFile  string
	noDetach bool
	server   bool // started by a remote shell
	verbose  int
	only     string // "tcp4" or "tcp6"
}

func runDaemon(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	d, err := parseDaemon(args, stdout)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return syncd.ExitOK
	case err != nil:
		fmt.Fprintf(stderr, "syncd: %v\n`syncd --daemon --help` shows the options.\n", err)
		return syncd.ExitUsage
	}
	if err := d.run(ctx, stderr); err != nil {
		fmt.Fprintf(stderr, "syncd: %v\n", err)
		var usage *usageError
		if errors.As(err, &usage) {
			return syncd.ExitUsage
		}
		return syncd.ExitCode(err)
	}
	return syncd.ExitOK
}

// parseDaemon parses the options of a daemon (rsync(1), rsync --daemon --help).
func parseDaemon(args []string, stdout io.Writer) (*daemon, error) {
	d := &daemon{}
	f := pflag.NewFlagSet("syncd --daemon", pflag.ContinueOnError)
	f.SetOutput(stdout)
	f.Usage = func() {
		fmt.Fprintf(stdout, "Usage: syncd --daemon [OPTION]...\n\nServes the modules of an rsyncd.conf. When its standard input is a socket, it serves\nthe client there; else it listens.\n\n%s", f.FlagUsages())
	}
	f.Bool("daemon", false, "be a daemon as stock rsync's")
	f.BoolVar(&d.server, "server", false, "a remote shell has started it: serve the client on standard input and output")
	f.StringVar(&d.file, "config", "", "read `FILE` rather than "+rsyncdConf)
	address := f.String("address", "", "listen on `ADDRESS`")
	port := f.String("port", "", "listen on `PORT`")
	f.StringArrayVarP(&d.set, "dparam", "M", nil, "set the parameter `NAME=VALUE` of the configuration's global part")
	f.StringVar(&d.logFile, "log-file", "", "log to `FILE`, whatever the configuration says")
	f.BoolVar(&d.noDetach, "no-detach", false, "stay in the foreground")
	f.CountVarP(&d.verbose, "verbose", "v", "log more")
	ipv4 := f.BoolP("ipv4", "4", false, "listen on IPv4 only")
	ipv6 := f.BoolP("ipv6", "6", false, "listen on IPv6 only")
	for _, name := range []string{"server", "daemon"} {
		f.Lookup(name).NoOptDefVal = "true"
	}
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if rest := f.Args(); len(rest) > 0 && !(d.server && slices.Equal(rest, []string{"."})) {
		return nil, fmt.Errorf("%q is no option of a daemon", rest[0])
	}
	if *address != "" {
		d.set = append(d.set, "address="+*address)
	}
	if *port != "" {
		d.set = append(d.set, "port="+*port)
	}
	switch {
	case *ipv4 && *ipv6:
		return nil, errors.New("-4 and -6 exclude each other")
	case *ipv4:
		d.only = "tcp4"
	case *ipv6:
		d.only = "tcp6"
	}
	if d.file == "" {
		if d.file = rsyncdConf; d.server && os.Geteuid() != 0 {
			d.file = userRsyncdConf
		}
	}
	var err error
	d.file, err = filepath.Abs(d.file) // it is read again when the directory is another
	return d, err
}

// load reads the configuration. What a file asks for and can't have is logged, or
// is an error if the daemon would allow more without it.
func (d *daemon) load() (*config.Config, []rsyncd.Note, error) {
	cfg, notes, err := rsyncd.Load(d.file, rsyncd.Options{Root: os.Geteuid() == 0, Set: d.set})
	if err != nil {
		return nil, nil, err
	}
	var unsafe []error
	for _, n := range notes {
		if n.Unsafe {
			unsafe = append(unsafe, fmt.Errorf("%s; take it out if that is right", n))
		}
	}
	if len(unsafe) > 0 {
		return nil, nil, errors.Join(unsafe...)
	}
	if d.logFile != "" {
		cfg.Log.File = d.logFile
		for i := range cfg.Modules {
			cfg.Modules[i].LogFile = ""
		}
	}
	if d.verbose > 0 {
		cfg.Log.Level = "debug"
	}
	return cfg, notes, nil
}

// run serves the client on standard input, or listens.
func (d *daemon) run(ctx context.Context, stderr io.Writer) error {
	cfg, notes, err := d.load()
	if err != nil {
		return &usageError{err: err}
	}
	one := d.server || isSocket(os.Stdin)
	if one || !d.noDetach && os.Getenv(detachedVar) == "" {
		if cfg.Log.File == "" {
			cfg.Log.File = config.LogSyslog // standard error is the client's, or closed soon
		}
	}
	if one {
		return d.serveOne(ctx, cfg, notes)
	}
	if os.Getenv(detachedVar) != "" {
		return d.detached(ctx, cfg, notes)
	}
	listeners, err := syncd.ListenOn(d.only, cfg)
	if err != nil {
		return err
	}
	if !d.noDetach {
		return d.detach(listeners)
	}
	return d.listen(ctx, cfg, notes, listeners, func() {})
}

// serveOne serves the client that inetd, a connection program or a remote shell
// has left on standard input. Without a system log nothing is logged.
func (d *daemon) serveOne(ctx context.Context, cfg *config.Config, notes []rsyncd.Note) error {
	w, err := syncd.OpenLog(cfg)
	if err != nil {
		if cfg.Log.File != config.LogSyslog {
			return err
		}
		cfg.Log.File, w = "", io.Discard
	}
	log := syncd.NewLogger(cfg, w)
	logNotes(log, notes)
	out := os.Stdin
	if d.server { // stock's client may give its shell a socket for each direction
		out = os.Stdout
	}
	return syncd.NewServer(cfg, log).ServeOne(ctx, os.Stdin, out)
}

func logNotes(log *slog.Logger, notes []rsyncd.Note) {
	for _, n := range notes {
		log.Warn("configuration", "problem", n.String())
	}
}

// listen serves until ctx is done. ready is called when clients can come.
func (d *daemon) listen(ctx context.Context, cfg *config.Config, notes []rsyncd.Note, listeners []net.Listener, ready func()) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	w, err := syncd.OpenLog(cfg)
	if err != nil {
		return &syncd.ExitError{Code: syncd.ExitFileIO, Err: err}
	}
	log := syncd.NewLogger(cfg, w)
	logNotes(log, notes)
	if err := syncd.CheckModules(cfg); err != nil { // these modules turn clients away
		log.Error("configuration", "problem", err.Error())
	}
	unlock, err := syncd.WritePidFile(cfg.PidFile)
	if err != nil {
		return err
	}
	defer unlock()
	s := syncd.NewServer(cfg, log)
	s.Fresh = fresh(cfg, log, func() (*config.Config, error) {
		cfg, _, err := d.load()
		return cfg, err
	})
	for _, l := range listeners {
		log.Info("listening", "addr", l.Addr().String(), "modules", len(cfg.Modules), "config", d.file)
	}
	go func() {
		for range hup { // the configuration is read anew for each client anyway
			if _, err := syncd.OpenLog(cfg); err != nil {
				log.Error("the log stays as it was", "err", err.Error())
			}
		}
	}()
	ready()
	notifyReady(log)
	s.Serve(ctx, listeners...)
	log.Info("stopped")
	return nil
}

// fresh returns a function that reads the configuration anew, as stock does for
// each client. One that is wrong keeps the last good one in force.
func fresh(last *config.Config, log *slog.Logger, load func() (*config.Config, error)) func() *config.Config {
	said := ""
	return func() *config.Config {
		cfg, err := load()
		if err == nil {
			last, said = cfg, ""
			return cfg
		}
		if err.Error() != said {
			said = err.Error()
			log.Error("the configuration stays as it was", "err", said)
		}
		return last
	}
}

func isSocket(f *os.File) bool {
	var st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK
}
