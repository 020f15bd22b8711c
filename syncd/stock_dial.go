package syncd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// StockOptions is what a run asks of stock rsync at the other end, beyond what
// both dialects know. The zero value leaves everything to the two sides.
type StockOptions struct {
	Protocol     int    // the highest that is offered; 0: all of ours
	Checksum     string // as the value of stock's --checksum-choice; "" or "auto": negotiated
	Compress     string // as the value of stock's --compress-choice; "" or "auto": negotiated, if Options say compress
	Whole        bool   // lists come whole: no incremental recursion
	PasswordFile string // whose first line is the password, "-" for standard input; "": RSYNC_PASSWORD
}

// Validate checks what a person set.
func (o *StockOptions) Validate() error {
	if o.Protocol != 0 && (o.Protocol < rsync.MinProtocol || o.Protocol > rsync.MaxProtocol) {
		return fmt.Errorf("--protocol=%d: this program speaks %d to %d", o.Protocol, rsync.MinProtocol, rsync.MaxProtocol)
	}
	return rsync.CheckChoices(o.Checksum, o.Compress)
}

// protocol is the version that is offered.
func (o *StockOptions) protocol() int {
	if o.Protocol == 0 {
		return rsync.MaxProtocol
	}
	return o.Protocol
}

// fitProtocol makes arguments such that a server of that protocol understands
// them, or says what can't be had (compat.c:setup_protocol).
func fitProtocol(a *rsync.Args, protocol int) error {
	need := func(on bool, option string, least int) error {
		if on && protocol < least {
			return Exitf(ExitProtocol, "%s needs protocol %d or higher at the other end, which is held to %d", option, least, protocol)
		}
		return nil
	}
	if protocol < 30 && a.Delete == rsync.DeleteDelay {
		a.Delete = rsync.DeleteAfter // which such a server knows
	}
	return errors.Join(need(a.ACLs, "--acls", 30), need(a.Xattrs > 0, "--xattrs", 30), need(a.Fuzzy > 0, "--fuzzy", 29),
		need(a.Inplace && a.PartialDir != "", "--partial-dir with --inplace", 29),
		need(a.Inplace && len(a.CompareDest)+len(a.CopyDest)+len(a.LinkDest) > 0, "--inplace with a directory to compare with", 29),
		need(len(a.CompareDest)+len(a.CopyDest)+len(a.LinkDest) > 1, "more than one directory to compare with", 29))
}

// dialStock opens a session with a stock daemon, up to its module.
func (t *Transfer) dialStock(ctx context.Context, to Location) (*stockPeer, *rsync.Hello, error) {
	var p *stockPeer
	if program := os.Getenv("RSYNC_CONNECT_PROG"); program != "" {
		var err error
		if p, err = t.startConnectProgram(program, to); err != nil {
			return nil, nil, Exitf(ExitSocket, "%s: RSYNC_CONNECT_PROG: %w", to, err)
		}
	} else {
		conn, err := t.connect(ctx, to)
		if err != nil {
			return nil, nil, err
		}
		p = newStockPeer(conn, false, t.Note)
	}
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer stop()
	h, err := rsync.ClientHello(p.r, p.w, t.Stock.protocol())
	if err != nil {
		p.close()
		return nil, nil, t.stockError(ctx, to, err)
	}
	return p, h, nil
}

// startConnectProgram runs the shell command that stands for a connection to a
// daemon. %H in it is the host, RSYNC_PORT has the port (socket.c:
// open_socket_out_wrapped). A host whose name means something to a shell is
// refused (CVE-2026-53790).
func (t *Transfer) startConnectProgram(program string, to Location) (*stockPeer, error) {
	host, port, err := net.SplitHostPort(to.Host)
	if err != nil {
		return nil, err
	}
	for _, c := range host {
		if c < '0' && c != '-' && c != '.' && c != '%' || c > '9' && c < 'A' && c != ':' || c > 'Z' && c < 'a' && c != '_' || c > 'z' {
			return nil, fmt.Errorf("the host %q can't be put into a shell's command", host)
		}
	}
	command := strings.NewReplacer("%%", "%", "%H", host).Replace(program)
	c := exec.Command("/bin/sh", "-c", command)
	c.Env = append(os.Environ(), "RSYNC_PORT="+port)
	c.Stderr = os.Stderr
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	c.Stdin, c.Stdout = theirs, theirs
	err = c.Start()
	if err = errors.Join(err, theirs.Close()); err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	conn, err := wire.NewConn(ours, t.wireOptions())
	if err != nil {
		return nil, errors.Join(err, ours.Close(), c.Wait())
	}
	p := newStockPeer(conn, false, t.Note)
	p.wait = c.Wait
	return p, nil
}

