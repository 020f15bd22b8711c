package rsync

import (
	"github.com/pierrec/lz4/v4"

	"github.com/seed9553035b/syncd/wire"
)

const (
	// lz4Piece is how much of a literal goes into one item: the worst case of
	// lz4, n + n/255 + 16, still fits maxItem.
	lz4Piece = maxItem - maxItem/255 - 16
	// maxLZ4 is the most that an item may decode to. Stock's sender puts at
	// most 16383 bytes into one, its receiver has room for 32 KiB and a bit.
	maxLZ4 = 64 << 10
)

// An lz4Reader decodes the data items of "lz4", each a block of its own
// (token.c:recv_compressed_token).
type lz4Reader struct{ item, out []byte }

func newLZ4Reader() *lz4Reader { return &lz4Reader{out: make([]byte, maxLZ4)} }

func (d *lz4Reader) next() ([]byte, error) {
	if d.item == nil {
		return nil, nil
	}
	n, err := lz4.UncompressBlock(d.item, d.out)
	d.item = nil
	if err != nil {
		return nil, streamErrorf("lz4: %v", err)
	}
	return d.out[:n], nil
}

func (d *lz4Reader) feed(item []byte)                     { d.item = item }
func (d *lz4Reader) reset()                               { d.item = nil }
func (d *lz4Reader) endRun()                              {}
func (d *lz4Reader) copied(wire.File, int64, int64) error { return nil }
func (d *lz4Reader) close()                               {}

// An lz4Writer encodes the data items of "lz4" (token.c:send_compressed_token).
type lz4Writer struct {
	c   lz4.Compressor
	out []byte
}

func newLZ4Writer() *lz4Writer {
	return &lz4Writer{out: make([]byte, lz4.CompressBlockBound(lz4Piece))}
}

func (c *lz4Writer) compress(p []byte) ([]byte, error) {
	n, err := c.c.CompressBlock(p, c.out)
	return c.out[:n], err
}

func (c *lz4Writer) reset()                               {}
func (c *lz4Writer) flush() ([]byte, error)               { return nil, nil }
func (c *lz4Writer) copied(wire.File, int64, int64) error { return nil }
func (c *lz4Writer) close()                               {}
