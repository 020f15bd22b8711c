package rsync

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/seed9553035b/syncd/wire"
)

// The kinds of failure that end a connection. Each is wrapped by the errors
// that decoders return; [ExitCode] maps them to the codes of stock rsync.
var (
	// ErrProtocol: the peer sent a value that the protocol forbids.
	ErrProtocol = errors.New("protocol error")
	// ErrStream: the byte stream itself is damaged (frame, length, code).
	ErrStream = errors.New("error in rsync protocol data stream")
	// ErrUnsupported: the peer asks for what this side does not do.
	ErrUnsupported = errors.New("requested action not supported")
	// ErrEntry: a file cannot be described in this protocol. Nothing of it
	// was written; the list goes on without it.
	ErrEntry = errors.New("file cannot be listed")
	// ErrNegotiate: no common name for a checksum or a compression.
	ErrNegotiate = fmt.Errorf("%w: no common choice", ErrUnsupported)
)

// A DaemonError is the text of an "@ERROR" line, without the prefix.
type DaemonError struct{ Text string }

// Error returns the line as stock clients print it.
func (e *DaemonError) Error() string { return "@ERROR: " + e.Text }

// An ArgError names an option that a peer's server arguments hold and that is
// unknown or malformed.
type ArgError struct {
	Option string
	Reason string
}

// Error names the option.
func (e *ArgError) Error() string { return fmt.Sprintf("%s: %s", e.Option, e.Reason) }

// An ExitError is the peer's MSG_ERROR_EXIT. Empty says that the message bore
// no code: it is final and wants no answer.
type ExitError struct {
	Code  int
	Empty bool
}

// Error states the peer's code.
func (e *ExitError) Error() string {
	if e.Empty {
		return "peer ended the session"
	}
	return fmt.Sprintf("peer ended the session with code %d", e.Code)
}

// Exit codes of stock rsync (errcode.h).
const (
	ExitOK             = 0
	ExitUsage          = 1
	ExitProtocol       = 2
	ExitFileSelect     = 3
	ExitUnsupported    = 4
	ExitStart          = 5
	ExitSocket         = 10
	ExitFileIO         = 11
	ExitStream         = 12
	ExitMessage        = 13
	ExitIPC            = 14
	ExitCrashed        = 15
	ExitTerminated     = 16
	ExitSignal1        = 19
	ExitSignal         = 20
	ExitWait           = 21
	ExitMemory         = 22
	ExitPartial        = 23
	ExitVanished       = 24
	ExitMaxDelete      = 25
	ExitTimeout        = 30
	ExitConnectTimeout = 35
)

// Bits of an io_error, as MSG_IO_ERROR and the end of a list carry them.
const (
	IOErrGeneral  = 1 // the run ends with 23; deletions are skipped
	IOErrVanished = 2 // a source file vanished; 24
	IOErrDelLimit = 4 // --max-delete stopped deletions; 25

	ioErrMask = IOErrGeneral | IOErrVanished | IOErrDelLimit
)

// ExitCode returns the exit code that stock rsync would end with for err.
func ExitCode(err error) int {
	var (
		exit   *ExitError
		refuse *RefusedError
		arg    *ArgError
		daemon *DaemonError
		nerr   net.Error
		file   *wire.FileError
	)
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &exit):
		return exit.Code
	case errors.As(err, &refuse):
		return ExitUnsupported
	case errors.As(err, &arg):
		return ExitUsage
	case errors.As(err, &daemon):
		return ExitStart
	case errors.Is(err, ErrUnsupported):
		return ExitUnsupported
	case errors.Is(err, ErrProtocol):
		return ExitProtocol
	case errors.Is(err, ErrStream), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ExitStream
	case errors.Is(err, wire.ErrTimeout), errors.As(err, &nerr) && nerr.Timeout():
		return ExitTimeout
	case errors.As(err, &file):
		return ExitFileIO
	case errors.As(err, &nerr):
		return ExitSocket
	}
	return ExitStream
}

// IOErrorExit returns the exit code that the bits of an io_error stand for
// (log.c:log_exit, cleanup.c:_exit_cleanup): 23 wins over 25, 25 over 24.
func IOErrorExit(bits int) int {
	switch {
	case bits&IOErrGeneral != 0:
		return ExitPartial
	case bits&IOErrDelLimit != 0:
		return ExitMaxDelete
	case bits&IOErrVanished != 0:
		return ExitVanished
	}
	return ExitOK
}

// protoErrorf returns an error that wraps ErrProtocol.
func protoErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// streamErrorf returns an error that wraps ErrStream.
func streamErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrStream, fmt.Sprintf(format, args...))
}
