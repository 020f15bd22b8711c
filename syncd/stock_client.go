package syncd

import (
	"context"
	"os"
	"strings"

	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// stockError names the place of an error of the handshake.
func (t *Transfer) stockError(ctx context.Context, to Location, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	code := ExitCode(err)
	if code == ExitStream {
		code = ExitStart
	}
	return Exitf(code, "%s: %w", to, err)
}

// openStock opens a module and sets the session up (clientserver.c:
// start_inband_exchange, main.c:client_run). a has everything but paths.
func (t *Transfer) openStock(ctx context.Context, of Location, a *rsync.Args, paths []string) (*stockPeer, error) {
	if of.Shell {
		return t.openShell(ctx, of, a, paths)
	}
	p, h, err := t.dialStock(ctx, of)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer stop()
	for _, path := range paths {
		a.Paths = append(a.Paths, rsync.EscapeArg(of.Module+"/"+path, true))
	}
	if err := t.setUpStock(p, h, of, a); err != nil {
		p.close()
		return nil, t.stockError(ctx, of, err)
	}
	return p, nil
}

func (t *Transfer) setUpStock(p *stockPeer, h *rsync.Hello, of Location, a *rsync.Args) error {
	login := rsync.Login{
		User:     of.User,
		Password: t.stockPassword,
		Text:     func(line string) { t.Note(native.Note{Text: Printable(line)}) },
	}
	if login.User == "" {
		login.User = firstOf(os.Getenv("USER"), os.Getenv("LOGNAME"))
	}
	if err := h.OpenModule(p.r, p.w, of.Module, login); err != nil {
		return err
	}
	if err := fitProtocol(a, h.Protocol); err != nil {
		return err
	}
	head, tail := a.Build(h.Protocol)
	for i := range head {
		head[i] = rsync.EscapeArg(head[i], false)
	}
	err := rsync.WriteArgs(p.w, head, tail, a.Secluded)
	if err == nil {
		p.session, err = rsync.ClientSetup(p.r, p.w, a)
	}
	if err != nil {
		return err
	}
	return t.sendFilters(p)
}

// sendFilters sends the rules that the server needs to know, if there is a list
// of them at all.
func (t *Transfer) sendFilters(p *stockPeer) error {
	a := p.session.Args
	if !a.SendsFilters(p.session.Protocol) {
		return nil
	}
	local := filter.Sender
	if a.Sender {
		local = filter.Receiver
	}
	rules, err := t.Filter.Rules(local, p.session.Protocol)
	if err != nil {
		return &ExitError{Code: ExitUsage, Err: err}
	}
	if err := rsync.WriteFilters(p.w, rules); err != nil {
		return err
	}
	return p.w.Flush()
}

func firstOf(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}

// stockModules asks a stock daemon what it serves.
func (t *Transfer) stockModules(ctx context.Context, of Location) (ms []native.ModuleInfo, err error) {
	p, h, err := t.dialStock(ctx, of)
	if err != nil {
		return nil, err
	}
	defer p.close()
	err = h.ListModules(p.r, p.w, func(line string) {
		// A line without a tab is the daemon's message of the day.
		if name, comment, ok := strings.Cut(line, "\t"); ok {
			ms = append(ms, native.ModuleInfo{Name: strings.TrimRight(name, " "), Comment: comment})
		}
	})
	if err != nil {
		return nil, t.stockError(ctx, of, err)
	}
	return ms, nil
}

// pullStock makes the destination equal to what a stock daemon has.
func (t *Transfer) pullStock(ctx context.Context) (*Result, error) {
	src := t.Sources[0]
	a, err := t.stockArgs(true)
	if err != nil {
		return nil, err
	}
	for _, s := range t.Sources {
		if err := checkRemotePath(s); err != nil {
			return nil, err
		}
	}
	p, err := t.openStock(ctx, src, a, t.paths())
	if err != nil {
		return nil, err
	}
	return t.receiveStock(ctx, p)
}

// receiveStock plays the sink to the end of a session that is set up.
func (t *Transfer) receiveStock(ctx context.Context, p *stockPeer) (*Result, error) {
	defer p.close()
	up, err := newStockUpstream(p, request{paths: t.paths(), rules: t.Filter}, t.Stats)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	first, err := up.readFirst()
	stop()
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		p.fail(ctx, err)
		return nil, err
	}
	if first.Len() == 0 {
		up.sawErrors(first.IOError)
		up.tally()
		return withServer(t.Stats.Result(t.Stats.exit()), p.close()), nil
	}
	if f := first.File(first.Start); first.Len() == 1 && !f.IsDir() {
		up.asked.as = newName(t.Dest.Path)
	}
	root, err := t.openDest(t.Dest.Path, up.asked.as != "")
	if err != nil {
		return nil, err
	}
	if root != nil {
		defer root.Close()
	}
	k, err := t.sink(root, up)
	if err != nil {
		return nil, err
	}
	k.stock, up.k, k.chmod = up, k, t.chmod
	k.meta.ExactTimes = t.Options.Checksum
	k.meta.WholeSeconds = k.meta.WholeSeconds || p.session.Protocol < 31
	if _, ok := p.session.Checksum.Algorithm(); !ok {
		t.Options.WholeFile = true
	}
	if err := t.openAlts(k); err != nil {
		return nil, err
	}
	if _, err = k.run(ctx); err != nil {
		return k.result(err), err
	}
	return withServer(k.result(nil), p.close()), nil
}

// withServer adds the code of the server's process: it knows of failures that
// the protocol has no words for.
func withServer(r *Result, code int) *Result {
	if r.Exit == ExitOK {
		r.Exit = code
	}
	return r
}

// pushStock makes what a stock daemon has equal to the sources.
func (t *Transfer) pushStock(ctx context.Context) (*Result, error) {
	if err := checkRemotePath(t.Dest); err != nil {
		return nil, err
	}
	a, err := t.stockArgs(false)
	if err != nil {
		return nil, err
	}
	v, err := t.openLocal()
	if err != nil {
		return nil, startError(err)
	}
	defer v.Close()
	p, err := t.openStock(ctx, t.Dest, a, []string{t.Dest.Path})
	if err != nil {
		return nil, err
	}
	return t.sendStock(ctx, p, v)
}

// sendStock plays the source to the end of a session that is set up.
func (t *Transfer) sendStock(ctx context.Context, p *stockPeer, v *view) (*Result, error) {
	defer p.close()
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer stop()
	src := t.source(v)
	src.diskACLs = true
	x := &stockSource{stockPeer: p, src: src, show: &stockItems{opt: &t.Options, note: t.Note, session: p.session}}
	p.r.Handle = x.handle
	err := x.run(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		p.fail(ctx, err)
		return t.Stats.Result(ExitCode(err)), err
	}
	return withServer(t.Stats.Result(t.Stats.exit()), p.close()), nil
}
