package syncd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// sign makes the signature of a file, and calls send with its encoding, in pieces, as it
// goes on; more says that the piece is not the last. What it returns in failed is wrong
// with the file; err is send's error, or says that the session is over.
func (s *source) sign(ctx context.Context, r *native.Sign, send func(piece []byte, more bool) error) (failed, err error) {
	f, failed := s.openFile(r.File.Path, r.File.Version)
	if failed != nil {
		return failed, nil
	}
	defer f.Close()
	size := r.File.Version.Size
	p := delta.NativeParams(size, s.alg)
	if r.Block > 0 {
		p.Block = int(r.Block)
	}
	n, err := delta.EncodedLen(p, size)
	if err != nil || n > native.MaxSignature {
		return fmt.Errorf("no signature in blocks of %d for a file of %d bytes", p.Block, size), nil
	}
	key, keep := s.sumKey(r.File.Path, r.File.Version)
	key.Block = p.Block
	if keep && !r.Again {
		if sig := s.sums.Get(key); int64(len(sig)) == n {
			return nil, send(sig, false)
		}
	}
	sig := make([]byte, 0, n)
	signed := 0
	o := delta.Options{Signed: func(so *delta.Signature, blocks int) error {
		switch {
		case blocks < so.Blocks():
			if blocks -= blocks % delta.Group; blocks == signed {
				return nil
			}
		case unchanged(f, r.File.Version) != native.StatusOK:
			return errChanged
		}
		was := len(sig)
		sig, signed = so.AppendGroups(sig, signed, blocks), blocks
		err = send(sig[was:], blocks < so.Blocks())
		return err
	}}
	_, failed = delta.Sign(ctx, countedFile{f, s.stats}, size, p, o)
	switch {
	case err != nil:
		return nil, err
	case failed != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case failed != nil:
		return asChange(f, r.File.Version, failed), nil
	case keep:
		s.sums.Put(key, sig)
	}
	return nil, nil
}

// asChange says of an error in reading f that the file changed, if it did.
func asChange(f *tree.File, want wire.Version, err error) error {
	if unchanged(f, want) != native.StatusOK {
		return errChanged
	}
	return err
}

func (s *source) answerSign(ctx context.Context, a *native.Answerer, r *native.Sign) error {
	failed, err := s.sign(ctx, r, func(piece []byte, more bool) error {
		if err := a.Sums(r.ID, piece); err != nil || !more {
			return err
		}
		return a.Flush() // the sink begins with what it has
	})
	if failed != nil {
		err = a.Failed(r.ID, 0, failure(failed))
	}
	if err != nil {
		return err
	}
	return a.End(r.ID)
}

// answerDelta searches the file for the blocks of the sink's basis, whose signature may
// still be on its way, and sends the ops as they are found.
func (s *source) answerDelta(ctx context.Context, a *native.Answerer, r *native.Delta) error {
	defer r.Sums.Drop()
	failed, err := s.sendOps(ctx, a, r)
	if err != nil {
		return err
	}
	if failed != nil {
		if err := a.Failed(r.ID, 0, failure(failed)); err != nil {
			return err
		}
	}
	return a.End(r.ID)
}

// sendOps returns in failed what is wrong with the file, and in err what is
// wrong with the stream.
func (s *source) sendOps(ctx context.Context, a *native.Answerer, r *native.Delta) (failed, err error) {
	f, failed := s.openFile(r.File.Path, r.File.Version)
	if failed != nil {
		return failed, nil
	}
	defer f.Close()
	s.stats.Transferred.Add(1)
	o := opsSender{s: s, a: a, id: r.ID, f: f, size: r.File.Version.Size}
	o.file = &fileSender{s: s, a: a, r: &native.Read{ID: r.ID}, f: f, version: r.File.Version}
	err = o.search(ctx, r.Sums)
	if errors.Is(err, delta.ErrNothingInCommon) {
		err = o.literal(o.covered, o.size-o.covered)
	}
	switch {
	case errors.Is(err, errEnded):
		return o.failed, nil
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case isReadError(err):
		return asChange(f, r.File.Version, err), nil
	case err != nil:
		return nil, err
	case unchanged(f, r.File.Version) != native.StatusOK:
		return errChanged, nil
	}
	return nil, nil
}

// opsSender sends the ops of one DELTA.
type opsSender struct {
	s       *source
	a       *native.Answerer
	id      uint32
	f       *tree.File
	size    int64
	file    *fileSender
	covered int64 // the end of the op that was sent last
	failed  error // of errEnded
}

// search looks for what has come of the signature as long as it has to wait for more,
// and then for the rest.
func (o *opsSender) search(ctx context.Context, sums *native.Pieces) error {
	dec := delta.NewAnyDecoder(native.MaxSignature)
	var find *delta.FileSearch
	for {
		piece, err := sums.Next(ctx)
		switch {
		case errors.Is(err, native.ErrCut):
			return errEnded // the sink knows why
		case errors.Is(err, io.EOF) && dec.Complete():
			return find.Finish(ctx)
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%w: a signature ends early", native.ErrProtocol)
		case err != nil:
			return err
		}
		if _, err := dec.Write(piece); err != nil {
			return fmt.Errorf("%w: %w", native.ErrProtocol, err)
		}
		if find == nil && dec.Signature() != nil {
			find = delta.NewFileSearch(dec.Signature(), countedFile{o.f, o.s.stats}, o.size, delta.Options{GiveUp: giveUp}, o.send)
		}
		if find != nil && sums.Waits() {
			if err := find.Ahead(ctx, dec.Blocks()); err != nil {
				return err
			}
			if err := o.a.Flush(); err != nil { // the sink begins with what was found
				return err
			}
		}
	}
}

func (o *opsSender) send(op delta.Op) error {
	if op.Kind == delta.Literal {
		return o.literal(op.Off, op.Len)
	}
	o.covered = op.Off + op.Len
	o.s.stats.Matched.Add(op.Len)
	return o.a.Copy(o.id, op.Off, op.Src, op.Len)
}

func (o *opsSender) literal(off, n int64) error {
	o.covered = off + n
	for e, err := range tree.Extents(o.f, off, n) {
		if err != nil {
			o.failed = err
			return errEnded
		}
		if ended, err := sendExtent(o.file, e, false); err != nil {
			return err
		} else if ended {
			return errEnded
		}
	}
	return nil
}

// errEnded ends a search whose file the sink knows to have failed.
var errEnded = errors.New("the file failed")

// isReadError tells an error of the file from one of the stream.
func isReadError(err error) bool {
	var pe *fs.PathError
	return errors.As(err, &pe) || errors.Is(err, delta.ErrTruncated)
}
