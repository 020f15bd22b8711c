package syncd

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// WritePidFile writes this process's id to a file, and locks it until unlock is
// called, which removes it. Whoever finds the file unlocked may overwrite it
// (clientserver.c:create_pid_file). An empty path is none.
func WritePidFile(path string) (unlock func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	fail := func(err error) (func(), error) {
		return nil, Exitf(ExitFileIO, "pid file: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, logMode)
	if err != nil {
		return fail(err)
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	err = unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		err = fmt.Errorf("%s is locked: is another daemon running?", path)
	}
	if err == nil {
		if err = f.Truncate(0); err == nil {
			_, err = fmt.Fprintf(f, "%d\n", os.Getpid())
		}
	}
	if err != nil {
		f.Close()
		return fail(err)
	}
	return func() {
		_ = os.Remove(path) // an unlocked file means as little as none
		f.Close()
	}, nil
}
