package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
)

// Descriptors that an end is given.
const (
	socketFD = 3
	fileFD   = 4
)

// The roles of ends.
const (
	roleSend    = "send"
	roleReceive = "receive"
)

// silence is how long an end waits for its peer.
const silence = time.Minute

// An End is what one end of a run used.
type End struct {
	CPU         float64          `json:"cpu_seconds"`
	Calls       int64            `json:"system_calls"`
	Voluntary   int64            `json:"voluntary_switches"`   // of context: it waited
	Involuntary int64            `json:"involuntary_switches"` // another one's turn
	Seconds     float64          `json:"seconds"`
	Fallbacks   map[string]int64 `json:"fallbacks,omitempty"` // why not all went as meant
}

// RunEnd is one end of a run, in a process of its own. args are
//
//	send|receive TRANSPORT BYTES
//
// and the process has a connected TCP socket as descriptor 3 and a file as 4.
// It writes an End as JSON.
func RunEnd(args []string, out io.Writer) error {
	if len(args) != 3 || args[0] != roleSend && args[0] != roleReceive {
		return fmt.Errorf("an end of a run is started by `bench transports`, not by hand")
	}
	transport, err := wire.ParseTransport(args[1])
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return fmt.Errorf("bytes: %w", err)
	}
	socket, file := os.NewFile(socketFD, "socket"), os.NewFile(fileFD, "file")
	defer file.Close()
	nc, err := net.FileConn(socket)
	socket.Close()
	if err != nil {
		return fmt.Errorf("descriptor %d: %w", socketFD, err)
	}
	conn, err := wire.NewConn(nc, wire.Options{Transport: transport, Timeout: silence})
	if err != nil {
		nc.Close()
		return err
	}
	defer conn.Close()
	move := send
	if args[0] == roleReceive {
		move = receive
	}
	end, err := move(conn, file, n)
	if err != nil {
		return fmt.Errorf("%s by %s: %w", args[0], transport, err)
	}
	return json.NewEncoder(out).Encode(end)
}

// send waits until the receiver is ready, sends, and waits until it has
// written all.
func send(c *wire.Conn, f *os.File, n int64) (*End, error) {
	if err := await(c); err != nil {
		return nil, err
	}
	return account(c, func() error {
		if err := c.SendFile(f, 0, n); err != nil {
			return err
		}
		if err := c.Flush(); err != nil {
			return err
		}
		return await(c)
	})
}

func receive(c *wire.Conn, f *os.File, n int64) (*End, error) {
	return account(c, func() error {
		if err := tell(c); err != nil {
			return err
		}
		if err := c.RecvFile(f, 0, n); err != nil {
			return err
		}
		return tell(c)
	})
}

// tell sends a byte, which await takes.
func tell(c *wire.Conn) error {
	if _, err := c.Write([]byte{1}); err != nil {
		return err
	}
	return c.Flush()
}

func await(c *wire.Conn) error {
	_, err := io.ReadFull(c, make([]byte, 1))
	return err
}

// account does the work and returns what it used.
func account(c *wire.Conn, work func() error) (*End, error) {
	var before, after unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &before); err != nil {
		return nil, err
	}
	calls, start := c.Stats().Calls.Load(), time.Now()
	if err := work(); err != nil {
		return nil, err
	}
	took := time.Since(start)
	if err := unix.Getrusage(unix.RUSAGE_SELF, &after); err != nil {
		return nil, err
	}
	return &End{
		CPU:         float64(cpuNanos(&after)-cpuNanos(&before)) / 1e9,
		Calls:       c.Stats().Calls.Load() - calls,
		Voluntary:   after.Nvcsw - before.Nvcsw,
		Involuntary: after.Nivcsw - before.Nivcsw,
		Seconds:     took.Seconds(),
		Fallbacks:   c.Stats().Fallbacks(),
	}, nil
}

func cpuNanos(ru *unix.Rusage) int64 { return ru.Utime.Nano() + ru.Stime.Nano() }
