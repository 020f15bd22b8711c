package rsync

import (
	"errors"
	"io"
	"iter"
)

// errRestart and errStopped end a decoder that waits for input.
var (
	errRestart = errors.New("decoder restarts")
	errStopped = errors.New("decoder stopped")
)

// An inflow runs a decoder that pulls its input as a coroutine of a reader
// that pushes it: a decoder that wants a byte which has not been fed yet is
// suspended, in the middle of a block if need be, while the reader fetches
// the item. It holds a goroutine's stack from the first use until stop.
type inflow struct {
	// open returns the decoder of a new stream that reads from the inflow.
	open func(*inflow) (io.Reader, error)

	in      []byte // fed and not yet decoded
	out     []byte
	err     error // the decoder's
	restart bool
	yield   func([]byte) bool
	resume  func() ([]byte, bool)
	cancel  func()
}

// next returns decoded bytes, valid until the next call; nil means that all
// that was fed is decoded.
func (f *inflow) next() ([]byte, error) {
	if f.resume == nil {
		f.resume, f.cancel = iter.Pull(f.run)
	}
	data, ok := f.resume()
	if !ok && f.err == nil {
		f.err = errStopped
	}
	return data, f.err
}

// feed gives the decoder more input. What was fed before has been decoded.
func (f *inflow) feed(p []byte) { f.in = p }

// reset makes the decoder begin a new stream.
func (f *inflow) reset() {
	f.in = nil
	f.restart = f.resume != nil
}

// stop ends the coroutine.
func (f *inflow) stop() {
	if f.cancel != nil {
		f.cancel()
	}
	f.resume, f.cancel = nil, nil
}

// run is the coroutine: each restart opens a decoder.
func (f *inflow) run(yield func([]byte) bool) {
	f.yield = yield
	if f.out == nil {
		f.out = make([]byte, maxLiteral)
	}
	for {
		f.restart = false
		dec, err := f.open(f)
		if err == nil {
			err = f.pump(dec)
		}
		if err == errStopped {
			return
		}
		if err != errRestart {
			f.err = streamErrorf("%v", err)
			return
		}
	}
}

// pump yields what the decoder puts out until it fails.
func (f *inflow) pump(dec io.Reader) error {
	for {
		n, err := dec.Read(f.out)
		// What a decoder gives up when it is to restart is the end of a block
		// that was copied, not of the next file.
		if n > 0 && !f.restart && !f.yield(f.out[:n]) {
			return errStopped
		}
		if err != nil {
			return err
		}
	}
}

// want suspends the decoder until there is input.
func (f *inflow) want() error {
	for len(f.in) == 0 || f.restart {
		if f.restart {
			return errRestart
		}
		if !f.yield(nil) {
			return errStopped
		}
	}
	return nil
}

// Read is the decoder's input.
func (f *inflow) Read(p []byte) (int, error) {
	if err := f.want(); err != nil {
		return 0, err
	}
	n := copy(p, f.in)
	f.in = f.in[n:]
	return n, nil
}

// ReadByte is the decoder's input; without it flate would read ahead.
func (f *inflow) ReadByte() (byte, error) {
	if err := f.want(); err != nil {
		return 0, err
	}
	c := f.in[0]
	f.in = f.in[1:]
	return c, nil
}
