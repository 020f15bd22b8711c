package syncd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// Transfer is one run of `syncd sync`. Fill the fields, then call Run once.
type Transfer struct {
	Sources []Location
	Dest    Location
	Options Options
	Filter  *filter.List // nil: none

	Digest    delta.Algorithm
	Transport wire.Transport
	Timeout   time.Duration // of I/O; 0: none
	Connect   time.Duration // of connecting; 0: the kernel's
	Limit     *rate.Limiter // of the stream; nil: none
	Retry     int           // how often to connect again when a connection breaks
	Streams   int           // connections that share the work; 0 is 1
	Stats     *Stats
	// LocalDelta has deltas made between local paths too, where reading both
	// files costs more than it saves unless the file system can share blocks.
	LocalDelta bool

	// Chmod is what this side makes of permissions, whichever role it has: as for
	// tree.ParseChmod.
	Chmod string
	chmod tree.Chmod

	// Shell is the remote shell with its options, RemoteProgram what it starts:
	// "ssh" and "rsync" if they are empty.
	Shell         []string
	RemoteProgram string

	// Stock is for stock rsync at the other end, and refused if that is not
	// there.
	Stock StockOptions

	into string // the directory that the entries go into, once it is opened

	// Note is called for each line that a person wants to see, from any
	// goroutine, one at a time.
	Note func(native.Note)
}

// Run does the transfer. An error means that it ended early; otherwise the
// exit code in the result says how it went. A connection that breaks is made
// again as often as Retry says, and the run goes on where it was.
func (t *Transfer) Run(ctx context.Context) (*Result, error) {
	if t.Options.Fsync == "" {
		t.Options.Fsync = FsyncNone
	}
	if err := t.Options.Validate(); err != nil {
		return nil, &ExitError{Code: ExitUsage, Err: err}
	}
	if err := t.Stock.Validate(); err != nil {
		return nil, &ExitError{Code: ExitUsage, Err: err}
	}
	var err error
	if t.chmod, err = tree.ParseChmod(t.Chmod); err != nil {
		return nil, Exitf(ExitUsage, "--chmod: %w", err)
	}
	if t.Filter == nil {
		t.Filter = new(filter.List)
	}
	if err := refuseRules(t.Filter); err != nil {
		return nil, &ExitError{Code: ExitUsage, Err: err}
	}
	remote := 0
	for _, s := range t.Sources {
		if s.Remote() {
			remote++
		}
		if s.Host != t.Sources[0].Host || s.Stock != t.Sources[0].Stock || s.Module != t.Sources[0].Module {
			return nil, Exitf(ExitUsage, "all sources must be on one host and in one module")
		}
	}
	if t.Streams > native.MaxStreams {
		return nil, Exitf(ExitUsage, "%d streams are more than %d", t.Streams, native.MaxStreams)
	}
	switch {
	case len(t.Sources) == 0:
		return nil, Exitf(ExitUsage, "a source and a destination are needed")
	case remote > 0 && t.Dest.Remote():
		return nil, Exitf(ExitUsage, "the source and the destination cannot both be remote")
	case t.Streams > 1 && (remote > 0 && t.Sources[0].Stock || t.Dest.Stock):
		return nil, Exitf(ExitUnsupported, "--streams: stock rsync has one stream for a transfer")
	case remote > 0 && t.Sources[0].Stock:
		return t.retry(ctx, t.pullStock)
	case t.Dest.Stock:
		return t.retry(ctx, t.pushStock)
	case t.Stock != (StockOptions{}):
		return nil, Exitf(ExitUsage, "--protocol, --checksum-choice, --compress-choice, --no-inc-recursive and --password-file are for stock rsync at the other end")
	case remote > 0:
		return t.retry(ctx, t.pull)
	case t.Dest.Remote():
		return t.retry(ctx, t.push)
	case t.Streams > 1:
		return nil, Exitf(ExitUsage, "--streams: there is no connection between local paths")
	}
	return t.local(ctx)
}

// paths returns the paths of the sources.
func (t *Transfer) paths() []string {
	ps := make([]string, len(t.Sources))
	for i, s := range t.Sources {
		ps[i] = s.Path
	}
	return ps
}

// openLocal opens the sources as a view of this host.
func (t *Transfer) openLocal() (*view, error) {
	return openView(t.paths(), func(p string) (*tree.Root, error) { return tree.OpenRoot(p, false) })
}

// source returns the role for a view of this host.
func (t *Transfer) source(v *view) *source {
	return &source{view: v, rules: t.Filter, oneFS: t.Options.OneFS, prune: t.Options.Prune, chmod: t.chmod, numeric: t.Options.NumericIDs, alg: t.Digest,
		stats: t.Stats, packer: newPacker(&t.Options)}
}

