package syncd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// session is one client of a Server, from its first byte to its last.
type session struct {
	server  *Server
	cfg     *config.Config
	net     net.Conn // nil: the session is on in and out
	in, out *os.File
	log     *slog.Logger
	number  uint64 // for the log, as client
	client  string
	stats   *Stats
	ctx     context.Context
	cancel  context.CancelCauseFunc
	full    bool // too many clients: refuse
	joined  bool // it is a stream of another session
	began   time.Time
	module  *module // set by Server.enter
	host    *host
	// What the client may do with the module.
	readOnly, writeOnly bool
	user                string              // who has logged in, "" if nobody was asked
	dir                 *os.File            // the module's directory
	process             *syscall.Credential // whom the session is for, nil: this process will do

	conn *wire.Conn
	// stockErr is what is wrong with a stock client's arguments.
	stockErr error
	lowered  bool // the client's timeout is, and it is to be told

	hello *native.ClientHello
	opt   Options
	alg   delta.Algorithm
}

// serve runs the session and logs how it went.
func (n *session) serve() {
	stock := n.isStock()
	if err := n.connect(); err != nil {
		n.log.Error("no session", "err", err)
		return
	}
	defer n.conn.Close()
	stop := context.AfterFunc(n.ctx, func() { n.conn.Close() })
	defer stop()

	if stock {
		n.serveStock()
		return
	}
	if err := n.handshake(); err != nil {
		n.logRefusal(err)
		return
	}
	switch n.hello.Role {
	case native.RoleModules:
		return
	case native.RoleJoin:
		err := n.join()
		n.log.Debug("stream ends", "err", err)
		return
	}
	defer n.dir.Close()
	if n.process != nil {
		n.handOver(handover{Hello: n.hello})
		return
	}
	n.serveNative()
}

// serveNative serves a native client that has been let in.
func (n *session) serveNative() {
	n.conn.SetTimeout(n.timeout())
	defer n.ownLog()()
	n.log.Info("session begins", "module", n.module.Name, "role", string(n.hello.Role),
		"paths", printablePaths(n.hello.Paths), "software", n.hello.Software)
	err := n.transfer()
	if cause := context.Cause(n.ctx); cause != nil && err != nil {
		err = cause
	}
	r := n.stats.Result(ExitCode(err))
	if err == nil {
		r.Exit = n.stats.exit()
		n.log.Info("session ends", "stats", loggedResult{r})
		return
	}
	n.log.Error("session broke", "err", err.Error(), "stats", loggedResult{r})
}

// connect makes the connection of what the session was given, which is closed if
// that fails.
func (n *session) connect() error {
	o, err := connOptions(n.cfg, n.stats)
	switch {
	case err != nil:
	case n.net != nil:
		n.conn, err = wire.NewConn(n.net, o)
	default:
		n.conn, err = wire.NewStream(n.in, n.out, o)
	}
	if err == nil {
		return nil
	}
	if n.net != nil {
		n.net.Close()
	}
	return err
}

func printablePaths(paths [][]byte) []string {
	ps := make([]string, len(paths))
	for i, p := range paths {
		ps[i] = Printable(string(p))
	}
	return ps
}

// logRefusal tells clients that were turned away from those that were never
// ours, and from probes that send nothing.
func (n *session) logRefusal(err error) {
	var refused *native.RefusedError
	switch {
	case errors.As(err, &refused):
		n.log.Warn("session refused", "code", string(refused.Code), "reason", refused.Text)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		n.log.Debug("client left before its hello", "err", err.Error())
	default:
		n.log.Warn("no session", "err", err.Error())
	}
}

// handshake reads the client's hello and answers it. It has a deadline as a
// whole: a client that sends a byte now and then holds no place.
func (n *session) handshake() error {
	defer n.hurry()()
	h, err := native.ReadClientHello(n.conn)
	var answer *native.ServerHello
	if err == nil {
		n.hello = h
		answer, err = n.admit()
	}
	var refused *native.RefusedError
	if errors.As(err, &refused) {
		answer = &native.ServerHello{Software: Software(), Code: refused.Code, Text: refused.Text}
		if err := native.SendServerHello(n.conn, answer); err != nil {
			return err
		}
		return refused
	}
	if err != nil {
		if cause := context.Cause(n.ctx); cause != nil {
			return cause
		}
		return err
	}
	if n.hello.Role == native.RoleModules {
		return native.SendServerHello(n.conn, answer)
	}
	return nil // transfer answers, when it has opened the paths
}

