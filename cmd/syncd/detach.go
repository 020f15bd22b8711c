package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/config/rsyncd"
	"github.com/seed9553035b/syncd/syncd"
)

// A Go program can't fork. To detach, it starts itself once more, in a session of
// its own, with the listeners: so that it is this process that says what is wrong
// with an address or a file. It ends when the other one is ready for clients.

// detachedVar is set for the second process: to the number of listeners.
const detachedVar = "SYNCD_DETACHED"

// Descriptors of the second process: where it says what went wrong, and the first
// listener.
const (
	detachedReport = 3 + iota
	detachedListener
)

// detach starts the second process, and waits until it serves.
func (d *daemon) detach(listeners []net.Listener) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	c := exec.Command("/proc/self/exe", os.Args[1:]...)
	c.Args[0] = os.Args[0]
	c.Env = append(os.Environ(), detachedVar+"="+strconv.Itoa(len(listeners)))
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.ExtraFiles = []*os.File{w}
	for _, l := range listeners {
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			return err
		}
		defer f.Close()
		c.ExtraFiles = append(c.ExtraFiles, f)
	}
	err = c.Start()
	w.Close()
	if err != nil {
		return err
	}
	said, err := io.ReadAll(r)
	if err != nil || string(said) == readyWord {
		return err
	}
	err = c.Wait()
	if len(said) == 0 {
		return syncd.Exitf(syncd.ExitStart, "the daemon ended at once: %w", err)
	}
	return syncd.Exitf(max(c.ProcessState.ExitCode(), 1), "%s", said)
}

// readyWord is what the second process says when it serves.
const readyWord = "ready"

// detached is the second process.
func (d *daemon) detached(ctx context.Context, cfg *config.Config, notes []rsyncd.Note) error {
	report := os.NewFile(detachedReport, "report")
	n, err := strconv.Atoi(os.Getenv(detachedVar))
	if err != nil {
		return fmt.Errorf("%s: %w", detachedVar, err)
	}
	if err := os.Unsetenv(detachedVar); err != nil {
		return err
	}
	var listeners []net.Listener
	for i := range n {
		f := os.NewFile(uintptr(detachedListener+i), "listener")
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return err
		}
		listeners = append(listeners, l)
	}
	if cfg.Log.File == "" {
		cfg.Log.File = config.LogSyslog
	}
	if err = os.Chdir("/"); err == nil {
		err = d.listen(ctx, cfg, notes, listeners, func() {
			fmt.Fprint(report, readyWord)
			report.Close()
		})
	}
	if err != nil {
		fmt.Fprint(report, err)
	}
	return err
}
