package syncd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// Exit codes, which are rsync's.
const (
	ExitOK          = 0
	ExitUsage       = 1
	ExitProtocol    = 2
	ExitFiles       = 3
	ExitUnsupported = 4
	ExitStart       = 5
	ExitSocket      = 10
	ExitFileIO      = 11
	ExitStream      = 12
	ExitSignal      = 20
	ExitPartial     = 23
	ExitVanished    = 24
	ExitMaxDelete   = 25
	ExitTimeout     = 30
	ExitConnTimeout = 35
)

// ExitError is an error with the exit code that it leads to.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *ExitError) Unwrap() error { return e.Err }

// Exitf returns an ExitError; the format is that of fmt.Errorf.
func Exitf(code int, format string, args ...any) error {
	return &ExitError{Code: code, Err: fmt.Errorf(format, args...)}
}

// ExitCode maps an error to the exit code of the process.
func ExitCode(err error) int {
	var exit *ExitError
	var words *stockWords
	var fatal *native.FatalError
	var refused *native.RefusedError
	var notNative *native.NotNativeError
	var file *wire.FileError
	var path *os.PathError
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		return exit.Code
	case errors.As(err, &words):
		return words.code
	case errors.As(err, &fatal):
		if fatal.Code > 0 && fatal.Code < 128 {
			return fatal.Code
		}
		return ExitStream
	case errors.As(err, &refused) && refused.Code == native.CodeOption:
		return ExitUnsupported
	case refused != nil, errors.As(err, &notNative):
		return ExitStart
	case errors.Is(err, context.Canceled):
		return ExitSignal
	case errors.Is(err, wire.ErrTimeout):
		return ExitTimeout
	case errors.Is(err, native.ErrProtocol):
		return ExitProtocol
	case isStockError(err):
		return rsync.ExitCode(err)
	case errors.As(err, &file), errors.As(err, &path):
		return ExitFileIO
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF),
		errors.Is(err, net.ErrClosed), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ExitStream
	}
	return ExitStream
}

// isStockError tells errors of the stock dialect, whose codes it knows best.
func isStockError(err error) bool {
	var exit *rsync.ExitError
	var arg *rsync.ArgError
	var daemon *rsync.DaemonError
	return errors.As(err, &exit) || errors.As(err, &arg) || errors.As(err, &daemon) ||
		errors.Is(err, rsync.ErrProtocol) || errors.Is(err, rsync.ErrStream) || errors.Is(err, rsync.ErrUnsupported)
}
