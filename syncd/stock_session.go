package syncd

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// hurry ends the session if its handshake is not done in time. The deadline is
// one for all of it: a client that sends a byte now and then holds no place.
func (n *session) hurry() (done func() bool) {
	return time.AfterFunc(time.Until(n.began.Add(n.cfg.HandshakeTimeout)), func() {
		n.cancel(errors.New("the handshake took too long"))
	}).Stop
}

// isStock looks at the client's first byte, which stays where it is: stock
// clients greet at once, with "@RSYNCD:" (clientserver.c:exchange_protocols).
func (n *session) isStock() bool {
	defer n.hurry()()
	late := context.AfterFunc(n.ctx, func() { _ = n.net.SetReadDeadline(time.Unix(1, 0)) }) // wakes the read below
	defer late()
	sc, ok := n.net.(syscall.Conn)
	if !ok {
		return false
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	var first [1]byte
	var got int
	err = rc.Read(func(fd uintptr) bool {
		got, _, err = unix.Recvfrom(int(fd), first[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return err != unix.EAGAIN && err != unix.EINTR
	})
	return err == nil && got == 1 && first[0] == '@'
}

// serveStock serves a stock client, and logs how it went.
func (n *session) serveStock() {
	p := newStockPeer(n.conn, true, func(note native.Note) { n.log.Debug("client says", "text", note.Text) })
	v, args, err := n.greetStock(p)
	if err != nil {
		if cause := context.Cause(n.ctx); cause != nil {
			err = cause
		}
		n.log.Warn("session refused", "dialect", "rsync", "reason", err.Error())
		return
	}
	if v == nil {
		return // it asked for the list of modules
	}
	n.log.Info("session begins", "dialect", "rsync", "protocol", v.Protocol, "module", n.module.Name,
		"sender", args.Sender, "paths", printableAll(args.Paths))
	if err = n.transferStock(p, args); err != nil {
		if cause := context.Cause(n.ctx); cause != nil {
			err = cause
		}
		p.fail(n.ctx, err)
	}
	r := n.stats.Result(ExitCode(err))
	if err == nil {
		r.Exit = n.stats.exit()
		n.log.Info("session ends", "stats", loggedResult{r})
		return
	}
	n.log.Error("session broke", "err", err.Error(), "stats", loggedResult{r})
}

func printableAll(paths []string) []string {
	ps := make([]string, len(paths))
	for i, p := range paths {
		ps[i] = Printable(p)
	}
	return ps
}

// greetStock does all that has a deadline, up to multiplexing: the greeting, the
// choice of a module, the client's arguments. Options that are not understood,
// or not supported, are reported by transferStock: the client hears of nothing
// before the stream is multiplexed.
func (n *session) greetStock(p *stockPeer) (*rsync.Session, *rsync.Args, error) {
	defer n.hurry()()
	if _, err := rsync.DaemonHello(p.r, p.w, ""); err != nil {
		return nil, nil, err
	}
	req, err := rsync.ReadRequest(p.r, p.w)
	if err != nil {
		return nil, nil, err
	}
	if req.List {
		return nil, nil, rsync.WriteModules(p.w, n.listedModules())
	}
	if err := n.admitStock(p, req.Module); err != nil {
		return nil, nil, err
	}
	if err := rsync.Accept(p.w); err != nil {
		return nil, nil, err
	}
	list, secluded, err := rsync.ReadArgs(p.r)
	if err != nil {
		return nil, nil, err
	}
	args, bad := parseStockArgs(list, secluded)
	if bad == nil {
		args.Paths = rsync.ModulePaths(n.module.Name, args.Paths, secluded)
	}
	p.session, err = rsync.ServerSetup(p.r, p.w, args)
	n.stockErr = bad
	setLimit(n.limit, args.BWLimit)
	return p.session, args, err
}

// parseStockArgs parses a client's arguments. It has escaped the options, and
// the paths, in which backslashes are left for wildcards.
func parseStockArgs(list []string, secluded bool, refuse rsync.Refusals) (*rsync.Args, error) {
	for i := range list {
		if list[i] == "." || secluded {
			break
		}
		list[i] = rsync.UnescapeArg(list[i])
	}
	a, err := rsync.ParseArgs(list, refuse)
	if err != nil {
		err = &ExitError{Code: ExitUnsupported, Err: err}
	}
	return a, err
}

func (n *session) listedModules() (ms []rsync.Module) {
	for i := range n.cfg.Modules {
		if m := &n.cfg.Modules[i]; m.IsListed() {
			ms = append(ms, rsync.Module{Name: m.Name, Comment: m.Comment})
		}
	}
	return ms
}

// admitStock decides whether the client may have the module, in stock's words
// (clientserver.c:start_daemon, rsync_module).
func (n *session) admitStock(p *stockPeer, name string) error {
	text, limit := "", 0
	var m *config.Module
	if n.full {
		limit = n.cfg.MaxConnections
	} else if m = n.findModule(name); m == nil {
		text = fmt.Sprintf("Unknown module '%s'", Printable(name))
	} else if !n.server.enter(n, m) {
		limit = m.MaxConnections
	}
	if limit > 0 {
		text = fmt.Sprintf("max connections (%d) reached -- try again later", limit)
	}
	if text == "" {
		return nil
	}
	err := rsync.Refuse(p.w, text)
	if err == nil {
		p.linger()
		err = errors.New(text)
	}
	return err
}

// transferStock plays the other role to its end.
func (n *session) transferStock(p *stockPeer, a *rsync.Args) error {
	err := n.stockErr
	if err == nil && !a.Sender && n.module.IsReadOnly() {
		err = Exitf(ExitUsage, "the module %s is read-only", n.module.Name)
	}
	if err != nil {
		return err
	}
	hidden, err := hiddenIn(n.module)
	if err != nil {
		return err
	}
	root, err := tree.OpenRoot(n.module.Path, false)
	if err != nil {
		n.log.Error("module can't be opened", "path", n.module.Path, "err", err.Error())
		return Exitf(ExitFiles, "the module %s can't be opened on the server", n.module.Name)
	}
	defer root.Close()
	open := moduleOpener(root, hidden)
	v := &stockServer{
		stockPeer: p, stats: n.stats, sums: n.server.sums, hidden: hidden, numeric: n.module.NumericIDs,
		expand: func(path string) ([]string, error) { return expand(path, open) },
		open:   open,
		dest: func(given string, o *Options, single bool) (*stockDest, error) {
			n.opt = *o
			return n.stockDest(root, given, single)
		},
		alt:   func(k *sink, below string, a AltDest) error { return n.openAlt(k, root, below, a) },
		fsync: func() Fsync { return n.fsync() },
		log: func(note native.Note) {
			if note.Error {
				n.log.Warn("transfer", "problem", note.Text)
			}
		},
	}
	return v.serve(n.ctx)
}

// stockDest opens what a client's files go into, below a module.
func (n *session) stockDest(root *tree.Root, given string, single bool) (d *stockDest, err error) {
	d = &stockDest{}
	if d.below, err = cleanPath(given); err != nil {
		return nil, err
	}
	if single && d.below != "" && !isContent(given) {
		if dir, err := root.Dir(d.below); err == nil {
			dir.Close()
		} else {
			d.as = path.Base(d.below)
			d.below = strings.TrimSuffix(path.Dir(d.below), ".")
		}
	}
	d.root, err = n.openDest(root, d.below)
	return d, err
}
