package rsync

import (
	"fmt"
	"io"

	"github.com/seed9553035b/syncd/wire"
)

// A TokenKind says what a token of a file's content is.
type TokenKind uint8

// The kinds of token.
const (
	Literal TokenKind = iota // N bytes follow
	Copy                     // block Block of the basis
	End                      // the file is complete; its sum follows
)

// A Token is one step of building a file.
type Token struct {
	Kind  TokenKind
	N     int64
	Block int
}

// A TokenReader decodes the content of files, one after the other. Its methods
// are for the goroutine that reads the session. Close frees what a decoder of
// compressed data holds.
type TokenReader interface {
	// Start begins a file whose basis has that many blocks.
	Start(blocks int)
	// Next returns the next token. What is left of a literal is dropped.
	Next() (Token, error)
	// RecvFile writes the literal of the last Next to dst at off. If more bytes of
	// the file are expected behind it, it may be held back until a RecvFile with 0,
	// or WriteOut. After a *wire.FileError, which may be that of what was held back,
	// the stream is in step.
	RecvFile(dst wire.File, off, more int64) error
	// WriteOut writes what is held back. It is called before a file is read, and
	// at its End.
	WriteOut() error
	// Data returns the literal of the last Next if it is in memory anyway,
	// as compressed ones are; it is valid until the next call. nil otherwise.
	Data() []byte
	// Copied must follow a Copy: it names the bytes that were copied.
	// Only "zlib" reads them, for its history.
	Copied(basis wire.File, off, n int64) error
	Close()
}

// A TokenWriter encodes the content of files as ranges. Its methods are for
// the goroutine that writes the session.
type TokenWriter interface {
	// Start begins a file.
	Start()
	// Literal sends a range of the source. After a *wire.FileError the stream
	// is in step, but holds zeros or less than n bytes: end the file with a
	// sum that cannot match.
	Literal(src wire.File, off, n int64) error
	// Copy sends the number of a block; the range is where the source has
	// the same bytes. Only "zlib" reads it, for its history.
	Copy(block int, src wire.File, off, n int64) error
	// End completes the file.
	End() error
	Close()
}

// maxLiteral is the longest literal that is sent. Any length is received, but
// releases 3.4.3 and 3.4.4 refuse more (token.c:simple_recv_token).
const maxLiteral = 32 << 10

// NewTokenReader returns the decoder of that compression, "none" for plain
// tokens, for which r stops to read ahead (token.c:recv_token).
func NewTokenReader(r *Reader, compression string) (TokenReader, error) {
	switch compression {
	case "none":
		r.s.exact = true
		return &plainReader{r: r}, nil
	case "zlib", "zlibx":
		return newItemReader(r, newInflater(compression == "zlib", r.proto)), nil
	case "zstd":
		return newItemReader(r, &zstdReader{}), nil
	case "lz4":
		return newItemReader(r, newLZ4Reader()), nil
	}
	return nil, fmt.Errorf("%w: compression %q", ErrUnsupported, compression)
}

// NewTokenWriter returns the encoder of that compression. level is that of
// --compress-level, 0 for the compression's default (token.c:send_token).
func NewTokenWriter(w *Writer, compression string, level int) (TokenWriter, error) {
	var c compressor
	var err error
	piece := maxLiteral
	switch compression {
	case "none":
		return &plainWriter{w: w}, nil
	case "zlib", "zlibx":
		c, err = newDeflater(level, compression == "zlib", w.proto)
	case "zstd":
		c, err = newZstdWriter(level)
	case "lz4":
		// What comes of a piece must fit one item.
		c, piece = newLZ4Writer(), lz4Piece
	default:
		err = fmt.Errorf("%w: compression %q", ErrUnsupported, compression)
	}
	if err != nil {
		return nil, err
	}
	return newItemWriter(w, c, piece), nil
}

