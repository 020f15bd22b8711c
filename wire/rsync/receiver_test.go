package rsync_test

import (
	"bytes"
	"context"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// A testReceiver is the smallest receiving side there can be: a generator that
// asks for every regular file, and a receiver that writes the answers. It
// creates what is not a regular file only as far as directories go.
type testReceiver struct {
	*link
	t      *testing.T
	s      *rsync.Session
	root   string
	server bool
	dec    *rsync.ListDecoder
	tokens rsync.TokenReader
	stats  rsync.Stats

	work  chan *rsync.List // to the generator
	done  chan error       // from it
	mu    sync.Mutex
	files map[string]*rsync.File
	heads map[int]rsync.SumHead
	lists []*rsync.List
	// literal and copied count bytes.
	literal, copied int64
}

// receive plays generator and receiver to the end of the session.
func (x *testReceiver) receive() error {
	var err error
	x.files, x.heads = map[string]*rsync.File{}, map[int]rsync.SumHead{}
	x.startTape(x.s.Protocol)
	x.dec = rsync.NewListDecoder(x.r, x.s.ListOptions())
	first, err := x.dec.First()
	if err != nil {
		return err
	}
	x.tape.keep("list")
	if x.tokens, err = rsync.NewTokenReader(x.r, x.s.Compression); err != nil {
		return err
	}
	defer x.tokens.Close()
	x.work, x.done = make(chan *rsync.List, 1000), make(chan error, 1)
	go func() { x.done <- x.generate() }()
	x.take(first)
	if !x.s.IncRecurse() {
		close(x.work)
	}
	if err := x.loop(); err != nil {
		return err
	}
	if err := <-x.done; err != nil {
		return err
	}
	return x.goodbye()
}

// take notes a list and gives it to the generator.
func (x *testReceiver) take(l *rsync.List) {
	l.All(func(_ int, f *rsync.File) bool {
		x.files[f.Name] = f
		if f.IsDir() {
			if err := os.MkdirAll(filepath.Join(x.root, f.Name), 0o755); err != nil {
				x.t.Error(err)
			}
		}
		return true
	})
	x.mu.Lock()
	x.lists = append(x.lists, l)
	x.mu.Unlock()
	x.work <- l
}

// loop reads the sender's stream up to its last NDXDone of the loop.
func (x *testReceiver) loop() error {
	dones, eof := 0, !x.s.IncRecurse()
	for {
		x.tape.drop()
		ndx, err := x.r.NDX()
		if err != nil {
			return err
		}
		dir, isList := rsync.ListDir(ndx)
		switch {
		case ndx == rsync.NDXDone:
			dones++
			if eof && dones == len(x.lists)+rsync.Phases(x.s.Protocol)-1 {
				return nil
			}
		case ndx == rsync.NDXListEOF:
			eof = true
			close(x.work)
		case isList:
			l, err := x.dec.Next(dir)
			if err != nil {
				return err
			}
			x.tape.keep("list")
			x.take(l)
		case ndx >= 0:
			if err := x.record(ndx); err != nil {
				return fmt.Errorf("record %d: %w", ndx, err)
			}
		default:
			return fmt.Errorf("index %d", ndx)
		}
	}
}

func (x *testReceiver) goodbye() error {
	var err error
	if !x.server {
		x.tape.drop()
		if x.stats, err = rsync.ReadStats(x.r); err != nil {
			return err
		}
		x.tape.keep("stats")
	}
	for left := rsync.GoodbyeDones(x.s.Protocol); left > 0; left-- {
		if err := x.w.NDX(rsync.NDXDone); err != nil {
			return err
		}
		if err := x.w.Flush(); err != nil {
			return err
		}
		if left == 1 {
			break
		}
		if ndx, err := x.r.NDX(); ndx != rsync.NDXDone || err != nil {
			return fmt.Errorf("goodbye: %d, %w", ndx, err)
		}
	}
	return nil
}

// generate asks for everything, then ends the phases.
func (x *testReceiver) generate() error {
	for l := range x.work {
		var err error
		l.All(func(ndx int, f *rsync.File) bool {
			err = x.request(ndx, f)
			return err == nil
		})
		if err != nil {
			return err
		}
		// All requests of the list are ahead of this: the sender may drop it.
		if err := x.w.NDX(rsync.NDXDone); err != nil {
			return err
		}
		if err := x.w.Flush(); err != nil {
			return err
		}
	}
	for range rsync.Phases(x.s.Protocol) - 1 {
		if err := x.w.NDX(rsync.NDXDone); err != nil {
			return err
		}
	}
	return x.w.Flush()
}

// request asks for a file, and for the long xattrs of anything.
func (x *testReceiver) request(ndx int, f *rsync.File) error {
	rec := rsync.Record{NDX: ndx, IFlags: rsync.ReportTime, Basis: rsync.BasisFile}
	if len(f.Abbrev) > 0 && !f.IsDir() {
		rec.IFlags |= rsync.ReportXattr
	}
	if f.IsRegular() {
		rec.IFlags |= rsync.Transfer
	}
	if rec.IFlags == rsync.ReportTime {
		return nil
	}
	if err := x.w.Record(rec); err != nil {
		return err
	}
	if x.s.HasXattrs(rec.IFlags) {
		if err := x.w.XattrRequest(f, x.dec.MissingXattrs(f)); err != nil {
			return err
		}
	}
	if rec.IFlags&rsync.Transfer == 0 {
		return nil
	}
	sums, err := x.sign(f.Name)
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.heads[ndx] = sums.Head
	x.mu.Unlock()
	return rsync.WriteSums(x.w, sums)
}

// sign returns the signature of the basis, empty if there is none.
func (x *testReceiver) sign(name string) (*rsync.Sums, error) {
	none := &rsync.Sums{}
	basis, err := os.Open(filepath.Join(x.root, name))
	alg, ok := x.s.Checksum.Algorithm()
	if err != nil || !ok {
		return none, nil
	}
	defer basis.Close()
	st, err := basis.Stat()
	if err != nil || st.Size() == 0 {
		return none, err
	}
	h := rsync.NewSumHead(st.Size(), x.s.Args.BlockSize, x.s.Checksum.Size(), false)
	p := delta.Params{Block: h.Block, Strong: alg, StrongLen: h.StrongLen,
		Seed: x.s.Seed, SeedFirst: x.s.Checksum.SeedFirst(x.s.Compat)}
	sig, err := delta.Sign(context.Background(), basis, st.Size(), p, delta.Options{Workers: 1})
	if err != nil {
		return none, err
	}
	sums := &rsync.Sums{Head: h}
	for i := range sig.Blocks() {
		sums.Weak = append(sums.Weak, sig.Weak(i))
		sums.Strong = append(sums.Strong, sig.Strong(i)...)
	}
	return sums, nil
}

// record reads an answer.
func (x *testReceiver) record(ndx int) error {
	rec, err := x.r.Record(ndx)
	if err != nil {
		return err
	}
	x.tape.keep("record")
	x.mu.Lock()
	var f *rsync.File
	for _, l := range x.lists {
		if found := l.File(ndx); found != nil {
			f = found
		}
	}
	head := x.heads[ndx]
	x.mu.Unlock()
	if f == nil {
		return nil // a list's own directory, of which nothing follows
	}
	if x.s.HasXattrs(rec.IFlags) {
		if err := x.dec.XattrValues(f); err != nil {
			return err
		}
		x.tape.keep("values")
		x.files[f.Name] = f
	}
	if rec.IFlags&rsync.Transfer == 0 {
		return nil
	}
	echoed, err := x.r.SumHead(x.s.Checksum.Size())
	if err != nil {
		return err
	}
	x.tape.drop()
	if echoed != head {
		return fmt.Errorf("sum head %v, sent %v", echoed, head)
	}
	return x.content(f, head)
}

// content builds a file beside its basis and checks its sum.
func (x *testReceiver) content(f *rsync.File, head rsync.SumHead) error {
	path := filepath.Join(x.root, f.Name)
	basis, err := os.Open(path)
	if err == nil {
		defer basis.Close()
	}
	tmp, err := os.CreateTemp(x.root, "new")
	if err != nil {
		return err
	}
	defer tmp.Close()
	if err := x.build(tmp, basis, head); err != nil {
		return err
	}
	x.tape.keep("tokens")
	sum := x.s.Checksum.NewFile(x.s.Seed)
	if err := hashFile(sum, tmp); err != nil {
		return err
	}
	got, err := x.r.Bytes(sum.Size())
	if err != nil {
		return err
	}
	if want := sum.Sum(nil); !bytes.Equal(got, want) {
		return fmt.Errorf("%s: sum %x, the sender says %x", f.Name, want, got)
	}
	return os.Rename(tmp.Name(), path)
}

func hashFile(h hash.Hash, f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	b := make([]byte, st.Size())
	if _, err := f.ReadAt(b, 0); err != nil && st.Size() > 0 {
		return err
	}
	h.Write(b)
	return nil
}

// build follows the tokens.
func (x *testReceiver) build(tmp, basis *os.File, head rsync.SumHead) error {
	x.tokens.Start(head.Count)
	for at := int64(0); ; {
		tok, err := x.tokens.Next()
		if err != nil {
			return err
		}
		switch tok.Kind {
		case rsync.End:
			return x.tokens.WriteOut()
		case rsync.Literal:
			if err := x.tokens.RecvFile(tmp, at, 1); err != nil {
				return err
			}
			at += tok.N
			x.literal += tok.N
		case rsync.Copy:
			off, n := head.Range(tok.Block)
			b := make([]byte, n)
			if _, err := basis.ReadAt(b, off); err != nil {
				return err
			}
			if _, err := tmp.WriteAt(b, at); err != nil {
				return err
			}
			if err := x.tokens.Copied(basis, off, n); err != nil {
				return err
			}
			at += n
			x.copied += n
		}
	}
}
