package native

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"syscall"

	"github.com/seed9553035b/syncd/wire"
)

// trailerLen is what follows a body before the digest.
const trailerLen = 8

// Asker is the sink's end of a session. The requests may be sent from any
// goroutine; the answers are read by one.
type Asker struct {
	c *wire.Conn

	mu  sync.Mutex // guards sending
	buf []byte
	msg []byte

	digest  int // bytes
	ahead   bool
	hdr     [HeaderLen]byte
	tail    []byte
	payload []byte
}

// NewAsker returns the sink's end of a session on c whose digests are size
// bytes long.
func NewAsker(c *wire.Conn, size int) *Asker {
	return &Asker{c: c, digest: size, tail: make([]byte, 0, trailerLen+size+HeaderLen)}
}

func (a *Asker) send(h Header, build func([]byte) []byte) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.msg = a.msg[:0]
	if build != nil {
		a.msg = build(a.msg)
	}
	a.buf, err = writeFrame(a.c, a.buf, h, a.msg)
	return err
}

// Ask queues a request: *List, *Read, *Sign or *Delta.
func (a *Asker) Ask(req any) error {
	switch r := req.(type) {
	case *List:
		return a.list(r)
	case *Read:
		return a.read(r)
	case *Sign:
		return a.sign(r)
	case *Delta:
		return a.ops(r)
	}
	panic(fmt.Sprintf("native: %T is no request", req))
}

// list queues a request for a page.
func (a *Asker) list(l *List) error {
	return a.send(Header{Type: TypeList, ID: l.ID}, l.append)
}

// read queues a request for content.
func (a *Asker) read(r *Read) error {
	h := Header{Type: TypeRead, ID: r.ID}
	if r.SumsOnly {
		h.Flags = flagSumsOnly
	}
	if r.Again {
		h.Flags |= flagAgain
	}
	return a.send(h, r.append)
}

// Note sends a line to the person at the source's end, at once.
func (a *Asker) Note(n Note) error {
	h := Header{Type: TypeNote}
	if n.Error {
		h.Status = 1
	}
	if n.Item {
		h.Flags = flagNoteItem
	}
	text := n.Text[:min(len(n.Text), maxNote)]
	return a.send(h, func(b []byte) []byte { return append(b, text...) })
}

// Bye says that all is done; result is JSON. The answer is a TypeBye too.
func (a *Asker) Bye(result []byte) error {
	if err := a.send(Header{Type: TypeBye}, func(b []byte) []byte { return append(b, result...) }); err != nil {
		return err
	}
	return a.Flush()
}

// Nop keeps an idle connection alive.
func (a *Asker) Nop() error {
	if err := a.send(Header{Type: TypeNop}, nil); err != nil {
		return err
	}
	return a.Flush()
}

// Fatal tells the peer why the connection ends, as far as it still can.
func (a *Asker) Fatal(code int, text string) {
	_ = a.send(fatalFrame(code, text)) // the connection is lost either way
	_ = a.Flush()
}

// Flush sends what is queued.
func (a *Asker) Flush() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.c.Flush()
}

func fatalFrame(code int, text string) (Header, func([]byte) []byte) {
	text = text[:min(len(text), maxText)]
	return Header{Type: TypeFatal, Status: Status(code)}, func(b []byte) []byte { return append(b, text...) }
}

// Answer is one frame from the source. Payload is valid until the next call.
type Answer struct {
	Header
	Payload []byte
}

// Failure returns what a FAILED frame says.
func (a *Answer) Failure() *Failure {
	return &Failure{Status: a.Status, Errno: syscall.Errno(min(a.Off, 4095)), Text: string(a.Payload[:min(len(a.Payload), maxText)])}
}

// Next reads the next frame of an answer. After a DATA with a body the caller
// takes exactly N bytes by RecvFile and Discard, and then the Trailer; after a
// FILES likewise, and then Off Trailers.
func (a *Asker) Next() (Answer, error) {
	for {
		var ans Answer
		if !a.ahead {
			if _, err := io.ReadFull(a.c, a.hdr[:]); err != nil {
				return ans, noEOF(err)
			}
		}
		a.ahead = false
		if err := ans.parse(a.hdr[:]); err != nil {
			return ans, err
		}
		if err := a.check(&ans.Header); err != nil {
			return ans, err
		}
		if ans.Length > 0 {
			var err error
			if a.payload, err = readPayload(a.c, &ans.Header, a.payload); err != nil {
				return ans, err
			}
			ans.Payload = a.payload
		}
		switch ans.Type {
		case TypeNop:
		case TypeFatal:
			return ans, ans.fatal(ans.Payload)
		default:
			if ans.Type == TypeCopy && (ans.CopySource() < 0 || ans.CopySource() > math.MaxInt64-ans.N) {
				return ans, badf("a COPY from %d, which is no file range", ans.CopySource())
			}
			return ans, nil
		}
	}
}