func refuse(code native.Code, text string) error { return &native.RefusedError{Code: code, Text: text} }

// admit decides whether the client may have what it asks for.
func (n *session) admit() (*native.ServerHello, error) {
	h := n.hello
	answer := &native.ServerHello{Software: Software()}
	if h.Role == native.RoleJoin {
		n.server.isStream(n)
		return answer, nil
	}
	if n.full {
		return nil, refuse(native.CodeBusy, "the server has as many clients as it may; try again later")
	}
	// Features are wishes: those that are known are granted where it is known how.
	switch h.Role {
	case native.RoleModules:
		for _, m := range n.cfg.Modules {
			if m.IsListed() {
				answer.Modules = append(answer.Modules, native.ModuleInfo{Name: m.Name, Comment: m.Comment})
			}
		}
		return answer, nil
	case native.RolePull, native.RolePush:
	default:
		return nil, refuse(native.CodeRefused, "unknown role "+string(h.Role))
	}
	if d := n.open(h.Module); d != nil {
		return nil, refuse(d.code, d.text)
	}
	m := n.module
	switch {
	case len(m.users) > 0:
		return nil, refuse(native.CodeRefused, "the module "+m.Name+" wants a password, which only stock rsync can give; native identities come later")
	case h.Role == native.RolePush && m.IsReadOnly():
		return nil, refuse(native.CodeReadOnly, "the module "+m.Name+" is read-only")
	case h.Role == native.RolePull && m.WriteOnly:
		return nil, refuse(native.CodeRefused, "the module "+m.Name+" is write-only")
	}
	if err := n.decodeHello(); err != nil {
		return nil, err
	}
	if err := n.opt.refusedBy(m.refuse, h.Role == native.RolePull); err != nil {
		return nil, refuse(native.CodeOption, err.Error())
	}
	if d := n.prepare(); d != nil {
		return nil, refuse(d.code, d.text)
	}
	return answer, nil
}

// timeout is the shorter one of the client's and the module's.
func (n *session) timeout() time.Duration {
	own, client := n.cfg.Timeout, time.Duration(n.opt.Timeout)*time.Second
	if n.module.Timeout > 0 {
		own = n.module.Timeout
	}
	if own == 0 || client > 0 && client < own {
		return client
	}
	return own
}

// decodeHello checks what the client asks for.
func (n *session) decodeHello() error {
	h := n.hello
	if err := native.DecodeOptions(h.Options, &n.opt); err != nil {
		return refuse(native.CodeRefused, err.Error())
	}
	if err := n.opt.Validate(); err != nil {
		return refuse(native.CodeRefused, "options: "+err.Error())
	}
	if n.module.DontCompress {
		n.opt.Compress = CompressNone
	}
	var err error
	if n.alg, err = ParseDigest(h.Digest); err != nil {
		return refuse(native.CodeRefused, err.Error())
	}
	if n.cfg.Digest == "blake3" && n.alg != delta.BLAKE3 {
		return refuse(native.CodeRefused, "the server wants --digest blake3")
	}
	if len(h.Paths) == 0 || h.Role == native.RolePush && len(h.Paths) != 1 {
		return refuse(native.CodeRefused, "a wrong number of paths")
	}
	return nil
}

// transfer opens what the client asked for, answers its hello, and plays the
// other role to its end.
func (n *session) transfer() error {
	root, err := tree.RootFile(n.dir, n.module.Path)
	if err != nil {
		return n.refuseLate(native.CodePath, "the module "+n.module.Name+" can't be opened on the server")
	}
	defer root.Close()
	hidden := n.module.hidden
	rules, err := n.opt.filter()
	if err != nil {
		return n.refuseLate(native.CodeRefused, err.Error())
	}
	if n.hello.Role == native.RolePull {
		return n.source(root, rules, hidden)
	}
	return n.sink(root, rules, hidden)
}

