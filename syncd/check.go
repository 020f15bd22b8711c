package syncd

import (
	"bytes"
	"hash"

	"github.com/seed9553035b/syncd/delta"
)

// A checker compares bytes with the strong sums of a signature, which are whole
// digests. What agrees is what was signed. It is for one goroutine.
type checker struct {
	sig   *delta.Signature
	wrong func(off, n int64) // a block, as a range of the signed file

	alg  delta.Algorithm
	hash hash.Hash // of a block that comes in pieces
	sum  []byte
	at   int64 // offset in the signed file of what comes next
	from int64 // blocks that begin before it are not compared
}

func newChecker(sig *delta.Signature, wrong func(off, n int64)) *checker {
	alg := sig.Params().Strong
	return &checker{sig: sig, wrong: wrong, alg: alg, hash: alg.New()}
}

// start goes on at an offset. A block that begins before it is not compared.
func (c *checker) start(off int64) {
	size := int64(c.sig.Params().Block)
	c.at, c.from = off, (off+size-1)/size*size
	c.hash.Reset()
}

// skip passes over the next n bytes, and does not compare the blocks of which it
// skips a part.
func (c *checker) skip(n int64) { c.start(c.at + n) }

// write takes the next bytes. There are no more of them than the signed file has.
func (c *checker) write(p []byte) {
	size := int64(c.sig.Params().Block)
	for len(p) > 0 {
		i := int(c.at / size)
		off, n := c.sig.Block(i)
		end := off + int64(n)
		if c.at == off && len(p) >= n {
			c.sum = c.alg.Sum(c.sum[:0], p[:n])
			p = p[n:]
			c.at = end
		} else {
			m := min(int64(len(p)), end-c.at)
			c.hash.Write(p[:m])
			p = p[m:]
			if c.at += m; c.at < end {
				return
			}
			c.sum = c.hash.Sum(c.sum[:0])
			c.hash.Reset()
		}
		if off >= c.from && !bytes.Equal(c.sum, c.sig.Strong(i)) {
			c.wrong(off, int64(n))
		}
	}
}
