package syncd

import (
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/config"
)

// logMode is the mode of a new log file.
const logMode = 0o644

// OpenLog returns where a daemon's log goes. A file takes the place of standard
// error: so a panic is in it, and the daemon's children have it. Calling it again
// opens the file anew, and what was made of the first writer goes there.
func OpenLog(cfg *config.Config) (io.Writer, error) {
	switch cfg.Log.File {
	case "":
		return os.Stderr, nil
	case config.LogSyslog:
		return syslogWriter()
	}
	f, err := openLogFile(cfg.Log.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := unix.Dup3(int(f.Fd()), unix.Stderr, 0); err != nil {
		return nil, fmt.Errorf("log to %s: %w", cfg.Log.File, err)
	}
	return os.Stderr, nil
}

func openLogFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, logMode)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	return f, nil
}

func syslogWriter() (io.Writer, error) {
	w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "rsyncd")
	if err != nil {
		return nil, fmt.Errorf("open the system's log: %w; name a log file, or run without detaching", err)
	}
	return w, nil
}

// NewLogger logs to w as the configuration says. slog's handlers escape control
// characters in values.
func NewLogger(cfg *config.Config, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		level = slog.LevelInfo // Validate has refused all that could get here
	}
	o := &slog.HandlerOptions{Level: level}
	if cfg.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// childLog returns the standard error of a child, and what that needs to know of
// logs.
func (n *session) childLog() (f *os.File, own config.Log, err error) {
	own = n.cfg.Log
	if n.module.LogFile != "" {
		own.File = n.module.LogFile
	}
	if own.File == config.LogSyslog {
		f, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		return f, own, err
	}
	own.File = "" // the daemon's standard error is its log file
	if n.module.LogFile != "" {
		f, err = openLogFile(n.module.LogFile)
		return f, own, err
	}
	fd, err := unix.FcntlInt(uintptr(unix.Stderr), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, own, err
	}
	return os.NewFile(uintptr(fd), os.Stderr.Name()), own, nil
}

// ownLog has the session log to its module's file, if that has one, until the
// function that it returns is called. One that can't be opened is no reason to
// turn clients away.
func (n *session) ownLog() (done func()) {
	path := n.module.LogFile
	if path == "" {
		return func() {}
	}
	var w io.Writer
	var err error
	done = func() {}
	if path == config.LogSyslog {
		w, err = syslogWriter()
	} else {
		var f *os.File
		f, err = openLogFile(path)
		w, done = f, func() { f.Close() }
	}
	if err != nil {
		n.log.Error("the module's log can't be used", "module", n.module.Name, "err", err.Error())
		return func() {}
	}
	n.log = NewLogger(n.cfg, w).With("session", n.number, "client", n.client)
	return done
}