// refuseLate answers the hello with a refusal that the handshake could not see.
func (n *session) refuseLate(code native.Code, text string) error {
	err := native.SendServerHello(n.conn, &native.ServerHello{Software: Software(), Code: code, Text: text})
	if err == nil {
		err = refuse(code, text)
	}
	return err
}

// leastLimit is the least rate, in bytes a second, that a source keeps to for a client:
// at less it would be silent for long, and be taken for dead.
const leastLimit = 64 << 10

// source serves a pull.
func (n *session) source(root *tree.Root, rules, hidden *filter.List) error {
	paths := make([]string, len(n.hello.Paths))
	for i, p := range n.hello.Paths {
		paths[i] = string(p)
	}
	v, err := openView(paths, moduleOpener(root, hidden))
	if err != nil {
		return n.refuseLate(native.CodePath, describe(strings.Join(printablePaths(n.hello.Paths), " "), err))
	}
	defer v.Close()
	answer := &native.ServerHello{Software: Software(), Single: v.single()}
	if name := string(n.hello.Rename); name != "" && answer.Single {
		if err := native.CheckName(name); err != nil {
			return n.refuseLate(native.CodeRefused, err.Error())
		}
		v.rename(name)
	}
	below := ""
	if len(paths) == 1 && isContent(paths[0]) {
		below = strings.TrimSuffix(paths[0], "/")
	}
	all := &sources{note: n.logNote, own: func() *Result { return n.stats.Result(n.stats.exit()) }, make: func() *source {
		return &source{view: v, rules: rules, hidden: hidden, below: below, oneFS: n.opt.OneFS, prune: n.opt.Prune,
			numeric: n.opt.NumericIDs || n.module.NumericIDs, munged: n.module.MungeSymlinks, chmod: n.module.outgoing, alg: n.alg, stats: n.stats, packer: newPacker(&n.opt), sums: n.server.sums}
	}}
	limit := limiter(n.opt.BWLimit)
	if n.opt.BWLimit > 0 && n.opt.BWLimit < leastLimit {
		limit = limiter(leastLimit)
	}
	g, end := n.gather(answer, func(joined *session) error {
		n.stats.include(joined.stats)
		joined.conn.SetLimit(limit)
		return all.answer(joined.ctx, joined.conn)
	})
	defer end()
	if err := native.SendServerHello(n.conn, answer); err != nil {
		return err
	}
	n.conn.SetLimit(limit)
	close(g.ready)
	if err := all.answer(n.ctx, n.conn); err != nil {
		n.log.Debug("the first stream ends", "err", err)
	}
	_, err = all.wait()
	return err
}

// sink serves a push.
func (n *session) sink(root *tree.Root, rules, hidden *filter.List) error {
	dest := strings.TrimSuffix(string(n.hello.Paths[0]), "/")
	if n.isHidden(dest) {
		return n.refuseLate(native.CodePath, "the module "+n.module.Name+" does not take the destination "+Printable(dest))
	}
	answer := &native.ServerHello{Software: Software()}
	if n.hello.Single && dest != "" && !strings.HasSuffix(string(n.hello.Paths[0]), "/") {
		if d, err := root.Dir(dest); err == nil {
			d.Close()
		} else {
			answer.Rename = []byte(path.Base(dest))
			dest = strings.TrimSuffix(strings.TrimSuffix(dest, path.Base(dest)), "/")
		}
	}
	sub, err := n.openDest(root, dest)
	if err != nil {
		return n.refuseLate(native.CodePath, describe(dest, err))
	}
	if sub != nil {
		defer sub.Close()
	}
	up := newRemote(n.conn, n.alg)
	meta := n.opt.meta()
	meta.NumericIDs = meta.NumericIDs || n.module.NumericIDs
	meta.Chmod = n.module.incoming
	if err := n.opt.mapOwners(meta); err != nil {
		return n.refuseLate(native.CodeRefused, err.Error())
	}
	k := &sink{up: up, root: sub, munge: n.module.MungeSymlinks, opt: &n.opt, rules: rules, hidden: hidden, below: dest, meta: meta, alg: n.alg,
		stats: n.stats, push: true, fsync: n.fsync()}
	g, end := n.gather(answer, func(joined *session) error {
		n.stats.include(joined.stats)
		s, ok := k.attach(newRemote(joined.conn, n.alg))
		if !ok {
			return errOver
		}
		<-s.over
		return nil
	})
	defer end()
	if err := native.SendServerHello(n.conn, answer); err != nil {
		return err
	}
	var late []native.Note // what is to be said before there is a stream
	k.wanted, k.opened = g.limit+1, func() {
		close(g.ready)
		for _, note := range late {
			k.note(note)
		}
	}
	k.note = func(note native.Note) {
		if note.Error {
			n.log.Warn("transfer", "problem", note.Text)
		}
		if err := k.tell(note); err != nil {
			k.abort(err)
		}
	}
	for _, a := range n.opt.AltDests {
		if err := n.openAlt(k, root, dest, a); err != nil {
			late = append(late, native.Note{Text: err.Error(), Error: true})
		}
	}
	k.backup = n.backups(root, dest, &n.opt)
	_, err = k.run(n.ctx)
	return err
}

