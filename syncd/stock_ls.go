package syncd

import (
	"context"
	"fmt"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// stockListing shows what a stock sender lists, and asks for nothing.
type stockListing struct {
	*stockPeer
	dec   *rsync.ListDecoder
	asked request
	show  func(path string, e *wire.Entry, err error)
	ioErr int
}

// listStock is List for stock rsync: by its --list-only (main.c:do_recv).
func (t *Transfer) listStock(ctx context.Context, of Location, recursive bool, show func(path string, e *wire.Entry, err error)) error {
	a := &rsync.Args{Sender: true, ListOnly: true, Recursive: recursive, Dirs: !recursive, Links: true, NumericIDs: true, DryRun: true}
	t.offerCapabilities(a)
	if t.Note == nil {
		t.Note = func(native.Note) {}
	}
	p, err := t.openStock(ctx, of, a, []string{of.Path})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer stop()
	l := &stockListing{stockPeer: p, dec: rsync.NewListDecoder(p.r, p.session.ListOptions()), show: show,
		asked: request{paths: []string{of.Path}, rules: t.Filter}}
	p.r.Handle = l.handle
	err = l.run()
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	code := p.close()
	if err != nil {
		return fmt.Errorf("%s: %w", of, err)
	}
	if c := rsync.IOErrorExit(l.ioErr); c != 0 {
		code = c
	}
	if code != 0 {
		return Exitf(code, "%s: not all of it could be listed", of)
	}
	return nil
}

// run reads all lists and ends the session. Each list is given back as soon as
// it is shown, so that the sender goes on.
func (l *stockListing) run() error {
	first, err := l.dec.First()
	if err != nil {
		return err
	}
	if err := l.take(first); err != nil || first.Len() == 0 {
		return err
	}
	// With incremental recursion the end of the last list is that of the first
	// phase; without, the only list has none.
	phases := rsync.Phases(l.session.Protocol)
	if l.session.IncRecurse() {
		err = l.end(1)
	} else {
		err = l.end(phases)
	}
	lists, all := 1, !l.session.IncRecurse()
	for dones := 0; err == nil; {
		var ndx int
		if ndx, err = l.r.NDX(); err != nil {
			break
		}
		switch dir, isList := rsync.ListDir(ndx); {
		case ndx == rsync.NDXDone:
			if dones++; all && dones == lists+phases-1 {
				return l.goodbye()
			}
		case ndx == rsync.NDXListEOF && !all:
			all, err = true, l.end(phases-1)
		case isList && !all:
			lists++
			var next *rsync.List
			if next, err = l.dec.Next(dir); err == nil {
				err = l.take(next)
			}
			if err == nil {
				err = l.end(1)
			}
		default:
			err = fmt.Errorf("%w: index %d from a sender that was asked for nothing", rsync.ErrProtocol, ndx)
		}
	}
	return err
}

// end ends n lists or phases.
func (l *stockListing) end(n int) error {
	for range n {
		if err := l.w.NDX(rsync.NDXDone); err != nil {
			return err
		}
	}
	return l.w.Flush()
}

// take shows a list.
func (l *stockListing) take(list *rsync.List) error {
	l.ioErr |= list.IOError
	if err := l.asked.check(list); err != nil {
		return err
	}
	list.All(func(_ int, f *rsync.File) bool {
		l.show(f.Name, &f.Entry, nil)
		return true
	})
	return nil
}

// goodbye ends the session, as a receiving side.
func (l *stockListing) goodbye() error {
	if _, err := rsync.ReadStats(l.r); err != nil {
		return err
	}
	for left := rsync.GoodbyeDones(l.session.Protocol); left > 0; left-- {
		if err := l.end(1); err != nil {
			return err
		}
		if left > 1 {
			if ndx, err := l.r.NDX(); err != nil {
				return err
			} else if ndx != rsync.NDXDone {
				return fmt.Errorf("%w: index %d where the session ends", rsync.ErrProtocol, ndx)
			}
		}
	}
	return nil
}

// handle takes a message.
func (l *stockListing) handle(m rsync.Message) error {
	switch m.Code {
	case rsync.MsgIOError:
		l.ioErr |= int(m.Value)
	case rsync.MsgErrorXfer:
		l.ioErr |= rsync.IOErrGeneral
	}
	return l.stockPeer.handle(m)
}
