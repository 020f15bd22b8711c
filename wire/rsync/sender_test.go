package rsync_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// A testSender is the smallest sender there can be: all lists at once, then
// requests in order.
type testSender struct {
	*link
	t      *testing.T
	s      *rsync.Session
	root   string
	server bool
	lists  []*rsync.List
	tokens rsync.TokenWriter
	deltas int // blocks that were matched
}

// digest returns the checksum of a file in the list.
func digest(t *testing.T, path string, o rsync.ListOptions) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := map[int]delta.Algorithm{16: delta.XXH3128, 8: delta.XXH64}[o.Checksum]
	if o.Compat&rsync.VarintFlags == 0 {
		sum = delta.MD5
	}
	if o.Protocol < 30 {
		sum = delta.MD4
	}
	return sum.Sum(nil, data)
}

// send plays the sender to the end of the session.
func (x *testSender) send() error {
	var err error
	if x.tokens, err = rsync.NewTokenWriter(x.w, x.s.Compression, 0); err != nil {
		return err
	}
	defer x.tokens.Close()
	if err := x.sendLists(); err != nil {
		return err
	}
	if err := x.w.Flush(); err != nil {
		return err
	}
	x.startTape(x.s.Protocol)
	lists, phase := len(x.lists), 0
	for {
		x.tape.drop()
		ndx, err := x.r.NDX()
		if err != nil {
			return err
		}
		if ndx != rsync.NDXDone {
			if err := x.answer(ndx); err != nil {
				return err
			}
		} else {
			if lists--; lists <= 0 {
				phase++
			}
			if phase == rsync.Phases(x.s.Protocol) {
				break
			}
			if err := x.w.NDX(rsync.NDXDone); err != nil {
				return err
			}
		}
		if err := x.w.Flush(); err != nil {
			return err
		}
	}
	return x.end()
}

func (x *testSender) end() error {
	if err := x.w.NDX(rsync.NDXDone); err != nil {
		return err
	}
	if x.server {
		if err := rsync.WriteStats(x.w, rsync.Stats{Read: 1, Written: 2, TotalSize: 3}); err != nil {
			return err
		}
	}
	if err := x.w.Flush(); err != nil {
		return err
	}
	_, err := rsync.ReadGoodbye(x.r, x.w, x.server)
	return err
}

// sendLists sends the tree.
func (x *testSender) sendLists() error {
	o := x.s.ListOptions()
	e := rsync.NewListEncoder(x.w, o)
	e.First()
	all := names(x.t, x.root)
	add := func(want func(name string) bool) error {
		for _, name := range all {
			if !want(name) {
				continue
			}
			if err := e.Add(entry(x.t, x.root, name, o)); err != nil {
				return err
			}
		}
		l, err := e.End(0)
		x.lists = append(x.lists, l)
		return err
	}
	if !x.s.IncRecurse() {
		return add(func(string) bool { return true })
	}
	if err := add(func(name string) bool { return filepath.Dir(name) == "." }); err != nil {
		return err
	}
	for dir, path, ok := e.Pending(); ok; dir, path, ok = e.Pending() {
		if err := e.Next(dir); err != nil {
			return err
		}
		if err := add(func(name string) bool { return filepath.Dir(name) == path && name != "." }); err != nil {
			return err
		}
	}
	return e.Done()
}

// file returns the entry of an index; start-1 is a list's own directory.
func (x *testSender) file(ndx int) *rsync.File {
	for _, l := range x.lists {
		if f := l.File(ndx); f != nil {
			return f
		}
	}
	return nil
}

// answer handles one record.
func (x *testSender) answer(ndx int) error {
	rec, err := x.r.Record(ndx)
	if err != nil {
		return err
	}
	x.tape.keep("record")
	f := x.file(ndx)
	var wanted []int
	if f != nil && x.s.HasXattrs(rec.IFlags) {
		if wanted, err = x.r.XattrRequest(f); err != nil {
			return err
		}
	} else if x.s.HasXattrs(rec.IFlags) {
		// The record of a list's own directory.
		if f = x.directory(ndx); f == nil {
			x.t.Fatalf("record %d with xattrs of an unknown entry", ndx)
		}
		if wanted, err = x.r.XattrRequest(f); err != nil {
			return err
		}
	}
	if x.s.HasXattrs(rec.IFlags) {
		x.tape.keep("request")
	}
	if err := x.w.Record(rec); err != nil {
		return err
	}
	if x.s.HasXattrs(rec.IFlags) {
		full := entry(x.t, x.root, f.Name, x.s.ListOptions())
		err := x.w.XattrValues(f, wanted, func(i int) []byte {
			for _, a := range full.Xattrs {
				if a.Name == f.Xattrs[f.Abbrev[i].Index].Name {
					return a.Value
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if rec.IFlags&rsync.Transfer == 0 {
		return nil
	}
	return x.transfer(f)
}

// directory returns the entry of the directory that a list describes.
func (x *testSender) directory(ndx int) *rsync.File {
	for _, l := range x.lists {
		if l.Start-1 != ndx {
			continue
		}
		n := 0
		for _, l2 := range x.lists {
			for i := range l2.Len() {
				if f := l2.File(l2.Start + i); f.IsDir() {
					if n == l.Dir {
						return f
					}
					n++
				}
			}
		}
	}
	return nil
}

// transfer sends the content of a file.
func (x *testSender) transfer(f *rsync.File) error {
	sum := x.s.Checksum
	head, err := x.r.SumHead(sum.Size())
	if err != nil {
		return err
	}
	sums, err := rsync.ReadSums(x.r, head, 1<<20)
	if err != nil {
		return err
	}
	x.tape.keep("sums")
	if err := x.w.SumHead(head); err != nil {
		return err
	}
	src, err := os.Open(filepath.Join(x.root, f.Name))
	if err != nil {
		return err
	}
	defer src.Close()
	x.tokens.Start()
	if err := x.content(src, f.Size, sums); err != nil {
		return err
	}
	if err := x.tokens.End(); err != nil {
		return err
	}
	h := sum.NewFile(x.s.Seed)
	if _, err := io.Copy(h, src); err != nil {
		return err
	}
	_, err = x.w.Write(h.Sum(nil))
	return err
}

// content sends tokens for what the peer has and what it has not.
func (x *testSender) content(src *os.File, size int64, sums *rsync.Sums) error {
	alg, ok := x.s.Checksum.Algorithm()
	if sums.Head.Count == 0 || !ok || size == 0 {
		if size == 0 {
			return nil
		}
		return x.tokens.Literal(src, 0, size)
	}
	p := delta.Params{Block: sums.Head.Block, Strong: alg, StrongLen: sums.Head.StrongLen,
		Seed: x.s.Seed, SeedFirst: x.s.Checksum.SeedFirst(x.s.Compat)}
	sig, err := delta.NewSignature(p, sums.Head.Size(), sums.Weak, sums.Strong)
	if err != nil {
		return err
	}
	o := delta.Options{Workers: 1}
	return delta.Search(context.Background(), sig, src, size, o, func(op delta.Op) error {
		if op.Kind == delta.Literal {
			return x.tokens.Literal(src, op.Off, op.Len)
		}
		for done := int64(0); done < op.Len; {
			block := int((op.Src + done) / int64(sums.Head.Block))
			_, n := sums.Head.Range(block)
			if err := x.tokens.Copy(block, src, op.Off+done, n); err != nil {
				return err
			}
			x.deltas++
			done += n
		}
		return nil
	})
}
