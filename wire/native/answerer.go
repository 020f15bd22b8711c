package native

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/seed9553035b/syncd/wire"
)

// Limits of what a sink may have unanswered; see protocol.md part 1.
const (
	MaxLists = 256
	MaxReads = 64

	// maxRequest bounds the payload of one request, so that a queue full of
	// them stays small.
	maxRequest = 64 << 10
)

// Answerer is the source's end of a session. Requests are read by one
// goroutine; answers may be sent from any, whole frames at a time.
type Answerer struct {
	c   *wire.Conn
	hdr [HeaderLen]byte
	in  []byte

	delta *Delta       // under way: its signature is not complete
	held  atomic.Int64 // bytes of signatures that have arrived, and were not taken

	mu  sync.Mutex // guards sending; held from a DATA header to its trailer
	buf []byte
}

// NewAnswerer returns the source's end of a session on c.
func NewAnswerer(c *wire.Conn) *Answerer { return &Answerer{c: c} }

// Bye is the sink's word that the session is done; Result is JSON.
type Bye struct{ Result []byte }

// Next returns the next request: *List, *Read, *Sign, *Delta, *Note or *Bye. The
// signature of a *Delta goes on coming while Next is called for those behind it.
func (a *Answerer) Next() (any, error) {
	for {
		if _, err := io.ReadFull(a.c, a.hdr[:]); err != nil {
			return nil, noEOF(err)
		}
		var h Header
		if err := h.parse(a.hdr[:]); err != nil {
			return nil, err
		}
		if h.Off != 0 || h.N != 0 || h.Index != 0 {
			return nil, badf("a request of type %d with a range", h.Type)
		}
		if h.Length > maxRequest && h.Type != TypeDelta {
			return nil, badf("a request of %d bytes, the limit is %d", h.Length, maxRequest)
		}
		var err error
		if a.in, err = readPayload(a.c, &h, a.in); err != nil {
			return nil, err
		}
		if h.Type == TypeDelta {
			if d, err := a.gather(&h, a.in); d != nil || err != nil {
				return d, err
			}
			continue
		}
		if h.Type == TypeBye && a.delta != nil {
			return nil, badf("a BYE within a signature")
		}
		req, err := parseRequest(&h, a.in)
		if req != nil || err != nil {
			return req, err
		}
	}
}

// parseRequest decodes one request; nil stands for a frame that asks nothing.
func parseRequest(h *Header, payload []byte) (any, error) {
	switch h.Type {
	case TypeList:
		l := &List{ID: h.ID}
		return l, l.parse(payload)
	case TypeRead:
		if h.Flags&^(flagSumsOnly|flagAgain) != 0 {
			return nil, badf("READ with unknown flags %#x", h.Flags)
		}
		r := &Read{ID: h.ID, SumsOnly: h.Flags&flagSumsOnly != 0, Again: h.Flags&flagAgain != 0}
		return r, r.parse(payload)
	case TypeSign:
		if h.Flags&^flagAgain != 0 {
			return nil, badf("SIGN with unknown flags %#x", h.Flags)
		}
		s := &Sign{ID: h.ID, Again: h.Flags&flagAgain != 0}
		return s, s.parse(payload)
	case TypeNote:
		if len(payload) > maxNote {
			return nil, badf("a NOTE of %d bytes, the limit is %d", len(payload), maxNote)
		}
		return &Note{Text: string(payload), Error: h.Status != 0, Item: h.Flags&flagNoteItem != 0}, nil
	case TypeBye:
		return &Bye{Result: append([]byte(nil), payload...)}, nil
	case TypeNop:
		return nil, nil
	case TypeFatal:
		return nil, h.fatal(payload)
	}
	return nil, badf("a request of the unknown type %d", h.Type)
}

func (a *Answerer) frame(h Header, payload []byte) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.buf, err = writeFrame(a.c, a.buf, h, payload)
	return err
}

// Page answers the LIST id. flags are PageOtherFS and PageHadErrors.
func (a *Answerer) Page(id uint32, p *PageWriter, more bool, flags uint8) error {
	h := Header{Type: TypePage, ID: id, Flags: flags}
	if more {
		h.Status = StatusMore
	}
	return a.frame(h, p.Bytes())
}

// Same answers the LIST id: its digest is that of the directory.
func (a *Answerer) Same(id uint32) error { return a.frame(Header{Type: TypeSame, ID: id}, nil) }