// sink returns the role for a root of this host.
func (t *Transfer) sink(root *tree.Root, up upstream) (*sink, error) {
	meta := t.Options.meta()
	if err := t.Options.mapOwners(meta); err != nil {
		return nil, &ExitError{Code: ExitUsage, Err: err}
	}
	return &sink{up: up, root: root, opt: &t.Options, rules: t.Filter, meta: meta, alg: t.Digest,
		stats: t.Stats, note: t.Note, fsync: t.Options.Fsync, backup: t.backups()}, nil
}

// newName is the name that a destination gives to a single file: as with rsync
// a path that is no directory, and does not end in a slash, is one.
func newName(dest string) string {
	if strings.HasSuffix(dest, "/") {
		return ""
	}
	if st, err := os.Stat(dest); err == nil && st.IsDir() || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return filepath.Base(dest)
}

// openDest opens, and makes if need be, the directory that the entries go
// into: dest, or the one that holds it if a single file gets its name. The
// root is nil in a dry run if there is none.
func (t *Transfer) openDest(dest string, renamed bool) (*tree.Root, error) {
	if renamed {
		dest = filepath.Dir(dest)
	}
	t.into = dest
	if t.Options.MkPath && !t.Options.DryRun {
		if err := os.MkdirAll(dest, 0o777); err != nil {
			return nil, &ExitError{Code: ExitFileIO, Err: err}
		}
	}
	if t.Options.DryRun {
		if _, err := os.Stat(dest); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	root, err := tree.OpenRoot(dest, true)
	if err != nil {
		return nil, &ExitError{Code: ExitFileIO, Err: err}
	}
	return root, nil
}

// openAlts opens the directories to compare, copy or link with: the user's own
// paths, relative to the destination.
func (t *Transfer) openAlts(k *sink) error {
	for _, a := range t.Options.AltDests {
		p := string(a.Path)
		if !filepath.IsAbs(p) {
			p = filepath.Join(t.into, p)
		}
		root, err := tree.OpenRoot(p, false)
		if err != nil {
			k.closeAlts()
			return &ExitError{Code: ExitFiles, Err: fmt.Errorf("--%s-dest: %w", a.Kind, err)}
		}
		k.alts = append(k.alts, alt{kind: a.Kind, root: root})
	}
	return nil
}

// backups are those of a run on this host.
func (t *Transfer) backups() *backups {
	b := newBackups(&t.Options, t.openBackups)
	if b != nil && b.open != nil {
		b.inside = pathInside(realPath(t.into), realPath(t.backupDir(string(t.Options.BackupDir))))
	}
	return b
}

// backupDir is where the directory for backups is, which is given relative to the
// destination.
func (t *Transfer) backupDir(given string) string {
	if filepath.IsAbs(given) {
		return given
	}
	return filepath.Join(t.into, given)
}

// realPath is the absolute path of p without symlinks, as far as it is there.
func realPath(p string) string {
	p, err := filepath.Abs(p)
	if err != nil {
		return p
	}
	rest := ""
	for at := p; ; at = filepath.Dir(at) {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest)
		}
		if at == "/" {
			return p
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// openBackups opens, and makes if need be, the directory for backups: the user's
// own path, relative to the destination.
func (t *Transfer) openBackups(dir string) (*tree.Root, error) {
	dir = t.backupDir(dir)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	return tree.OpenRoot(dir, false)
}

func (t *Transfer) local(ctx context.Context) (*Result, error) {
	v, err := t.openLocal()
	if err != nil {
		return nil, startError(err)
	}
	defer v.Close()
	renamed := false
	if name := newName(t.Dest.Path); name != "" && v.single() {
		v.rename(name)
		renamed = true
	}
	root, err := t.openDest(t.Dest.Path, renamed)
	if err != nil {
		return nil, err
	}
	if root != nil {
		defer root.Close()
	}
	t.Options.WholeFile = !t.LocalDelta
	src := t.source(v)
	src.packer = nil       // inside one host there is nothing to save
	src.stats = NewStats() // what the source sees, the sink counts
	up := newLocal(src, t.Stats)
	defer up.copier.Close()
	k, err := t.sink(root, up)
	if err != nil {
		return nil, err
	}
	if err := t.openAlts(k); err != nil {
		return nil, err
	}
	_, err = k.run(ctx)
	return k.result(err), err
}

// startError is for what keeps a run from starting: a source that is not there
// is rsync's partial transfer.
func startError(err error) error {
	var exit *ExitError
	if errors.As(err, &exit) {
		return err
	}
	return &ExitError{Code: ExitPartial, Err: err}
}

// hello is the client's hello for a role.
func (t *Transfer) hello(role native.Role, module string, peer filter.Side) (*native.ClientHello, error) {
	rules, err := wireRules(t.Filter, peer, t.Options.Prune)
	if err != nil {
		return nil, &ExitError{Code: ExitUsage, Err: err}
	}
	o := t.Options
	o.Rules, o.Timeout = rules, int64(t.Timeout/time.Second)
	if t.Limit != nil && role == native.RolePull {
		o.BWLimit = int64(t.Limit.Limit())
	}
	raw, err := json.Marshal(&o)
	if err != nil {
		return nil, err
	}
	h := &native.ClientHello{Software: Software(), Role: role, Module: module, Digest: digestName(t.Digest), Options: raw}
	if t.Streams > 1 {
		h.Features, h.Streams = []string{native.FeatureStreams}, t.Streams
	}
	return h, nil
}

// wireRules returns the rules that matter to the peer; all of them if it is to
// know what is protected on this side.
func wireRules(l *filter.List, peer filter.Side, all bool) ([][]byte, error) {
	local := filter.Sender
	if peer == filter.Sender {
		local = filter.Receiver
	}
	texts, err := l.Rules(local, 32)
	if all {
		texts, err = l.AllRules()
	}
	if err != nil {
		return nil, err
	}
	rules := make([][]byte, len(texts))
	for i, text := range texts {
		rules[i] = []byte(text)
	}
	return rules, nil
}

func digestName(a delta.Algorithm) string {
	if a == delta.BLAKE3 {
		return "blake3"
	}
	return "xxh3-128"
}

func (t *Transfer) pull(ctx context.Context) (*Result, error) {
	src := t.Sources[0]
	h, err := t.hello(native.RolePull, src.Module, filter.Sender)
	if err != nil {
		return nil, err
	}
	for _, s := range t.Sources {
		if err := checkRemotePath(s); err != nil {
			return nil, err
		}
		h.Paths = append(h.Paths, []byte(s.Path))
	}
	if name := newName(t.Dest.Path); name != "" {
		h.Rename = []byte(name)
	}
	conn, answer, err := t.dial(ctx, src, h)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	root, err := t.openDest(t.Dest.Path, answer.Single && len(h.Rename) > 0)
	if err != nil {
		return nil, err
	}
	if root != nil {
		defer root.Close()
	}
	k, err := t.sink(root, newRemote(conn, t.Digest))
	if err != nil {
		return nil, err
	}
	k.chmod = t.chmod
	if err := t.openAlts(k); err != nil {
		return nil, err
	}
	k.wanted = answer.Streams
	done := func() {}
	k.opened = func() {
		done = t.more(ctx, src, answer, func(_ context.Context, conn *wire.Conn) error {
			s, ok := k.attach(newRemote(conn, t.Digest))
			if !ok {
				return errOver
			}
			<-s.over // what broke it is told by the sink
			return nil
		})
	}
	peer, err := k.run(ctx)
	done()
	return withPeer(k.result(err), peer), err
}

func (t *Transfer) push(ctx context.Context) (*Result, error) {
	if err := checkRemotePath(t.Dest); err != nil {
		return nil, err
	}
	v, err := t.openLocal()
	if err != nil {
		return nil, startError(err)
	}
	defer v.Close()
	h, err := t.hello(native.RolePush, t.Dest.Module, filter.Receiver)
	if err != nil {
		return nil, err
	}
	h.Paths, h.Single = [][]byte{[]byte(t.Dest.Path)}, v.single()
	conn, answer, err := t.dial(ctx, t.Dest, h)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if len(answer.Rename) > 0 {
		if !h.Single || native.CheckName(string(answer.Rename)) != nil {
			return nil, Exitf(ExitProtocol, "the server renames what it can't: %q", answer.Rename)
		}
		v.rename(string(answer.Rename))
	}
	all := &sources{make: func() *source { return t.source(v) }, note: t.Note, own: func() *Result { return t.Stats.Result(0) }}
	done := t.more(ctx, t.Dest, answer, all.answer)
	if err := all.answer(ctx, conn); err != nil && ctx.Err() == nil && answer.Streams > 1 {
		t.Note(native.Note{Text: fmt.Sprintf("stream 1 of %d broke: %v", t.Streams, err), Error: true})
	}
	raw, err := all.wait()
	done()
	if err != nil {
		return t.Stats.Result(ExitCode(err)), err
	}
	r := withPeer(t.Stats.Result(0), raw)
	if p := r.Peer; p != nil {
		// The sink knows what came of it.
		r.Transferred, r.Deleted = p.Transferred, p.Deleted
		r.MatchedBytes, r.Redone, r.Failed, r.Exit = p.MatchedBytes, p.Redone, p.Failed, p.Exit
	}
	return r, nil
}

// withPeer adds what the other side counted; a peer that sends no result has
// none shown.
func withPeer(r *Result, raw []byte) *Result {
	var p Result
	if json.Unmarshal(raw, &p) == nil && len(raw) > 0 {
		p.Peer = nil
		r.Peer = &p
	}
	return r
}
