package syncd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// ask queues the requests of a batch: a READ's files, or a DELTA's.
func (a *stockUpstream) ask(b *batch, req any) error {
	var sums *rsync.Sums
	if d, ok := req.(*native.Delta); ok {
		sig, err := delta.ParseSignature(d.Sig)
		if err != nil {
			panic("syncd: a signature of our own can't be parsed: " + err.Error())
		}
		sums = stockSums(sig)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, j := range b.jobs {
		p := &pendingFile{ndx: int(j.entry.Ctime.Sec), id: b.id, index: uint32(i), last: i == len(b.jobs)-1, flags: rsync.Transfer}
		s := sums
		if s == nil {
			s = &rsync.Sums{}
		}
		if a.appends(j) {
			p.off = j.want[0].Off
			s.Head = rsync.NewSumHead(p.off, a.session.Args.BlockSize, a.session.Checksum.Size(), false)
		}
		p.head = s.Head
		if a.session.Protocol < 29 {
			p.path = j.path()
		}
		if a.server {
			p.flags |= flagsOf(j.item)
		}
		a.record(p, "", func() error { return rsync.WriteSums(a.w, s) })
	}
	return nil
}

// appends reports whether only the end of a file is asked for.
func (a *stockUpstream) appends(j *job) bool {
	return a.session.Args.Append > 0 && j.phase == fetching && len(j.want) == 1 && j.want[0].Off > 0
}

// stockSums returns a signature as stock sends it.
func stockSums(sig *delta.Signature) *rsync.Sums {
	p := sig.Params()
	s := &rsync.Sums{Head: rsync.SumHead{Count: sig.Blocks(), Block: p.Block, StrongLen: p.StrongLen, Remainder: int(sig.Size() % int64(p.Block))}}
	for i := range sig.Blocks() {
		s.Weak = append(s.Weak, sig.Weak(i))
		s.Strong = append(s.Strong, sig.Strong(i)...)
	}
	return s
}

// record queues a record, and what follows it. It wants no attributes. a.mu is
// held.
func (a *stockUpstream) record(p *pendingFile, xname string, then func() error) {
	if a.session.Protocol == 29 && p.id != 0 {
		a.probe = p
	}
	attributes := a.session.HasXattrs(p.flags)
	if attributes {
		p.file = &rsync.File{}
	}
	a.pend = append(a.pend, p)
	a.out = append(a.out, func() error {
		if err := a.w.Record(rsync.Record{NDX: p.ndx, IFlags: p.flags, Basis: rsync.BasisFile, XName: xname}); err != nil {
			return err
		}
		if attributes {
			if err := a.w.XattrRequest(p.file, nil); err != nil {
				return err
			}
		}
		if then == nil {
			return nil
		}
		return then()
	})
	a.cond.Signal()
}

// answer reads what follows an index in the sender's stream
// (receiver.c:recv_files).
func (a *stockUpstream) answer(ndx int) error {
	rec, err := a.r.Record(ndx)
	if err != nil {
		return err
	}
	if a.session.Protocol < 30 && rec.KeepAlive(a.files) {
		return nil
	}
	p, err := a.pending(ndx, rec.IFlags)
	if err != nil {
		return err
	}
	if p == nil {
		return fmt.Errorf("%w: an answer for index %d, which was not asked for", rsync.ErrProtocol, ndx)
	}
	if a.session.HasXattrs(rec.IFlags) {
		if p.file == nil {
			return fmt.Errorf("%w: attributes of index %d, which were not asked for", rsync.ErrProtocol, ndx)
		}
		if err := a.dec.XattrValues(p.file); err != nil {
			return err
		}
	}
	if p.id != 0 {
		a.busy = true
		err = a.content(p)
		a.busy = false
		if err != nil {
			return err
		}
	}
	return a.answered(p)
}

// pending takes the request that an answer is for: the oldest one. Below
// protocol 30 those before it have failed, of which such a sender says nothing.
func (a *stockUpstream) pending(ndx int, flags rsync.IFlags) (*pendingFile, error) {
	for {
		a.mu.Lock()
		if len(a.pend) == 0 {
			a.mu.Unlock()
			return nil, nil
		}
		p := a.pend[0]
		a.mu.Unlock()
		if p.ndx == ndx && (p.flags^flags)&rsync.Transfer == 0 {
			return p, nil
		}
		if a.session.Protocol >= 30 || p.id == 0 {
			return nil, nil
		}
		if err := a.unsentFile(p); err != nil {
			return nil, err
		}
	}
}

// answered takes the oldest request off, and those behind it that are known to
// have failed.
func (a *stockUpstream) answered(p *pendingFile) error {
	a.mu.Lock()
	a.pend = a.pend[1:]
	if p.page {
		a.waiting--
	}
	a.mu.Unlock()
	if p.id == 0 {
		if err := a.tryList(); err != nil {
			return err
		}
	} else if p.last {
		if err := a.k.first.onEnd(p.id); err != nil {
			return err
		}
	}
	return a.passUnsent()
}

// noSend takes the sender's word that it can't send a file. It may come before
// the answers to earlier requests, and in the midst of one.
func (a *stockUpstream) noSend(ndx int) error {
	a.mu.Lock()
	asked := slices.ContainsFunc(a.pend, func(p *pendingFile) bool { return p.id != 0 && p.ndx == ndx })
	if asked {
		a.unsent[ndx] = true
	}
	a.mu.Unlock()
	if !asked {
		return fmt.Errorf("%w: index %d can't be sent, and was not asked for", rsync.ErrProtocol, ndx)
	}
	if a.busy {
		return nil
	}
	return a.passUnsent()
}

// complaint takes what a sender below protocol 29 says. It answers nothing to a
// request for a file that it can't send: all there is to see is a line for
// people, with the file's path in quotes, which may come before the answers to
// earlier requests (sender.c:send_files). A file that shrank while it was read
// is sent all the same, and a line that says so comes behind it.
func (a *stockUpstream) complaint(text string) error {
	if before, _, _ := strings.Cut(text, `"`); strings.HasSuffix(before, "read errors mapping ") {
		return nil
	}
	a.mu.Lock()
	for _, p := range a.pend {
		if p.path != "" && (strings.Contains(text, "/"+p.path+`"`) || strings.Contains(text, `"`+p.path+`"`)) {
			a.unsent[p.ndx] = true
			break
		}
	}
	a.mu.Unlock()
	if a.busy {
		return nil
	}
	return a.passUnsent()
}

// passUnsent ends the oldest request if it has failed.
func (a *stockUpstream) passUnsent() error {
	a.mu.Lock()
	if len(a.pend) == 0 || !a.unsent[a.pend[0].ndx] || a.pend[0].id == 0 {
		a.mu.Unlock()
		return nil
	}
	p := a.pend[0]
	delete(a.unsent, p.ndx)
	a.mu.Unlock()
	return a.unsentFile(p)
}

// unsentFile ends a request that has failed. The sender has said why, and
// counts it in its error bits.
func (a *stockUpstream) unsentFile(p *pendingFile) error {
	j, err := a.k.first.current(p.id, p.index)
	if err != nil {
		return err
	}
	j.fail, j.told = &native.Failure{Status: native.StatusError, Text: "the sender could not send it"}, true
	return a.answered(p)
}

// content reads the tokens of a file and the sum that ends them
// (receiver.c:receive_data).
func (a *stockUpstream) content(p *pendingFile) error {
	j, err := a.k.first.current(p.id, p.index)
	if err != nil {
		return err
	}
	head, err := a.r.SumHead(a.session.Checksum.Size())
	if err != nil {
		return err
	}
	if head != p.head {
		return fmt.Errorf("%w: a sum head that was not sent", rsync.ErrProtocol)
	}
	t := &stockFile{a: a, k: a.k, j: j, head: head}
	t.start(p.off)
	if err := t.tokens(); err != nil {
		_ = a.tokens.WriteOut() // nothing is held any more when the file is closed; err says what is wrong
		return err
	}
	sum := make([]byte, a.session.Checksum.Size())
	if _, err := io.ReadFull(a.r, sum); err != nil {
		return err
	}
	t.end(sum)
	return nil
}

// stockFile is a file of the sink whose tokens are being read.
type stockFile struct {
	a    *stockUpstream
	k    *sink
	j    *job
	head rsync.SumHead
	hash *hasher  // of what came, nil if it is hashed at the end
	done int64    // up to where it is hashed
	copy delta.Op // blocks that are gathered to be copied at once
	room int64    // up to where blocks of the file system were asked for
}

// start begins a file at an offset. Its length is what comes.
func (t *stockFile) start(off int64) {
	t.j.want = []native.Range{{Off: off, N: math.MaxInt64 - off}}
	t.j.at, t.j.next = 0, off
	t.done = off
	blocks := t.head.Count
	if off > 0 {
		blocks = 0
	}
	t.a.tokens.Start(blocks)
	if blocks > 0 || t.j.assemble {
		return // bytes of the basis will be in it: the worker hashes all of it
	}
	if h := t.a.newWhole(); h != nil {
		if t.a.hash == nil {
			t.a.hash = &hasher{buf: make([]byte, hashBlock), stats: t.k.stats}
		}
		t.hash = t.a.hash
		t.hash.h = h
		if off > 0 && t.a.session.Args.Append > 1 {
			t.done = 0
		}
	}
}

// tokens reads up to the end of the file.
func (t *stockFile) tokens() error {
	for {
		tok, err := t.a.tokens.Next()
		if err != nil {
			return err
		}
		switch tok.Kind {
		case rsync.Literal:
			err = t.literal(tok.N)
		case rsync.Copy:
			err = t.block(tok.Block)
		case rsync.End:
			t.flush()
			return t.hashMore()
		}
		if err != nil {
			return err
		}
	}
}

// literal takes bytes into the file. What it can't take is dropped by the next
// token.
func (t *stockFile) literal(n int64) error {
	t.flush()
	off := t.j.next
	if !t.j.expect(off, n) {
		return fmt.Errorf("%w: a file of more than %d bytes", rsync.ErrProtocol, int64(math.MaxInt64))
	}
	if !t.k.openTarget(t.j) {
		return nil
	}
	st := t.k.stats
	st.Literal.Add(n)
	if t.a.session.Compression != "none" {
		st.User.Add(n)
	}
	t.allocate(off)
	var more int64
	if t.hash != nil { // else blocks of the basis may come instead
		more = max(t.j.entry.Size-t.j.next, 0)
	}
	err := t.failed(t.a.tokens.RecvFile(t.j.content(), off, more))
	if err == nil && t.hash != nil && t.j.next-t.done >= hashBlock {
		return t.hashMore()
	}
	return err
}

// failed notes that the job's file failed, and returns any other error.
func (t *stockFile) failed(err error) error {
	var fe *wire.FileError
	if errors.As(err, &fe) {
		t.j.err, err = fe, nil
	}
	return err
}

// allocate prepares the next segment of a file that comes whole for being written,
// as far as the sender has listed it.
func (t *stockFile) allocate(off int64) {
	if listed := t.j.entry.Size; t.hash != nil && off >= t.room && off < listed {
		n := min(native.Segment, listed-off)
		t.room = off + n
		t.k.allocate(t.j, off, n)
	}
}

// hashMore has what came since the last time in the file, and hashes it while it is
// in the processor's cache.
func (t *stockFile) hashMore() error {
	if err := t.failed(t.a.tokens.WriteOut()); err != nil {
		return err
	}
	if t.hash != nil && t.j.err == nil && t.j.next > t.done && t.k.openTarget(t.j) {
		t.j.err = t.hash.add(t.j.file, t.done, t.j.next-t.done)
		t.done = t.j.next
	}
	return nil
}

// block copies a block of the basis.
func (t *stockFile) block(i int) error {
	src, n := t.head.Range(i)
	off := t.j.next
	if t.j.phase != merging || !t.j.expect(off, n) {
		return fmt.Errorf("%w: block %d of a file that has no basis", rsync.ErrProtocol, i)
	}
	c := &t.copy
	if c.Len > 0 && c.Src+c.Len == src {
		c.Len += n
	} else {
		t.flush()
		*c = delta.Op{Kind: delta.Copy, Off: off, Src: src, Len: n}
	}
	return t.a.tokens.Copied(t.j.basis, src, n)
}

// flush copies the blocks that were gathered.
func (t *stockFile) flush() {
	if t.copy.Len > 0 && t.j.err == nil {
		t.k.copyBasis(t.j, t.copy)
	}
	t.copy = delta.Op{}
}

// end completes the file. A wrong sum has it fetched again.
func (t *stockFile) end(sum []byte) {
	j := t.j
	j.holes = j.holes || j.next < j.entry.Size // give back what was too much
	j.entry.Size = j.next
	j.at = len(j.want)
	j.sum = sum
	j.mixed = j.mixed || t.hash == nil && !j.assemble // the worker is to hash it
	if t.hash != nil && j.err == nil && !bytes.Equal(t.hash.digest(), sum) {
		j.bad = []native.Range{{N: j.entry.Size}}
	}
}

// verify hashes a file that was put together of its basis and of what came.
func (a *stockUpstream) verify(ctx context.Context, j *job) (bad []native.Range) {
	h := a.newWhole()
	if h == nil {
		return j.bad
	}
	all := &hasher{h: h, buf: make([]byte, hashBlock), stats: a.k.stats}
	if err := all.addAll(ctx, j.file, j.entry.Size); err != nil || !bytes.Equal(all.digest(), j.sum) || len(j.bad) > 0 {
		return []native.Range{{N: j.entry.Size}}
	}
	return nil
}

// compare hashes what is there for --checksum, against the sender's list.
func (a *stockUpstream) compare(ctx context.Context, j *job) {
	all := &hasher{h: a.session.ListChecksum.NewList(), buf: make([]byte, hashBlock), stats: a.k.stats}
	err := all.addAll(ctx, j.file, j.entry.Size)
	j.differs = err != nil || !bytes.Equal(all.digest(), j.sum)
}

// addAll hashes the first n bytes of a file, unless the run ends.
func (h *hasher) addAll(ctx context.Context, f io.ReaderAt, n int64) error {
	for off := int64(0); off < n; off += hashBlock {
		m, err := f.ReadAt(h.buf[:min(hashBlock, n-off)], off)
		if int64(m) < min(hashBlock, n-off) {
			return errors.Join(io.ErrUnexpectedEOF, err)
		}
		h.h.Write(h.buf[:m])
		h.stats.Hash.Add(int64(m))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// compareListed has the worker compare a file with the digest in the sender's
// list.
func (k *sink) compareListed(j *job) error {
	j.sum = k.stock.listed(j)
	k.begin(j)
	if err := k.room(); err != nil {
		k.discard(j)
		return err
	}
	k.toWorker(j)
	return nil
}

// listed returns the digest of a file in its list.
func (a *stockUpstream) listed(j *job) []byte {
	a.mu.Lock()
	l := a.current
	a.mu.Unlock()
	if f := l.File(int(j.entry.Ctime.Sec)); f != nil {
		return f.Digest
	}
	return nil
}

// redo fetches a file anew, from its beginning.
func (k *sink) redo(j *job) error {
	n := &job{node: j.node, entry: j.entry, cur: j.cur, link: j.link, item: j.item, tries: j.tries, saved: j.saved}
	err := k.fetch(n)
	j.superseded = true
	k.tasks <- task{job: j}
	return err
}
