package rsync

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/seed9553035b/syncd/wire"
)

const (
	// historyLen is how far back deflate can refer.
	historyLen = 32 << 10
	// maxStored is the longest stored block.
	maxStored = 65535
)

// syncMark ends a flush. It is not sent; the receiver adds it.
var syncMark = []byte{0x00, 0x00, 0xFF, 0xFF}

// An inflater decodes the data items of "zlib" and "zlibx": raw deflate,
// which starts anew for each file (token.c:recv_deflated_token).
type inflater struct {
	inflow
	zlib   bool // copied blocks enter the history
	double bool // protocol < 31: see copiedChunks
	skip   int  // bytes of copied blocks that are yet to come out
	dec    io.ReadCloser
	buf    []byte
}

func newInflater(zlib bool, protocol int) *inflater {
	d := &inflater{zlib: zlib, double: protocol < 31}
	d.open = func(f *inflow) (io.Reader, error) {
		if d.dec == nil {
			d.dec = flate.NewReader(f)
			return d.dec, nil
		}
		return d.dec, d.dec.(flate.Resetter).Reset(f, nil)
	}
	return d
}

func (d *inflater) reset() {
	d.skip = 0
	d.inflow.reset()
}

// next drops the output that comes of copied blocks: the decoder holds it back
// until its window is full or a flush comes.
func (d *inflater) next() ([]byte, error) {
	for {
		data, err := d.inflow.next()
		if err != nil || data == nil {
			return nil, err
		}
		drop := min(d.skip, len(data))
		d.skip -= drop
		if drop < len(data) {
			return data[drop:], nil
		}
	}
}

func (d *inflater) endRun() { d.feed(syncMark) }
func (d *inflater) close()  { d.stop() }

// copied feeds the block in stored form, whose output the decoder keeps in
// its history and which is dropped here (token.c:see_deflate_token).
func (d *inflater) copied(basis wire.File, off, n int64) error {
	if !d.zlib {
		return nil
	}
	if d.buf == nil {
		d.buf = make([]byte, 5+maxStored)
	}
	for _, c := range copiedChunks(off, n, d.double) {
		p := d.buf[:5+c.n]
		if err := readAt(basis, p[5:], c.off); err != nil {
			// Only the literals that refer to this block go wrong, and the
			// file's sum tells.
			clear(p[5:])
		}
		p[0], p[1], p[2], p[3], p[4] = 0, byte(c.n), byte(c.n>>8), ^byte(c.n), ^byte(c.n>>8)
		d.skip += int(c.n)
		d.feed(p)
		if out, err := d.next(); out != nil || err != nil {
			return streamErrorf("%d bytes and %v from a copied block", len(out), err)
		}
	}
	return nil
}

// A chunk is a range that enters the history at once.
type chunk struct{ off, n int64 }

// copiedChunks cuts a block into stored blocks. Only what deflate can still
// refer to is kept. Below protocol 31 both sides of stock take the start of
// the block again for each chunk (token.c:send_deflated_token).
func copiedChunks(off, n int64, double bool) []chunk {
	if !double || n <= maxStored {
		keep := min(n, historyLen)
		return []chunk{{off + n - keep, keep}}
	}
	var chunks []chunk
	for n > 0 {
		c := min(n, maxStored)
		chunks = append(chunks, chunk{off, c})
		n -= c
	}
	return chunks
}

// A deflater encodes data items of "zlib" and "zlibx"
// (token.c:send_deflated_token).
type deflater struct {
	zlib   bool
	double bool
	enc    *flate.Writer
	out    bytes.Buffer
	ready  []byte // what the last call returned

	// "zlib" only: the last bytes of the file so far, and whether copied ones
	// among them are unknown to the encoder.
	history []byte
	stale   bool
	buf     []byte
}

func newDeflater(level int, zlib bool, protocol int) (*deflater, error) {
	if level == 0 {
		level = 6
	}
	d := &deflater{zlib: zlib, double: protocol < 31}
	var err error
	if d.enc, err = flate.NewWriter(&d.out, min(level, 9)); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return d, nil
}

func (d *deflater) reset() {
	d.out.Reset()
	// Not Reset: that would bring the last history back.
	d.enc.ResetDict(&d.out, nil)
	d.history, d.stale = d.history[:0], false
}

func (d *deflater) compress(p []byte) ([]byte, error) {
	if d.stale {
		// After a flush the stream is at a byte's border, so an encoder that
		// knows the history can go on where the old one stopped.
		d.enc.ResetDict(&d.out, d.history)
		d.stale = false
	}
	if _, err := d.enc.Write(p); err != nil {
		return nil, err
	}
	d.remember(p)
	return d.take(), nil
}

func (d *deflater) flush() ([]byte, error) {
	if err := d.enc.Flush(); err != nil {
		return nil, err
	}
	data := d.take()
	if !bytes.HasSuffix(data, syncMark) {
		return nil, fmt.Errorf("rsync: a flush of deflate ends in %x", data[max(0, len(data)-4):])
	}
	return data[:len(data)-len(syncMark)], nil
}

// take returns what the encoder has put out.
func (d *deflater) take() []byte {
	d.ready = append(d.ready[:0], d.out.Bytes()...)
	d.out.Reset()
	return d.ready
}

// remember keeps the last historyLen bytes of the file.
func (d *deflater) remember(p []byte) {
	if !d.zlib {
		return
	}
	if len(p) >= historyLen {
		d.history = append(d.history[:0], p[len(p)-historyLen:]...)
		return
	}
	if drop := len(d.history) + len(p) - historyLen; drop > 0 {
		d.history = d.history[:copy(d.history, d.history[drop:])]
	}
	d.history = append(d.history, p...)
}

func (d *deflater) copied(src wire.File, off, n int64) error {
	if !d.zlib {
		return nil
	}
	d.stale = true
	for _, c := range copiedChunks(off, n, d.double) {
		if d.buf == nil {
			d.buf = make([]byte, maxStored)
		}
		p := d.buf[:c.n]
		if err := readAt(src, p, c.off); err != nil {
			return err
		}
		d.remember(p)
	}
	return nil
}

func (d *deflater) close() {}
