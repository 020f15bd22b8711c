package rsync

import (
	"fmt"

	"github.com/seed9553035b/syncd/wire"
)

// The items of a compressed stream (token.c):
//
//	00              end of file
//	20              int: block
//	21              int: first block; 2 bytes: how many more
//	40..7F n        compressed data, (first & 3F) << 8 | n bytes follow
//	80..BF          block = last one + (first & 3F)
//	C0..FF          likewise the first of a run; 2 bytes: how many more
const (
	itemEnd      = 0x00
	itemBlock    = 0x20
	itemRun      = 0x21
	itemData     = 0x40
	itemRelBlock = 0x80
	itemRelRun   = 0xC0

	maxItem = 16383
	maxRun  = 65535
)

// A compressor turns literals into data items.
type compressor interface {
	reset()
	// compress takes literal bytes and may return data that is ready.
	compress(p []byte) ([]byte, error)
	// flush returns what is left, so that the peer can decode all of it.
	flush() ([]byte, error)
	// copied adds bytes to the history that the peer has from its basis.
	copied(src wire.File, off, n int64) error
	close()
}

// itemWriter is a TokenWriter for compressed streams.
type itemWriter struct {
	w     *Writer
	c     compressor
	buf   []byte
	dirty bool // literals were compressed since the last flush

	// The run of blocks not yet written: first..last, none if last < first.
	first, last int
	prev        int // last block of the run before
}

// newItemWriter returns a TokenWriter that hands c at most piece bytes at once.
func newItemWriter(w *Writer, c compressor, piece int) *itemWriter {
	t := &itemWriter{w: w, c: c, buf: make([]byte, piece)}
	t.Start()
	return t
}

func (t *itemWriter) Start() {
	t.c.reset()
	t.dirty, t.first, t.last, t.prev = false, 0, -1, 0
}

func (t *itemWriter) Literal(src wire.File, off, n int64) error {
	if err := t.writeRun(); err != nil {
		return err
	}
	var failed error
	for n > 0 && failed == nil {
		p := t.buf[:min(n, int64(len(t.buf)))]
		failed = readAt(src, p, off)
		data, err := t.c.compress(p)
		if err != nil {
			return fmt.Errorf("compress: %w", err)
		}
		if err := t.data(data); err != nil {
			return err
		}
		t.dirty = true
		off, n = off+int64(len(p)), n-int64(len(p))
	}
	return failed
}