// socketPair returns the two ends of a TCP connection on loopback: a stock
// daemon that is started on anything else does not take it for a client
// (socket.c:socketpair_tcp).
func socketPair() (ours net.Conn, theirs *os.File, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if ours, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return nil, nil, errors.Join(err, ours.Close())
		}
		if c.RemoteAddr().String() != ours.LocalAddr().String() {
			c.Close() // somebody else on this host
			continue
		}
		theirs, err = c.(*net.TCPConn).File()
		if err = errors.Join(err, c.Close()); err != nil {
			return nil, nil, errors.Join(err, ours.Close())
		}
		return ours, theirs, nil
	}
}

// start runs a remote shell on pipes from which and
// to which the kernel moves bodies. Its standard error is this process's: it
// may ask for a password, or say why it can't connect. It ends when its pipes
// are closed.
func (t *Transfer) start(c *exec.Cmd) (*stockPeer, error) {
	c.Stderr = os.Stderr
	in, theirOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	theirIn, out, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, in.Close(), theirOut.Close())
	}
	c.Stdin, c.Stdout = theirIn, theirOut
	err = c.Start()
	err = errors.Join(err, theirIn.Close(), theirOut.Close())
	if err != nil {
		return nil, errors.Join(err, in.Close(), out.Close())
	}
	conn, err := wire.NewStream(in, out, t.wireOptions())
	if err != nil {
		return nil, errors.Join(err, in.Close(), out.Close(), c.Wait())
	}
	p := newStockPeer(conn, false, t.Note)
	p.wait = c.Wait
	return p, nil
}

// stockPassword is asked for by a daemon that wants one.
func (t *Transfer) stockPassword() (string, error) {
	if t.Stock.PasswordFile != "" {
		return readPassword(t.Stock.PasswordFile)
	}
	if p, ok := os.LookupEnv("RSYNC_PASSWORD"); ok {
		return p, nil
	}
	return "", Exitf(ExitUsage, "the daemon wants a password: name a file that has it with --password-file, or set RSYNC_PASSWORD")
}

// readPassword reads the first line of a file that nobody else can read or
// write (authenticate.c:getpassf).
func readPassword(path string) (string, error) {
	f := os.Stdin
	if path != "-" {
		var err error
		if f, err = os.Open(path); err != nil {
			return "", Exitf(ExitUsage, "--password-file: %w", err)
		}
		defer f.Close()
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			return "", Exitf(ExitUsage, "--password-file %s: %w", path, err)
		}
		switch {
		case st.Mode&unix.S_IFMT != unix.S_IFREG:
			return "", Exitf(ExitUsage, "--password-file %s: it is no regular file", path)
		case st.Mode&0o006 != 0:
			return "", Exitf(ExitUsage, "--password-file %s: others can read or write it; chmod o-rw it", path)
		case os.Geteuid() == 0 && st.Uid != 0:
			return "", Exitf(ExitUsage, "--password-file %s: it must belong to root, since root runs this", path)
		}
	}
	line, err := bufio.NewReader(io.LimitReader(f, maxPassword)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", Exitf(ExitUsage, "--password-file %s: %w", path, err)
	}
	if line = strings.TrimRight(line, "\r\n"); line == "" {
		return "", Exitf(ExitUsage, "--password-file %s: its first line is empty", path)
	}
	return line, nil
}

// maxPassword bounds the line that is read from a password file, in bytes.
const maxPassword = 1024
