package syncd

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/wire/native"
)

// A module with a uid or gid of its own gets a process with these ids for each
// session: file system ids belong to threads, and goroutines do not stay on one.
//
//  1. The daemon lets the client in: module, host, password, options.
//  2. It starts itself as ChildArg, with the ids, and with descriptors: the
//     stream (twice, or its two ends) and the module's directory, which the
//     ids need not be able to reach. What else there is to know comes as a gob
//     on standard input, the text of files with rules too. Standard error is
//     the daemon's, or the module's log.
//  3. The child answers the client and goes on to the end. The daemon waits:
//     the session counts, and ends with the daemon.
//
// Nothing of the stream may be lost between the two. A client waits for the
// answer to what it has asked, so that the daemon has nothing read ahead; one
// that did not wait is dropped.

// ChildArg is the only argument of a process that serves a session.
const ChildArg = "--serve-session"

// Descriptors of a child.
const (
	childIn = 3 + iota
	childOut
	childDir
)

// handover is what a child has to know. It travels as a gob: in JSON, names and
// rules that are not UTF-8 would become others. What is behind a pointer and zero
// is lost: of the module's keys only MaxVerbosity matters, and has a field here.
type handover struct {
	Config    *config.Config // the module is the only one, its variables expanded
	Verbosity int
	Files     map[string][]byte // that have rules of the module, which the ids need not be able to read
	Number    uint64
	Client    string
	Socket    bool
	Began     time.Time

	Hello *native.ClientHello // a native client's

	Protocol int // a stock client's
	ReadOnly bool
	User     string
}

// childEnd is how long a child may take to end when it is told to.
const childEnd = 10 * time.Second

// handOver has a child serve the session, and waits for its end.
func (n *session) handOver(h handover) {
	if err := n.runChild(h); err != nil {
		if cause := context.Cause(n.ctx); cause != nil {
			err = cause
		}
		n.log.Error("session broke", "module", n.module.Name, "err", err.Error())
	}
}

func (n *session) runChild(h handover) error {
	if n.conn.Buffered() > 0 {
		return errors.New("the client does not wait for answers")
	}
	log, own, err := n.childLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cfg := *n.cfg
	cfg.Log, cfg.Modules = own, []config.Module{n.module.Module}
	cfg.Modules[0].LogFile = ""
	cfg.MaxStreams = 1 // more would come to the daemon, which does not have the session
	h.Verbosity = n.module.Verbosity()
	if h.Files, err = ruleFiles(&n.module.Module); err != nil {
		return fmt.Errorf("module %s: %w", n.module.Name, err)
	}
	h.Config, h.Number, h.Client, h.Socket, h.Began = &cfg, n.number, n.client, n.net != nil, n.began
	var state bytes.Buffer
	if err := gob.NewEncoder(&state).Encode(h); err != nil {
		return fmt.Errorf("hand the session over: %w", err)
	}
	in, out := n.in, n.out
	if n.net != nil {
		if in, err = n.net.(interface{ File() (*os.File, error) }).File(); err != nil {
			return err
		}
		defer in.Close()
		out = in
	}
	// The program is the one that runs, even if its file was replaced, or is
	// where the ids can't go.
	c := exec.CommandContext(n.ctx, "/proc/self/exe", ChildArg)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = childEnd
	c.Stdin, c.Stderr = &state, log
	c.ExtraFiles = []*os.File{in, out, n.dir}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: n.process, Pdeathsig: syscall.SIGTERM}
	if err := c.Start(); err != nil {
		return fmt.Errorf("start a process with the uid %d: %w", n.process.Uid, err)
	}
	n.conn.Close() // it is the child's now
	var exit *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &exit) { // how a transfer ended, the child has logged
		return err
	}
	return nil
}

// readHandover reads what runChild has written.
func readHandover(r io.Reader) (*handover, error) {
	h := new(handover)
	if err := gob.NewDecoder(r).Decode(h); err != nil {
		return nil, err
	}
	if h.Config == nil || len(h.Config.Modules) != 1 {
		return nil, errors.New("there is no module")
	}
	h.Config.Modules[0].MaxVerbosity = &h.Verbosity
	return h, nil
}

// open opens a file with rules as the daemon has read it.
func (h *handover) open(name string) (io.ReadCloser, error) {
	text, ok := h.Files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(bytes.NewReader(text)), nil
}

// ServeChild serves the session that a daemon has handed over to this process.
func ServeChild(ctx context.Context) error {
	h, err := readHandover(os.Stdin)
	if err != nil {
		return Exitf(ExitStart, "take a session over: %w", err)
	}
	cfg := h.Config
	w, err := OpenLog(cfg)
	if err != nil {
		return Exitf(ExitStart, "take a session over: %w", err)
	}
	n := &session{in: os.NewFile(childIn, "stream"), out: os.NewFile(childOut, "stream"), dir: os.NewFile(childDir, "module"),
		host: newHost(nil), hello: h.Hello, user: h.User}
	if h.Socket {
		if n.net, err = net.FileConn(n.in); err != nil {
			return Exitf(ExitStart, "take a session over: %w", err)
		}
		n.in.Close()
		n.out.Close()
	}
	if n.module, err = newModule(&cfg.Modules[0], h.open); err != nil {
		return Exitf(ExitStart, "take a session over: %w", err)
	}
	s := NewServer(cfg, NewLogger(cfg, w))
	s.count = h.Number - 1 // the session keeps its number
	s.begin(n, h.Client)
	defer s.forget(n)
	n.readOnly, n.writeOnly, n.began = h.ReadOnly, n.module.WriteOnly, h.Began
	stop := context.AfterFunc(ctx, func() { n.cancel(errShutdown) })
	defer stop()
	return n.resume(h.Protocol)
}

// resume goes on where a handover left off.
func (n *session) resume(protocol int) error {
	if err := n.connect(); err != nil {
		return err
	}
	defer n.conn.Close()
	defer n.dir.Close()
	stop := context.AfterFunc(n.ctx, func() { n.conn.Close() })
	defer stop()
	if n.hello != nil {
		if err := n.decodeHello(); err != nil {
			return err
		}
		n.serveNative()
		return nil
	}
	p := newStockPeer(n.conn, true, func(note native.Note) { n.log.Debug("client says", "text", note.Text) })
	p.r.SetProtocol(protocol)
	p.w.SetProtocol(protocol)
	n.playStock(p)
	return nil
}