// Failed ends the file index of the READ id, or the LIST id.
func (a *Answerer) Failed(id, index uint32, f *Failure) error {
	text := f.Text[:min(len(f.Text), maxText)]
	return a.frame(Header{Type: TypeFailed, ID: id, Index: index, Status: f.Status, Off: int64(f.Errno)}, []byte(text))
}

// Hole answers a range that reads as zeros and takes no room.
func (a *Answerer) Hole(id, index uint32, off, n int64, s Status) error {
	return a.frame(Header{Type: TypeHole, ID: id, Index: index, Off: off, N: n, Status: s}, nil)
}

// End answers that the READ id is complete.
func (a *Answerer) End(id uint32) error { return a.frame(Header{Type: TypeEnd, ID: id}, nil) }

// Bye answers the sink's BYE.
func (a *Answerer) Bye(result []byte) error {
	if err := a.frame(Header{Type: TypeBye}, result); err != nil {
		return err
	}
	return a.Flush()
}

// Nop keeps an idle connection alive. It does nothing while a frame is being
// sent: then the connection is not idle.
func (a *Answerer) Nop() error {
	if !a.mu.TryLock() {
		return nil
	}
	defer a.mu.Unlock()
	var err error
	if a.buf, err = writeFrame(a.c, a.buf, Header{Type: TypeNop}, nil); err != nil {
		return err
	}
	return a.c.Flush()
}

// Fatal tells the peer why the connection ends, as far as it still can.
func (a *Answerer) Fatal(code int, text string) {
	h, build := fatalFrame(code, text)
	_ = a.frame(h, build(nil)) // the connection is lost either way
	_ = a.Flush()
}

// Close ends the connection; calls that wait for it return.
func (a *Answerer) Close() { a.c.Close() }

// Flush sends what is queued.
func (a *Answerer) Flush() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.c.Flush()
}

// Data sends one DATA frame: the header, then whatever body sends, which must
// be exactly n bytes, then the trailer that body returns. body calls send for
// each piece, in order; with SumsOnly it calls it never.
func (a *Answerer) Data(id, index uint32, off, n int64, body func(send SendFunc) (Trailer, error)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	if a.buf, err = writeFrame(a.c, a.buf, Header{Type: TypeData, ID: id, Index: index, Off: off, N: n}, nil); err != nil {
		return err
	}
	t, err := body(a.c.SendFile)
	if err != nil {
		return err
	}
	return a.trailer(t)
}

// Files sends one FILES frame: the header, then the bodies of count files from
// index on, n bytes together, then their trailers. body is called for each file,
// in order, sends all of it and returns its trailer.
func (a *Answerer) Files(id, index uint32, count int, n int64, body func(i int, send SendFunc) (Trailer, error)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	if a.buf, err = writeFrame(a.c, a.buf, Header{Type: TypeFiles, ID: id, Index: index, Off: int64(count), N: n}, nil); err != nil {
		return err
	}
	send := SendFunc(a.c.SendFile)
	b := a.buf[:0]
	for i := range count {
		t, err := body(i, send)
		if err != nil {
			return err
		}
		b = t.append(b)
	}
	a.buf = b
	_, err = a.c.Write(b)
	return err
}

// trailer ends a DATA or PACKED frame; a.mu is held.
func (a *Answerer) trailer(t Trailer) error {
	a.buf = t.append(a.buf[:0])
	_, err := a.c.Write(a.buf)
	return err
}

func (t *Trailer) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(t.Status))
	b = binary.LittleEndian.AppendUint16(b, uint16(t.Errno))
	b = binary.LittleEndian.AppendUint32(b, 0)
	return append(b, t.Digest...)
}

// Packed sends one PACKED frame: n bytes of the file, compressed to z.
func (a *Answerer) Packed(id, index uint32, off, n int64, z []byte, t Trailer) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.buf, err = writeFrame(a.c, a.buf, Header{Type: TypePacked, ID: id, Index: index, Off: off, N: n}, z); err != nil {
		return err
	}
	return a.trailer(t)
}

// SendFunc is wire.Conn.SendFile: it sends exactly n bytes of src from off,
// and pads them with zeros if it returns a *wire.FileError.
type SendFunc func(src wire.File, off, n int64) error

// Errno returns the errno within err, or EIO if there is none.
func Errno(err error) syscall.Errno {
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	return syscall.EIO
}
