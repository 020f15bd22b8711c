package wire

import "golang.org/x/sys/unix"

// gatherSize is how much of a file is gathered before it is written. The kernel
// gives a write of that length its pages in large folios: to receive 1 GiB in pieces
// of 32 KiB, each behind a head, took 0.42 CPU-s with a write for each of them, 0.34
// with writes of 64 KiB, 0.30 with such of 256 KiB.
const gatherSize = 256 << 10

// gathered is what a spliceReceiver holds for the next write: pieces that are
// neighbours in the file, but not on the stream. They stay in the kernel.
type gathered struct {
	pipe pipe
	dst  File
	off  int64 // where the first byte belongs
}

// joins reports whether a range is the next one, or may be the first.
func (g *gathered) joins(dst File, off int64) bool {
	return g.pipe.n == 0 || g.dst == dst && g.off+int64(g.pipe.n) == off
}

func (r *spliceReceiver) GatherFile(dst File, off, n, more int64) error {
	if r.held.pipe.open() != nil || r.held.pipe.size() < gatherSize {
		// No descriptors are left, or the user's budget for pipes is spent.
		r.stats.Fallback("gather: no pipe")
		return r.RecvFile(dst, off, n)
	}
	var failed error
	if !r.held.joins(dst, off) {
		failed = r.WriteOut()
	}
	r.follows = more
	for n > 0 && failed == nil {
		if err := r.ready(n); err != nil {
			return unexpected(err)
		}
		var k int
		k, failed = r.gather(dst, off, int(min(n, int64(r.pipe.n), gatherSize)))
		off += int64(k)
		n -= int64(k)
	}
	if _, ok := failed.(*FileError); ok {
		if err := r.Discard(n); err != nil {
			return err
		}
	}
	return failed
}

// gather moves up to n bytes that the receiver's pipe has, none if it has to make
// room for them.
func (r *spliceReceiver) gather(dst File, off int64, n int) (int, error) {
	g := &r.held
	r.stats.Calls.Add(1)
	k, err := splice(r.pipe.r, nil, g.pipe.w, nil, n)
	switch {
	case err == unix.EAGAIN && g.pipe.n > 0: // so many small pieces that no slot is free
		return 0, r.WriteOut()
	case err != nil:
		return 0, streamError("splice to pipe", err)
	}
	if g.pipe.n == 0 {
		g.dst, g.off = dst, off
	}
	r.pipe.took(k)
	g.pipe.put(k, 0)
	if g.pipe.n >= gatherSize {
		err = r.WriteOut()
	}
	return k, err
}

// WriteOut empties the pipe, even if the file fails. It may be the file's end, so
// nothing is believed to follow.
func (r *spliceReceiver) WriteOut() error {
	r.follows = 0
	g := &r.held
	dst := g.dst
	g.dst = nil
	for g.pipe.n > 0 {
		k, err := r.spliceOut(&g.pipe, dst, g.off, g.pipe.n)
		if err != nil {
			return copyRest(heldBytes{r}, dst, g.off, int64(g.pipe.n), err, r.stats)
		}
		g.off += int64(k)
	}
	return nil
}

// heldBytes reads what is held.
type heldBytes struct{ r *spliceReceiver }

func (h heldBytes) next(max int64) ([]byte, error) {
	n, err := h.r.read(&h.r.held.pipe, h.r.space(max))
	return h.r.scratch[:n], err
}
