package syncd

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// ServeStock is the server that a stock client starts by a remote shell: args
// are its arguments, "--server" first, and the session is on in and out, which
// it owns. It may read and write whatever its user may (main.c:start_server).
//
// The client has been told of an error that is returned, if it could be.
func ServeStock(ctx context.Context, args []string, in io.ReadCloser, out io.WriteCloser) error {
	stats := NewStats()
	conn, err := wire.NewStream(in, out, wire.Options{Stats: &stats.Stats})
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	p := newStockPeer(conn, true, func(native.Note) {})
	a, bad := rsync.ParseArgs(args, nil)
	if a.Secluded {
		more, err := rsync.ReadSecluded(p.r)
		if err != nil {
			return err
		}
		a, bad = rsync.ParseArgs(append(args, more...), nil)
	}
	if err := p.exchangeVersions(rsync.MaxProtocol); err != nil {
		return err
	}
	conn.SetLimit(limiter(int64(a.BWLimit) << 10))
	if p.session, err = rsync.ServerSetup(p.r, p.w, a); err != nil {
		return err
	}
	if bad != nil {
		err = &ExitError{Code: ExitUnsupported, Err: bad}
	} else {
		err = shellServer(p, stats).serve(ctx)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		p.fail(ctx, err)
		return err
	}
	if code := stats.exit(); code != ExitOK {
		return &ExitError{Code: code, Err: errors.New("some files could not be transferred")}
	}
	return nil
}

// exchangeVersions agrees on a version, at most limit, where there is no
// daemon's greeting.
func (p *stockPeer) exchangeVersions(limit int) error {
	if err := p.w.WriteVersion(limit); err != nil {
		return err
	}
	v, err := p.r.ReadVersion(limit)
	if err != nil {
		return err
	}
	p.r.SetProtocol(v)
	p.w.SetProtocol(v)
	return nil
}

// shellServer serves paths of this host, as the shell and the user's rights
// leave them.
func shellServer(p *stockPeer, stats *Stats) *stockServer {
	t := &Transfer{Stats: stats}
	return &stockServer{
		stockPeer: p, stats: stats,
		expand: func(path string) ([]string, error) { return []string{path}, nil },
		open:   func(path string) (*tree.Root, error) { return tree.OpenRoot(orDot(path), false) },
		dest: func(given string, o *Options, single bool) (*stockDest, error) {
			t.Options, t.Dest.Path = *o, orDot(given)
			d := &stockDest{}
			if single {
				d.as = newName(t.Dest.Path)
			}
			var err error
			d.root, err = t.openDest(t.Dest.Path, d.as != "")
			return d, err
		},
		alt: func(k *sink, _ string, a AltDest) error {
			path := string(a.Path)
			if !filepath.IsAbs(path) {
				path = filepath.Join(t.into, path)
			}
			root, err := tree.OpenRoot(path, false)
			if err == nil {
				k.alts = append(k.alts, alt{kind: a.Kind, root: root})
			}
			return err
		},
		backups: func(string, *Options) *backups { return t.backups() },
		fsync:   func() Fsync { return t.Options.Fsync },
		log:     func(native.Note) {},
	}
}

// orDot is the directory that a server starts in, for an empty path.
func orDot(path string) string {
	if path == "" {
		return "."
	}
	return path
}
