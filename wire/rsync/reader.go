package rsync

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/seed9553035b/syncd/wire"
)

// Protocol versions that this package speaks. 20..26 need no support: no
// release since 2004 is limited to them.
const (
	MinProtocol = 27
	MaxProtocol = 32
)

// An InStream is the receiving half of a connection; *wire.Conn is one.
type InStream interface {
	io.Reader
	// RecvFile moves the next n bytes into dst at off. If dst fails, the n
	// bytes are consumed all the same and the error is a *wire.FileError.
	RecvFile(dst wire.File, off, n int64) error
	// GatherFile is RecvFile for a piece of a file of which more bytes follow soon: it
	// may be held back until then, or until WriteOut.
	GatherFile(dst wire.File, off, n, more int64) error
	// WriteOut writes what is held back. Its error is a *wire.FileError.
	WriteOut() error
	// Discard drops the next n bytes.
	Discard(n int64) error
}

// A Reader decodes the peer's direction of a session: raw bytes until
// [Reader.StartMux], the payload of MSG_DATA frames after it. It belongs to
// one goroutine. The first error is final, except a *wire.FileError.
//
// A Reader reads ahead until a TokenReader for plain tokens exists, since then
// bodies come that are not to pass through memory.
type Reader struct {
	// Handle receives every frame that is not data, at any border of frames,
	// in the goroutine that reads. Its error ends the read. nil drops them.
	Handle func(Message) error

	s      readAhead
	proto  int
	mux    bool
	server bool // the peer is the server: it may send text
	rest   int  // payload bytes left in the current frame
	ndx    ndxState
	buf    [16]byte
}

// NewReader returns a Reader of s in raw mode. peerIsServer says which message
// codes the peer may send.
func NewReader(s InStream, peerIsServer bool) *Reader {
	return &Reader{s: readAhead{s: s}, proto: MaxProtocol, server: peerIsServer, ndx: newNDXState()}
}

// SetProtocol sets the version that both sides agreed on.
func (r *Reader) SetProtocol(v int) { r.proto = v }

// CopiedBytes returns how many bytes of bodies passed through memory because
// they had been read ahead of a list's end.
func (r *Reader) CopiedBytes() int64 { return r.s.copied }

// Buffered returns how many bytes were read ahead and not taken yet.
func (r *Reader) Buffered() int { return len(r.s.data) }

// BeforeWait has f called before each read of the stream, which may wait for the
// peer. Bodies are not meant.
func (r *Reader) BeforeWait(f func()) { r.s.wait = f }

// Protocol returns the version in use.
func (r *Reader) Protocol() int { return r.proto }

// StartMux makes the Reader expect frames from here on
// (io.c:io_start_multiplex_in).
func (r *Reader) StartMux() { r.mux = true }

// StopMux makes the Reader take raw bytes again. Protocol 30 does that around
// the names of --files-from (io.c:start_filesfrom_forwarding). The current
// frame must be used up.
func (r *Reader) StopMux() error {
	if r.rest != 0 {
		return streamErrorf("%d bytes of a frame left where raw data starts", r.rest)
	}
	r.mux = false
	return nil
}

// Read takes bytes of the stream, never past the end of a frame.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if !r.mux {
		return r.s.Read(p)
	}
	if err := r.fill(); err != nil {
		return 0, err
	}
	n, err := r.s.Read(p[:min(len(p), r.rest)])
	r.rest -= n
	if err == io.EOF && (n == 0 || r.rest > 0) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// RecvFile moves the next n stream bytes into dst at off, piece by piece as
// frames allow. If more bytes of the file are expected behind them, they may be held
// back until WriteOut. After a *wire.FileError the stream is in step: n bytes were
// consumed.
func (r *Reader) RecvFile(dst wire.File, off, n, more int64) error {
	if !r.mux {
		return r.s.RecvFile(dst, off, n, more)
	}
	for n > 0 {
		if err := r.fill(); err != nil {
			return err
		}
		piece := min(n, int64(r.rest))
		if err := r.s.RecvFile(dst, off, piece, more+n-piece); err != nil {
			return r.recover(err, piece, n)
		}
		r.rest -= int(piece)
		off, n = off+piece, n-piece
	}
	return nil
}

// WriteOut writes what RecvFile holds back. A *wire.FileError is that of the file.
func (r *Reader) WriteOut() error { return r.s.s.WriteOut() }

// recover brings the stream back into step after a failed piece: the piece is
// consumed, left-piece bytes of the body are not.
func (r *Reader) recover(err error, piece, left int64) error {
	var fe *wire.FileError
	if !errors.As(err, &fe) {
		return err
	}
	r.rest -= int(piece)
	if derr := r.Discard(left - piece); derr != nil {
		return derr
	}
	return err
}

// Discard drops the next n stream bytes.
func (r *Reader) Discard(n int64) error {
	if !r.mux {
		return r.s.Discard(n)
	}
	for n > 0 {
		if err := r.fill(); err != nil {
			return err
		}
		piece := min(n, int64(r.rest))
		if err := r.s.Discard(piece); err != nil {
			return err
		}
		r.rest -= int(piece)
		n -= piece
	}
	return nil
}

// frameHeader is the length of a frame's header in bytes.
const frameHeader = 4

// fill reads frame headers until payload of the data stream is at hand.
func (r *Reader) fill() error {
	for r.rest == 0 {
		var h [frameHeader]byte
		if _, err := io.ReadFull(&r.s, h[:]); err != nil {
			return err
		}
		if err := r.frame(binary.LittleEndian.Uint32(h[:])); err != nil {
			return err
		}
	}
	return nil
}

// frame starts a data frame or handles a message (io.c:read_a_msg).
func (r *Reader) frame(h uint32) error {
	n := int(h & 0xFFFFFF)
	code := Code(h>>24) - muxBase
	if h>>24 < muxBase {
		return streamErrorf("frame header %#08x", h)
	}
	if code == MsgData {
		r.rest = n
		return nil
	}
	if err := r.checkMessage(code, n); err != nil {
		return err
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(&r.s, body); err != nil {
		return unexpected(err)
	}
	m, err := parseMessage(code, body)
	if err != nil || r.Handle == nil {
		return err
	}
	return r.Handle(m)
}

// unexpected turns an EOF inside a value into io.ErrUnexpectedEOF.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