// openAlt opens a directory that a client names to compare, copy or link with:
// relative to what it fills or, if absolute, to the module. It can't leave the
// module. One that is not there is no more than a lost chance.
func (n *session) openAlt(k *sink, root *tree.Root, dest string, a AltDest) error {
	p := inModule(dest, string(a.Path))
	if k.forbidden(p, true) {
		return fmt.Errorf("%s-dest %s: no such directory", a.Kind, Printable(p))
	}
	sub, err := root.Sub(p, false)
	if err != nil {
		return fmt.Errorf("%s-dest %s", a.Kind, describe(p, err))
	}
	k.alts = append(k.alts, alt{kind: a.Kind, root: sub, below: p})
	return nil
}

// inModule is where a path that a client gives leads to: relative to what it
// fills, or if absolute to the module.
func inModule(dest, p string) string {
	if !path.IsAbs(p) {
		p = path.Join(dest, p)
	}
	p = strings.TrimPrefix(path.Clean(p), "/")
	if p == "." {
		p = ""
	}
	return p
}

// backups are those of a client. Their directory can't leave the module, nor be
// where the module hides anything.
func (n *session) backups(root *tree.Root, dest string, o *Options) *backups {
	b := newBackups(o, func(dir string) (*tree.Root, error) {
		p := inModule(dest, dir)
		if n.isHidden(p) {
			return nil, &fs.PathError{Op: "back up to", Path: p, Err: errors.New("the module does not take this name")}
		}
		if err := root.MkdirAll(p); err != nil {
			return nil, err
		}
		return root.Sub(p, false)
	})
	if b != nil && b.open != nil {
		in := inModule(dest, string(o.BackupDir))
		b.inside = pathInside(dest, in)
		b.hides = func(p string) bool {
			return n.module.hidden.Excluded(path.Join(in, p), false, filter.Receiver)
		}
	}
	return b
}

// isHidden reports whether the module hides what a push names as its destination
// (main.c:get_local_name).
func (n *session) isHidden(dest string) bool {
	return n.module.hidden.Excluded(dest, true, filter.Receiver)
}

// openDest opens, and makes if need be, what a push fills; nil in a dry run if
// it does not exist.
func (n *session) openDest(root *tree.Root, dest string) (*tree.Root, error) {
	if n.opt.MkPath && !n.opt.DryRun {
		if err := root.MkdirAll(dest); err != nil {
			return nil, err
		}
	}
	sub, err := root.Sub(dest, !n.opt.DryRun)
	if n.opt.DryRun && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return sub, err
}

// fsync is the stricter of what the client and the configuration want.
func (n *session) fsync() Fsync {
	order := map[Fsync]int{"": 0, FsyncNone: 0, FsyncCommit: 1, FsyncFile: 2}
	own := Fsync(n.cfg.Fsync)
	if order[n.opt.Fsync] > order[own] {
		return n.opt.Fsync
	}
	return own
}

func (n *session) logNote(note native.Note) {
	n.log.Debug("client says", "text", note.Text)
}
