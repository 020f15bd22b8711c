package syncd

import (
	"context"
	"errors"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

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
	if n.net == nil {
		return true // a remote shell: only stock clients start a daemon by one
	}
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
	done, err := n.greetStock(p)
	if !done && err == nil {
		defer n.dir.Close()
		if n.process != nil {
			if p.r.Buffered() > 0 {
				n.logStockRefusal(errors.New("the client does not wait for answers"))
				return
			}
			n.handOver(handover{Protocol: p.r.Protocol(), ReadOnly: n.readOnly, User: n.user})
			return
		}
		n.playStock(p)
		return
	}
	if err != nil {
		n.logStockRefusal(err)
	}
}

func (n *session) logStockRefusal(err error) {
	if cause := context.Cause(n.ctx); cause != nil {
		err = cause
	}
	n.log.Warn("session refused", "dialect", "rsync", "reason", err.Error())
}

// playStock serves a client that is about to hear that it has been let in.
func (n *session) playStock(p *stockPeer) {
	defer n.ownLog()()
	v, args, err := n.beginStock(p)
	if err != nil {
		n.logStockRefusal(err)
		return
	}
	n.log.Info("session begins", "dialect", "rsync", "protocol", v.Protocol, "module", n.module.Name, "user", Printable(n.user),
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

// greetStock does all up to the moment at which the client is let in. done says
// that there is nothing more to do: it only wanted the list of modules.
func (n *session) greetStock(p *stockPeer) (done bool, err error) {
	defer n.hurry()()
	hello, err := rsync.DaemonHello(p.r, p.w, n.motd())
	if err != nil {
		return false, err
	}
	req, err := rsync.ReadRequest(p.r, p.w)
	if err != nil {
		return false, err
	}
	if req.List {
		return true, rsync.WriteModules(p.w, n.listedModules())
	}
	d, err := n.admitStock(p, hello, req.Module)
	if d == nil {
		return false, err
	}
	if err := rsync.Refuse(p.w, d.stock); err != nil {
		return false, err
	}
	p.linger()
	return false, d
}

// motd returns the text for clients that have just connected.
func (n *session) motd() string {
	if n.cfg.MotdFile == "" {
		return ""
	}
	b, err := os.ReadFile(n.cfg.MotdFile)
	if err != nil {
		n.log.Warn("no message of the day", "err", err.Error())
	}
	return string(b[:min(len(b), maxMotd)])
}

// maxMotd bounds the message of the day.
const maxMotd = 64 << 10

// beginStock lets the client in, and does all that has a deadline up to
// multiplexing. Options that are not understood, or not supported, are reported
// by transferStock: the client hears of nothing before the stream is multiplexed.
func (n *session) beginStock(p *stockPeer) (*rsync.Session, *rsync.Args, error) {
	defer n.hurry()()
	if err := rsync.Accept(p.w); err != nil {
		return nil, nil, err
	}
	list, secluded, err := rsync.ReadArgs(p.r)
	if err != nil {
		return nil, nil, err
	}
	args, bad := parseStockArgs(list, secluded, n.module.refuse)
	if bad == nil {
		args.Paths = rsync.ModulePaths(n.module.Name, args.Paths, secluded)
	}
	args.Verbose = min(args.Verbose, n.module.Verbosity())
	if n.module.DontCompress && args.Sender {
		args.CompressLevel = new(1) // as little as the client's choice allows
	}
	n.setTimeout(args)
	p.session, err = rsync.ServerSetup(p.r, p.w, args)
	n.stockErr = bad
	n.conn.SetLimit(limiter(int64(args.BWLimit) << 10))
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

// admitStock decides whether the client may have the module
// (clientserver.c:rsync_module).
func (n *session) admitStock(p *stockPeer, hello *rsync.Hello, name string) (*denial, error) {
	d := n.open(name)
	if d == nil && len(n.module.users) > 0 {
		var err error
		if d, err = n.authenticate(p, hello); err != nil {
			return nil, err
		}
	}
	if d == nil {
		d = n.prepare()
	}
	return d, nil
}

// authenticate asks the client for a user and a proof of the password. That the
// answer is no is all that the client is told.
func (n *session) authenticate(p *stockPeer, hello *rsync.Hello) (*denial, error) {
	failed := &denial{stock: "auth failed on module " + n.module.Name}
	if tooWeak(hello.Digest, n.module.AuthDigest) {
		n.log.Warn("login refused", "module", n.module.Name, "reason", "the client's best digest is "+hello.Digest)
		return failed, nil
	}
	claim, err := hello.Challenge(p.r, p.w)
	if err != nil {
		return nil, err
	}
	access, err := n.module.login(claim)
	if err != nil {
		n.log.Warn("login failed", "module", n.module.Name, "user", Printable(claim.User), "reason", err.Error())
		return failed, nil
	}
	n.user = claim.User
	switch access {
	case accessRead:
		n.readOnly = true
	case accessWrite:
		n.readOnly = false
	}
	return nil, nil
}

// setTimeout has the module's timeout in force rather than a client's that is
// longer, and tells the client so when it can be told. The daemon's is the limit
// for one that the client gives; a client without one need not know it.
func (n *session) setTimeout(a *rsync.Args) {
	limit, client := n.module.Timeout, time.Duration(a.Timeout)*time.Second
	if limit == 0 && client > 0 {
		limit = n.cfg.Timeout
	}
	if limit > 0 && (client <= 0 || client > limit) {
		a.Timeout = int((limit + time.Second - 1) / time.Second)
		n.lowered = true
	}
	if a.Timeout > 0 {
		n.conn.SetTimeout(time.Duration(a.Timeout) * time.Second)
	}
}

// transferStock plays the other role to its end.
func (n *session) transferStock(p *stockPeer, a *rsync.Args) error {
	err := n.stockErr
	switch {
	case err != nil:
	case !a.Sender && n.readOnly:
		err = &stockWords{ExitUsage, "ERROR: module is read only"}
	case a.Sender && n.writeOnly:
		err = &stockWords{ExitUsage, "ERROR: module is write only"}
	}
	if err != nil {
		return err
	}
	if n.lowered && p.session.Protocol >= 31 {
		if err := p.w.Message(rsync.Message{Code: rsync.MsgIOTimeout, Value: int32(a.Timeout)}); err != nil {
			return err
		}
	}
	root, err := tree.RootFile(n.dir, n.module.Path)
	if err != nil {
		return Exitf(ExitFiles, "the module %s can't be opened on the server", n.module.Name)
	}
	defer root.Close()
	hidden := n.module.hidden
	open := moduleOpener(root, hidden)
	v := &stockServer{
		stockPeer: p, stats: n.stats, sums: n.server.sums, module: n.module, hidden: hidden, numeric: n.module.NumericIDs,
		expand: func(path string) ([]string, error) { return expand(path, open) },
		open:   open,
		dest: func(given string, o *Options, single bool) (*stockDest, error) {
			n.opt = *o
			return n.stockDest(root, given, single)
		},
		alt:     func(k *sink, below string, a AltDest) error { return n.openAlt(k, root, below, a) },
		backups: func(below string, o *Options) *backups { return n.backups(root, below, o) },
		fsync:   func() Fsync { return n.fsync() },
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
	if n.isHidden(d.below) {
		shown := Printable(d.below)
		if strings.HasSuffix(given, "/") {
			shown += "/"
		}
		return nil, &stockWords{ExitFiles, "ERROR: daemon has excluded destination \"" + shown + "\""}
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
