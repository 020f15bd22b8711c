package syncd

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// List calls show for each entry of a remote directory, and of those below it
// if recursive is set, parents first. path is relative to what of names. A
// name that the source can't read comes with a non-nil error; what a stock
// source can't read, Note is told of.
func (t *Transfer) List(ctx context.Context, of Location, recursive bool, show func(path string, e *wire.Entry, err error)) error {
	if err := checkRemotePath(of); err != nil {
		return err
	}
	if t.Filter == nil {
		t.Filter = new(filter.List)
	}
	if of.Stock {
		return t.listStock(ctx, of, recursive, show)
	}
	h, err := t.hello(native.RolePull, of.Module, filter.Sender)
	if err != nil {
		return err
	}
	h.Paths = [][]byte{[]byte(of.Path)}
	conn, _, err := t.dial(ctx, of, h)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	a := native.NewAsker(conn, t.Digest.Size())
	if err := listDir(a, "", recursive, show); err != nil {
		return err
	}
	if err := a.Bye(t.Stats.Result(0).JSON()); err != nil {
		return err
	}
	_, err = a.Next()
	return err
}

// listDir lists one directory, page by page, and then those in it.
func listDir(a *native.Asker, path string, recursive bool, show func(string, *wire.Entry, error)) error {
	in := &node{path: path}
	var below []string
	for after, more := "", true; more; {
		if err := a.Ask(&native.List{ID: 1, Path: path, After: after, Want: native.WantNames}); err != nil {
			return err
		}
		if err := a.Flush(); err != nil {
			return err
		}
		ans, err := a.Next()
		if err != nil {
			return err
		}
		if ans.Type == native.TypeFailed {
			show(path, nil, ans.Failure())
			return nil
		}
		if ans.Type != native.TypePage {
			return fmt.Errorf("%w: frame type %d for a listing", native.ErrProtocol, ans.Type)
		}
		more = ans.Status == native.StatusMore
		page := native.NewPage(append([]byte(nil), ans.Payload...), path == "" && after == "", after)
		for {
			var e wire.Entry
			ok, err := page.Next(&e)
			var bad *native.EntryError
			switch {
			case errors.As(err, &bad):
				show(in.join(e.Name), nil, bad)
				continue
			case err != nil:
				return err
			}
			if !ok {
				break
			}
			show(in.join(e.Name), &e, nil)
			if e.IsDir() && e.Name != "." && recursive {
				below = append(below, in.join(e.Name))
			}
		}
		if more && page.Last() == after {
			return fmt.Errorf("%w: a page without entries says that there are more", native.ErrProtocol)
		}
		after = page.Last()
	}
	for _, p := range below {
		if err := listDir(a, p, recursive, show); err != nil {
			return err
		}
	}
	return nil
}