// check holds a frame against what its type may carry.
func (a *Asker) check(h *Header) error {
	payload, ranged := false, false
	switch h.Type {
	case TypePage, TypeFailed, TypeBye, TypeFatal, TypeSums:
		payload = true
	case TypeCopy:
		payload, ranged = true, true
		if h.N == 0 || h.Length != 8 {
			return badf("a COPY of %d bytes with a payload of %d", h.N, h.Length)
		}
	case TypePacked:
		payload, ranged = true, true
		if h.N == 0 || h.N > MaxPacked || h.Off/Segment != (h.Off+h.N-1)/Segment {
			return badf("a PACKED frame for the range %d+%d", h.Off, h.N)
		}
	case TypeData, TypeHole:
		ranged = true
		if h.N == 0 || h.Off/Segment != (h.Off+h.N-1)/Segment {
			return badf("a frame for the range %d+%d, which is empty or crosses a segment", h.Off, h.N)
		}
	case TypeFiles:
		ranged = true
		if h.Off < 2 || h.Off > MaxGroup || h.N < h.Off || h.N > Segment {
			return badf("a FILES frame of %d files with %d bytes", h.Off, h.N)
		}
	case TypeSame, TypeEnd, TypeNop:
	default:
		return badf("a frame of type %d, which no request asked for", h.Type)
	}
	if h.Flags != 0 && h.Type != TypePage {
		return badf("a frame of type %d with flags %#x", h.Type, h.Flags)
	}
	if !payload && h.Length != 0 {
		return badf("a frame of type %d with a payload", h.Type)
	}
	if !ranged && h.N != 0 {
		return badf("a frame of type %d with a range", h.Type)
	}
	return nil
}

// RecvFile takes n body bytes into dst; see wire.Conn.RecvFile.
func (a *Asker) RecvFile(dst wire.File, off, n int64) error { return a.c.RecvFile(dst, off, n) }

// Discard takes n body bytes and drops them.
func (a *Asker) Discard(n int64) error { return a.c.Discard(n) }

// Trailer is what follows the body of a DATA frame, and the bodies of a FILES
// frame. Digest is valid until the next call.
type Trailer struct {
	Status Status
	Errno  syscall.Errno
	Digest []byte
}

// Trailer reads the trailer of the DATA frame at hand, together with the
// header that must follow it.
func (a *Asker) Trailer() (t Trailer, err error) {
	err = a.Trailers(1, func(_ int, one Trailer) error {
		t = one
		return nil
	})
	return t, err
}

// Trailers reads the n trailers of the frame at hand, together with the header
// that must follow them, and calls each with one after the other. An error of each
// is the last call's, and is returned.
func (a *Asker) Trailers(n int, each func(i int, t Trailer) error) error {
	one := trailerLen + a.digest
	a.tail = slices.Grow(a.tail[:0], n*one+HeaderLen)[:n*one+HeaderLen]
	if _, err := io.ReadFull(a.c, a.tail); err != nil {
		return noEOF(err)
	}
	copy(a.hdr[:], a.tail[n*one:])
	a.ahead = true
	for i := range n {
		t, err := parseTrailer(a.tail[i*one:][:one])
		if err == nil {
			err = each(i, t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseTrailer reads the trailer that is all of b.
func parseTrailer(b []byte) (Trailer, error) {
	le := binary.LittleEndian
	t := Trailer{Status: Status(le.Uint16(b)), Errno: syscall.Errno(le.Uint16(b[2:])), Digest: b[trailerLen:]}
	if t.Status > StatusError || t.Errno > 4095 || le.Uint32(b[4:]) != 0 {
		return t, badf("a trailer with status %d and errno %d", t.Status, t.Errno)
	}
	return t, nil
}