// data writes compressed bytes in items.
func (t *itemWriter) data(p []byte) error {
	for len(p) > 0 {
		n := min(len(p), maxItem)
		if err := t.w.put([]byte{itemData | byte(n>>8), byte(n)}); err != nil {
			return err
		}
		if err := t.w.put(p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// sync makes everything before the next token decodable.
func (t *itemWriter) sync() error {
	if !t.dirty {
		return nil
	}
	t.dirty = false
	data, err := t.c.flush()
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	return t.data(data)
}

func (t *itemWriter) Copy(block int, src wire.File, off, n int64) error {
	if err := t.sync(); err != nil {
		return err
	}
	if t.last >= t.first && (block != t.last+1 || t.last-t.first == maxRun) {
		if err := t.writeRun(); err != nil {
			return err
		}
	}
	if t.last < t.first {
		t.first = block
	}
	t.last = block
	return t.c.copied(src, off, n)
}

// writeRun writes the blocks that were gathered.
func (t *itemWriter) writeRun() error {
	more := t.last - t.first
	if more < 0 {
		return nil
	}
	b := make([]byte, 0, 7)
	rel, abs := byte(itemRelBlock), byte(itemBlock)
	if more > 0 {
		rel, abs = itemRelRun, itemRun
	}
	if d := t.first - t.prev; d >= 0 && d < 64 {
		b = append(b, rel|byte(d))
	} else {
		b = append(b, abs, byte(t.first), byte(t.first>>8), byte(t.first>>16), byte(t.first>>24))
	}
	if more > 0 {
		b = append(b, byte(more), byte(more>>8))
	}
	t.prev = t.last
	t.first, t.last = 0, -1
	return t.w.put(b)
}

func (t *itemWriter) End() error {
	if err := t.writeRun(); err != nil {
		return err
	}
	if err := t.sync(); err != nil {
		return err
	}
	return t.w.Byte(itemEnd)
}

func (t *itemWriter) Close() { t.c.close() }

// A decompressor turns the data items of a run, which itemReader feeds it,
// into literals.
type decompressor interface {
	reset()
	// next returns decoded bytes, valid until the next call; nil means that
	// it needs the item after those it was fed, or the run's end.
	next() ([]byte, error)
	feed(item []byte)
	// endRun says that the items fed so far end in a flush.
	endRun()
	copied(src wire.File, off, n int64) error
	close()
}

// itemReader is a TokenReader for compressed streams.
type itemReader struct {
	r      *Reader
	d      decompressor
	item   []byte
	data   []byte // the current literal
	inRun  bool   // data items came last
	blocks int
	block  int // last block
	more   int // blocks of a run still to be returned
	// The item behind the data items, read to find their end.
	held  byte
	holds bool
}

func newItemReader(r *Reader, d decompressor) *itemReader {
	return &itemReader{r: r, d: d, item: make([]byte, maxItem)}
}

func (t *itemReader) Start(blocks int) {
	t.d.reset()
	t.data, t.inRun, t.holds = nil, false, false
	t.blocks, t.block, t.more = blocks, 0, 0
}

func (t *itemReader) Next() (Token, error) {
	t.data = nil
	if t.more > 0 {
		t.more--
		t.block++
		return Token{Kind: Copy, Block: t.block}, checkBlock(t.block, t.blocks)
	}
	for {
		data, err := t.decoded()
		if err != nil {
			return Token{}, fmt.Errorf("read compressed token: %w", err)
		}
		if len(data) > 0 {
			t.data = data
			return Token{Kind: Literal, N: int64(len(data))}, nil
		}
		f, err := t.flag()
		if err != nil {
			return Token{}, fmt.Errorf("read compressed token: %w", err)
		}
		if f&itemRelRun == itemData {
			err = t.feed(f)
		} else if t.inRun {
			// The token waits until what is before it has come out.
			t.held, t.holds, t.inRun = f, true, false
			t.d.endRun()
		} else {
			return t.token(f)
		}
		if err != nil {
			return Token{}, fmt.Errorf("read compressed token: %w", err)
		}
	}
}

// decoded returns what the decompressor has ready.
func (t *itemReader) decoded() ([]byte, error) {
	if !t.inRun && !t.holds {
		return nil, nil
	}
	return t.d.next()
}

// flag returns the first byte of the next item.
func (t *itemReader) flag() (byte, error) {
	if t.holds {
		t.holds = false
		return t.held, nil
	}
	return t.r.Byte()
}

// feed reads a data item.
func (t *itemReader) feed(f byte) error {
	low, err := t.r.Byte()
	if err != nil {
		return err
	}
	item := t.item[:int(f&^itemRelRun)<<8|int(low)]
	if err := t.r.full(item); err != nil {
		return err
	}
	t.inRun = true
	t.d.feed(item)
	return nil
}

// token decodes an item that is not data.
func (t *itemReader) token(f byte) (Token, error) {
	block, run := t.block+int(f&0x3F), f&itemRelRun == itemRelRun
	switch {
	case f == itemEnd:
		return Token{Kind: End}, nil
	case f == itemBlock || f == itemRun:
		v, err := t.r.Int()
		if err != nil {
			return Token{}, fmt.Errorf("read compressed token: %w", err)
		}
		block, run = int(v), f == itemRun
	case f&itemRelBlock == 0:
		return Token{}, streamErrorf("compressed item of type %#02x", f)
	}
	more := 0
	if run {
		var err error
		if more, err = t.r.ShortInt(); err != nil {
			return Token{}, fmt.Errorf("read compressed token: %w", err)
		}
	}
	if err := checkBlock(block, t.blocks); err != nil {
		return Token{}, err
	}
	t.block, t.more = block, more
	return Token{Kind: Copy, Block: block}, checkBlock(block+more, t.blocks)
}

func (t *itemReader) RecvFile(dst wire.File, off, _ int64) error {
	data := t.data
	t.data = nil
	return wire.WriteAt(dst, data, off)
}

func (t *itemReader) WriteOut() error { return nil }

func (t *itemReader) Data() []byte { return t.data }

func (t *itemReader) Copied(basis wire.File, off, n int64) error { return t.d.copied(basis, off, n) }

func (t *itemReader) Close() { t.d.close() }