// plainReader decodes tokens without compression:
//
//	int n > 0       n literal bytes follow
//	int -(k+1)      copy block k
//	int 0           end
type plainReader struct {
	r      *Reader
	blocks int
	left   int64 // bytes of a literal not yet taken
}

func (t *plainReader) Start(blocks int) { t.blocks, t.left = blocks, 0 }

func (t *plainReader) Next() (Token, error) {
	if err := t.r.Discard(t.left); err != nil {
		return Token{}, err
	}
	t.left = 0
	v, err := t.r.token()
	switch {
	case err != nil:
		return Token{}, fmt.Errorf("read token: %w", err)
	case v == 0:
		return Token{Kind: End}, nil
	case v > 0:
		t.left = int64(v)
		return Token{Kind: Literal, N: t.left}, nil
	}
	block := -(int(v) + 1)
	return Token{Kind: Copy, Block: block}, checkBlock(block, t.blocks)
}

// tokenSize is the length of a token's number.
const tokenSize = 4

// token reads a token's number. Stock ends its frames with one, at which another
// frame begins, since a file does not end there: both come with one call.
func (r *Reader) token() (int32, error) {
	if r.mux && r.rest == tokenSize {
		r.s.due = tokenSize + frameHeader
	}
	return r.Int()
}

// checkBlock refuses a block that the basis does not have.
func checkBlock(block, blocks int) error {
	if block < 0 || block >= blocks {
		return protoErrorf("token for block %d of %d", block, blocks)
	}
	return nil
}

func (t *plainReader) RecvFile(dst wire.File, off, more int64) error {
	n := t.left
	t.left = 0
	return t.r.RecvFile(dst, off, n, more)
}

func (t *plainReader) WriteOut() error { return t.r.WriteOut() }

func (t *plainReader) Data() []byte                         { return nil }
func (t *plainReader) Copied(wire.File, int64, int64) error { return nil }
func (t *plainReader) Close()                               {}

// plainWriter encodes tokens without compression.
type plainWriter struct{ w *Writer }

func (t *plainWriter) Start() {}

func (t *plainWriter) Literal(src wire.File, off, n int64) error {
	for n > 0 {
		sent, err := t.w.literals(src, off, n)
		if err != nil {
			return err
		}
		off, n = off+sent, n-sent
	}
	return nil
}

func (t *plainWriter) Copy(block int, _ wire.File, _, _ int64) error {
	return t.w.Int(int32(-(block + 1)))
}

func (t *plainWriter) End() error { return t.w.Int(0) }
func (t *plainWriter) Close()     {}

// literals sends the first literals of a range: as many as fit into one frame
// together with what is pending. The frame's header comes first, then for
// each literal its head, which waits in the stream's buffer, and its range,
// which does not pass through this process. A file that fails half way is
// padded to the frame's end.
func (w *Writer) literals(src wire.File, off, n int64) (sent int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	room := maxFrame - (len(w.pend) - 4)
	sent = min(n, int64(room/(4+maxLiteral))*maxLiteral)
	heads := (sent + maxLiteral - 1) / maxLiteral
	if err := w.emit(int(sent + 4*heads)); err != nil {
		return 0, err
	}
	var failed error
	for done := int64(0); done < sent; {
		piece := min(sent-done, maxLiteral)
		_ = w.write([]byte{byte(piece), byte(piece >> 8), byte(piece >> 16), byte(piece >> 24)}) // kept in w.err
		if err := w.sendFile(src, off+done, piece); err != nil && failed == nil {
			failed = err
		}
		if w.err != nil {
			return done, w.err
		}
		done += piece
	}
	return sent, failed
}

// readAt reads a range of a file for a compressor. What is missing becomes
// zeros, and the error is a *wire.FileError.
func readAt(f wire.File, p []byte, off int64) error {
	n, err := f.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	clear(p[n:])
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return &wire.FileError{Op: "pread", Path: f.Name(), Off: off + int64(n), Err: err}
}
