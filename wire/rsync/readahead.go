package rsync

import (
	"github.com/seed9553035b/syncd/wire"
)

const (
	// aheadSize is how much is read ahead where no bodies come: a call to the
	// stream for some hundred entries or block sums.
	aheadSize = 16 << 10
	// listAhead is how much is read ahead in a list between bodies. What of it
	// lies behind the list's end passes through memory.
	listAhead = 4 << 10
)

// A readAhead buffers the messages of an InStream, for whose Read every call
// may be a system call. It does not know frames. Bodies pass by it, but for
// bytes that were read ahead.
type readAhead struct {
	s      InStream
	buf    []byte
	data   []byte // read and not yet taken, part of buf
	exact  bool   // take no byte that was not asked for
	list   bool   // but in a list
	due    int    // and but for so many, which come before the next body: a frame's header and a value
	copied int64
	wait   func() // called before each read of the stream; may be nil
}

// listing allows reading ahead until the function that it returns is called.
func (b *readAhead) listing() (done func()) {
	b.list = true
	return func() { b.list = false }
}

// Read takes at least one byte.
func (b *readAhead) Read(p []byte) (int, error) {
	if len(b.data) == 0 {
		size := aheadSize
		switch {
		case b.exact && b.list:
			size = listAhead
		case b.exact:
			size = b.due
		}
		if b.wait != nil {
			b.wait()
		}
		if len(p) >= size {
			return b.s.Read(p)
		}
		if b.buf == nil {
			b.buf = make([]byte, aheadSize)
		}
		n, err := b.s.Read(b.buf[:size])
		b.data = b.buf[:n]
		if n == 0 {
			return 0, err
		}
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, nil
}

// Discard drops n bytes.
func (b *readAhead) Discard(n int64) error {
	k := min(n, int64(len(b.data)))
	b.data = b.data[k:]
	if n == k {
		return nil
	}
	if b.wait != nil {
		b.wait()
	}
	return b.s.Discard(n - k)
}

// RecvFile moves n bytes into dst at off, or towards it if more are expected. After a
// *wire.FileError they are consumed all the same.
func (b *readAhead) RecvFile(dst wire.File, off, n, more int64) error {
	k := min(n, int64(len(b.data)))
	if k > 0 {
		// What is held back comes before it in the file.
		if failed := b.s.WriteOut(); failed != nil {
			if err := b.Discard(n); err != nil {
				return err
			}
			return failed
		}
		head := b.data[:k]
		b.data = b.data[k:]
		if failed := wire.WriteAt(dst, head, off); failed != nil {
			if err := b.Discard(n - k); err != nil {
				return err
			}
			return failed
		}
		b.copied += k
	}
	if n == k {
		return nil
	}
	if more > 0 {
		return b.s.GatherFile(dst, off+k, n-k, more)
	}
	return b.s.RecvFile(dst, off+k, n-k)
}
