package wire

import (
	"io"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Copier moves ranges between local files by the cheapest means that their
// file systems have: FICLONERANGE, else copy_file_range(2) where the file system
// has one of its own (a server may copy by itself), else splice(2) through a pipe,
// else a copy. It learns per pair of file systems what does not work. The zero value
// is ready; it is safe for concurrent use.
type Copier struct {
	mu    sync.Mutex
	pairs map[devices]*means
	idle  []pipe // of earlier calls, for the next; as many as were made at a time
}

// devices are the file systems of a source and a destination (st_dev).
type devices struct{ src, dst uint64 }

// means is what is known of a pair of file systems: what is worth a try before
// the pipe.
type means struct {
	clone     bool
	copyRange bool
	block     int64 // the unit in which dst can share blocks
}

// Close closes the pipes that a Copier may hold. The Copier stays usable.
func (c *Copier) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.idle {
		c.idle[i].close()
	}
	c.idle = nil
	return nil
}

// CopyRange copies n bytes of src at srcOff to dst at dstOff and counts them
// into st by mechanism. Neither file's own offset is used or moved. The two
// ranges must not overlap in one file. Every error is a *FileError; a source
// that ends early is io.ErrUnexpectedEOF. How much of dst was written by then
// is unknown.
func (c *Copier) CopyRange(dst File, dstOff int64, src File, srcOff, n int64, st *Stats) error {
	if n == 0 {
		return nil
	}
	defer runtime.KeepAlive(src)
	defer runtime.KeepAlive(dst)
	r := copyRange{c: c, dst: dst, src: src, dstOff: dstOff, srcOff: srcOff, n: n, st: st}
	if err := r.stat(); err != nil {
		return err
	}
	if done, err := r.clone(); done || err != nil {
		return err
	}
	return r.rest()
}

// Shares returns the length of the blocks that the file system may have the two
// files share, where they lie at multiples of it in both. It is 0 if there are none.
func (c *Copier) Shares(dst, src File) int64 {
	defer runtime.KeepAlive(src)
	defer runtime.KeepAlive(dst)
	r := copyRange{c: c, dst: dst, src: src}
	if r.stat() != nil || !r.means.clone || !r.probe() {
		return 0
	}
	return r.means.block
}

// Share is CopyRange where the file system can have the two files share blocks,
// at least in the middle of the range. Where it can't, it does nothing and returns
// false.
func (c *Copier) Share(dst File, dstOff int64, src File, srcOff, n int64, st *Stats) (bool, error) {
	defer runtime.KeepAlive(src)
	defer runtime.KeepAlive(dst)
	r := copyRange{c: c, dst: dst, src: src, dstOff: dstOff, srcOff: srcOff, n: n, st: st}
	if err := r.stat(); err != nil {
		return false, err
	}
	done, err := r.clone()
	if done || err != nil || r.n == n {
		return done, err
	}
	return true, r.rest()
}

// copyRange is one CopyRange under way: what is left to be copied and the
// means that are left to try.
type copyRange struct {
	c              *Copier
	dst, src       File
	dstOff, srcOff int64
	n              int64
	st             *Stats
	pair           devices
	means          means
}

// stat finds out which file systems the files are on and refuses ranges that
// cannot be copied.
func (r *copyRange) stat() error {
	var s, d unix.Stat_t
	if err := unix.Fstat(int(r.src.Fd()), &s); err != nil {
		return fileError("fstat", r.src, r.srcOff, err)
	}
	if err := unix.Fstat(int(r.dst.Fd()), &d); err != nil {
		return fileError("fstat", r.dst, r.dstOff, err)
	}
	if r.n < 0 || r.srcOff < 0 || r.dstOff < 0 {
		return fileError("copy", r.src, r.srcOff, unix.EINVAL)
	}
	same := s.Dev == d.Dev && s.Ino == d.Ino
	if same && r.srcOff < r.dstOff+r.n && r.dstOff < r.srcOff+r.n {
		// Copying forward in pieces would read what it has written.
		return fileError("copy overlapping ranges of", r.src, r.srcOff, unix.EINVAL)
	}
	r.pair = devices{src: s.Dev, dst: d.Dev}
	r.means = r.c.lookup(r.pair, int(r.dst.Fd()))
	return nil
}

// lookup returns what is known of pair; everything is worth a try at first.
func (c *Copier) lookup(pair devices, dst int) means {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.pairs[pair]
	if m == nil {
		m = &means{clone: pair.src == pair.dst, copyRange: true, block: 4096}
		var fs unix.Statfs_t
		if unix.Fstatfs(dst, &fs) == nil {
			m.copyRange = !justSplices(fs.Type)
			if fs.Bsize > 0 {
				m.block = fs.Bsize
			}
		}
		if c.pairs == nil {
			c.pairs = make(map[devices]*means)
		}
		c.pairs[pair] = m
	}
	return *m
}

// learn records that a means will never work for the pair of r.
func (r *copyRange) learn(forget func(*means)) {
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	forget(r.c.pairs[r.pair])
}

// advance records k bytes as copied.
func (r *copyRange) advance(k int64) {
	r.srcOff += k
	r.dstOff += k
	r.n -= k
}

// takePipe returns the idle pipe or a new one.
func (c *Copier) takePipe() (pipe, error) {
	c.mu.Lock()
	var p pipe
	if n := len(c.idle); n > 0 {
		p = c.idle[n-1]
		c.idle = c.idle[:n-1]
	}
	c.mu.Unlock()
	return p, p.open()
}

// putPipe keeps p for the next call, unless an error has left bytes in it.
func (c *Copier) putPipe(p pipe) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.n > 0 {
		p.close()
		return
	}
	c.idle = append(c.idle, p)
}

// copyChunk is the buffer of the last resort.
const copyChunk = 256 << 10

// copy copies what is left through user space.
func (r *copyRange) copy() error {
	buf := make([]byte, min(r.n, copyChunk))
	for r.n > 0 {
		k, err := r.src.ReadAt(buf[:min(int64(len(buf)), r.n)], r.srcOff)
		if k == 0 && err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fileError("pread", r.src, r.srcOff, err)
		}
		if err := WriteAt(r.dst, buf[:k], r.dstOff); err != nil {
			return err
		}
		r.st.User.Add(int64(k))
		r.advance(int64(k))
	}
	return nil
}
