package rsync_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/rsync"
)

func TestExitCodes(t *testing.T) {
	var dialer net.Dialer
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	_, dial := dialer.DialContext(cancelled, "tcp", "127.0.0.1:1")
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{&rsync.ArgError{Option: "-x"}, rsync.ExitUsage},
		{rsync.ErrProtocol, rsync.ExitProtocol},
		{rsync.ErrUnsupported, rsync.ExitUnsupported},
		{rsync.ErrNegotiate, rsync.ExitUnsupported},
		{&rsync.DaemonError{Text: "no"}, rsync.ExitStart},
		{dial, rsync.ExitSocket},
		{&wire.FileError{Op: "pwrite", Err: os.ErrPermission}, rsync.ExitFileIO},
		{rsync.ErrStream, rsync.ExitStream},
		{io.EOF, rsync.ExitStream},
		{io.ErrUnexpectedEOF, rsync.ExitStream},
		{errors.New("anything else"), rsync.ExitStream},
		{wire.ErrTimeout, rsync.ExitTimeout},
		{&rsync.ExitError{Code: 23}, 23},
	} {
		if got := rsync.ExitCode(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
		if c.err != nil && rsync.ExitCode(fmt.Errorf("wrapped: %w", c.err)) != c.want {
			t.Errorf("%v, wrapped: not %d", c.err, c.want)
		}
	}
}

func TestIOErrorExit(t *testing.T) {
	for bits, want := range map[int]int{0: 0, rsync.IOErrGeneral: 23, rsync.IOErrVanished: 24, rsync.IOErrDelLimit: 25,
		rsync.IOErrGeneral | rsync.IOErrDelLimit: 23, rsync.IOErrVanished | rsync.IOErrDelLimit: 25} {
		if got := rsync.IOErrorExit(bits); got != want {
			t.Errorf("%#x: %d, want %d", bits, got, want)
		}
	}
}
