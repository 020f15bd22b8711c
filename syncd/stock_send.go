package syncd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"syscall"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// answer echoes a request and sends what it asks for (sender.c:send_files).
func (x *stockSource) answer(ctx context.Context, q *stockRequest) error {
	if q.sums == nil {
		return x.echo(q)
	}
	f, v, err := x.src.openAny(q.file.Name)
	if err != nil {
		return x.noSend(q, err)
	}
	defer f.Close()
	if err := x.echo(q); err != nil {
		return err
	}
	if err := x.w.SumHead(q.sums.Head); err != nil {
		return err
	}
	x.src.stats.Transferred.Add(1)
	x.tokens.Start()
	x.sums.Restart(x.hash.h, x.session.Seed)
	failed, err := x.content(ctx, f, v.Size, q)
	if err != nil {
		return err
	}
	if err := x.tokens.End(); err != nil {
		return err
	}
	sum := x.hash.digest()
	if failed != nil {
		// What was sent is not the file: the receiving side finds out by this,
		// and asks again. If it is shorter now, it will be right then.
		sum[len(sum)-1] ^= 0xff
		if !errors.Is(failed, delta.ErrTruncated) && !errors.Is(failed, io.ErrUnexpectedEOF) {
			if err := x.unlisted(q.file.Name, failed); err != nil {
				return err
			}
		}
	}
	_, err = x.w.Write(sum)
	return err
}

// echo sends the head of a request back, with the attributes that it wants.
func (x *stockSource) echo(q *stockRequest) error {
	if x.show != nil {
		x.show.item(q.rec, q.file)
	}
	if err := x.w.Record(q.rec); err != nil {
		return err
	}
	if !x.session.HasXattrs(q.rec.IFlags) {
		return nil
	}
	var now wire.Entry
	if len(q.wanted) > 0 {
		now = x.attributes(q.file.Name)
	}
	return x.w.XattrValues(q.file, q.wanted, func(i int) []byte {
		name := q.file.Xattrs[q.file.Abbrev[i].Index].Name
		for _, a := range now.Xattrs {
			if a.Name == name {
				return a.Value
			}
		}
		return nil // gone meanwhile
	})
}

// attributes returns a path's entry with its attributes, as they are now: a
// list holds no long ones. What is gone has none.
func (x *stockSource) attributes(p string) (e wire.Entry) {
	req := native.List{Want: native.WantOne | native.WantXattrs}
	if req.Path, req.After = path.Split(p); req.Path != "" {
		req.Path = req.Path[:len(req.Path)-1]
	}
	var w native.PageWriter
	if p == "." {
		d, err := x.src.open("")
		if err == nil {
			_ = d.dir.EntryInto(".", tree.Want{Xattrs: true, DiskACLs: true}, &e)
		}
		return e
	}
	if _, _, err := x.src.page(&req, &w); err == nil {
		_, _ = native.NewPage(w.Bytes(), false, "").Next(&e)
	}
	return e
}

// noSend answers a request for a file that can't be opened.
func (x *stockSource) noSend(q *stockRequest, err error) error {
	p := q.file.Name
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		x.ioErr |= rsync.IOErrVanished
		x.src.stats.Vanished.Add(1)
		err = x.tell(rsync.MsgWarning, fmt.Sprintf("file has vanished: %q", Printable(p)))
	} else {
		err = x.unlisted(p, err)
	}
	if err != nil {
		return err
	}
	return x.w.Message(rsync.Message{Code: rsync.MsgNoSend, Value: int32(q.rec.NDX)})
}

// content sends the tokens of a file, and hashes it. failed is what is wrong
// with the file, err what is wrong with the session.
func (x *stockSource) content(ctx context.Context, f *tree.File, size int64, q *stockRequest) (failed, err error) {
	head := q.sums.Head
	if x.again != nil && q.sums.Weak == nil {
		return x.appendix(f, size, head.Size())
	}
	sig := x.signature(q.sums)
	if sig == nil || size == 0 {
		return x.raw(f, 0, size)
	}
	o := delta.Options{Whole: x.hash.h, GiveUp: giveUp, InPlace: x.inPlace(q.rec)}
	covered := int64(0)
	err = delta.Search(ctx, sig, countedFile{f, x.src.stats}, size, o, func(op delta.Op) error {
		covered = op.Off + op.Len
		if op.Kind == delta.Copy {
			return x.blocks(f, op, head)
		}
		return x.literal(f, op.Off, op.Len)
	})
	switch {
	case errors.Is(err, delta.ErrNothingInCommon):
		x.sums.Restart(x.hash.h, x.session.Seed)
		if failed = x.hash.add(f, 0, covered); failed != nil {
			return failed, nil
		}
		return x.raw(f, covered, size-covered)
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case isFileError(err):
		return err, nil
	}
	return nil, err
}

// isFileError tells what is wrong with a file from what is wrong with the
// session.
func isFileError(err error) bool {
	var fe *wire.FileError
	return errors.As(err, &fe) || isReadError(err)
}

// signature returns what is to be searched for, nil if there is nothing, or
// sums that are too short or too many for delta: then the file goes whole.
func (x *stockSource) signature(s *rsync.Sums) *delta.Signature {
	p, ok := blockSums(x.session, s.Head.Block, s.Head.StrongLen)
	if !ok || len(s.Weak) == 0 {
		return nil
	}
	sig, err := delta.NewSignature(p, s.Head.Size(), s.Weak, s.Strong)
	if err != nil {
		return nil
	}
	return sig
}

// inPlace reports whether the receiving side overwrites the basis while it
// reads it (sender.c:send_files, updating_basis_file).
func (x *stockSource) inPlace(rec rsync.Record) bool {
	switch rec.Basis {
	case rsync.BasisPartial:
		return x.session.Compat&rsync.InplacePartial != 0
	case rsync.BasisFile:
		return x.session.Args.Inplace || x.session.Args.Append > 0
	}
	return false
}

// raw sends a range that no search covers. Each piece is hashed right before
// it is pumped, while it is in the processor's cache.
func (x *stockSource) raw(f *tree.File, off, n int64) (failed, err error) {
	for end := off + n; off < end; off += hashBlock {
		m := min(hashBlock, end-off)
		if x.sums.Size() > 1 {
			if err := x.hash.add(f, off, m); err != nil {
				return err, nil
			}
		}
		if err := x.literal(f, off, m); isFileError(err) {
			return err, nil
		} else if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// appendix sends what is behind the first n bytes, which the receiving side
// has (match.c:match_sums).
func (x *stockSource) appendix(f *tree.File, size, n int64) (failed, err error) {
	if n > size {
		return delta.ErrTruncated, nil
	}
	if x.session.Args.Append > 1 {
		if err := x.hash.add(f, 0, n); err != nil {
			return err, nil
		}
	}
	x.src.stats.Matched.Add(n)
	return x.raw(f, n, size-n)
}

// literal sends a range as it is, or compressed.
func (x *stockSource) literal(f *tree.File, off, n int64) error {
	st := x.src.stats
	st.Literal.Add(n)
	if x.session.Compression != "none" {
		st.User.Add(n)
	}
	return x.tokens.Literal(f, off, n)
}

// blocks sends the numbers of the blocks that an op copies.
func (x *stockSource) blocks(f *tree.File, op delta.Op, head rsync.SumHead) error {
	x.src.stats.Matched.Add(op.Len)
	for done := int64(0); done < op.Len; {
		block := int((op.Src + done) / int64(head.Block))
		_, n := head.Range(block)
		if err := x.tokens.Copy(block, f, op.Off+done, n); err != nil {
			return err
		}
		done += n
	}
	return nil
}
