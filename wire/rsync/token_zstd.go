package rsync

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/seed9553035b/syncd/wire"
)

const (
	// maxZstdWindow is the window of level 22, the largest that a stock
	// sender can ask for. The memory is touched only as data fills it.
	maxZstdWindow = 128 << 20
	// zstdWindow is ours: what level 3 of stock uses.
	zstdWindow = 2 << 20
)

// A zstdReader decodes the data items of "zstd": one stream for the whole
// session, flushed before each token (token.c:recv_zstd_token).
type zstdReader struct {
	inflow
	dec *zstd.Decoder
}

func (d *zstdReader) next() ([]byte, error) {
	if d.open == nil {
		d.open = func(f *inflow) (io.Reader, error) {
			var err error
			// One goroutine: the coroutine's own.
			d.dec, err = zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxWindow(maxZstdWindow))
			return d.dec, err
		}
	}
	return d.inflow.next()
}

// reset does nothing: the stream goes on with the next file.
func (d *zstdReader) reset() {}

// endRun does nothing: a flush completes a block.
func (d *zstdReader) endRun() {}

func (d *zstdReader) copied(wire.File, int64, int64) error { return nil }

func (d *zstdReader) close() {
	d.stop()
	if d.dec != nil {
		d.dec.Close()
	}
}

// A zstdWriter encodes the data items of "zstd" (token.c:send_zstd_token).
type zstdWriter struct {
	enc   *zstd.Encoder
	out   bytes.Buffer
	ready []byte
}

func newZstdWriter(level int) (*zstdWriter, error) {
	if level == 0 {
		level = 3
	}
	c := &zstdWriter{}
	var err error
	c.enc, err = zstd.NewWriter(&c.out, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	return c, nil
}

func (c *zstdWriter) reset() {}

func (c *zstdWriter) compress(p []byte) ([]byte, error) {
	_, err := c.enc.Write(p)
	return c.take(), err
}

func (c *zstdWriter) flush() ([]byte, error) {
	err := c.enc.Flush()
	return c.take(), err
}

// take returns what the encoder has put out.
func (c *zstdWriter) take() []byte {
	c.ready = append(c.ready[:0], c.out.Bytes()...)
	c.out.Reset()
	return c.ready
}

func (c *zstdWriter) copied(wire.File, int64, int64) error { return nil }

// close lets the encoder go without the end of its frame, which stock does
// not send either.
func (c *zstdWriter) close() { c.enc.Reset(nil) }
