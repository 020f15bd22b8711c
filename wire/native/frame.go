package native

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"

	"github.com/seed9553035b/syncd/wire"
)

// What the specification fixes; see protocol.md.
const (
	HeaderLen  = 32
	MaxPayload = 1 << 20
	Segment    = 8 << 20 // bytes; no DATA frame crosses a multiple of it

	MaxPacked = 1 << 20 // bytes that one PACKED frame decodes to
	MaxGroup  = 256     // files of one FILES frame, which has no more than a Segment of bytes

	MaxName = 255
	MaxPath = 4095
)

// Type is the type of a frame.
type Type uint8

// The types of frames.
const (
	TypeList   Type = 1
	TypeRead   Type = 2
	TypeSign   Type = 3
	TypeDelta  Type = 4
	TypeNote   Type = 5
	TypePage   Type = 16
	TypeSame   Type = 17
	TypeData   Type = 18
	TypeHole   Type = 19
	TypeCopy   Type = 20
	TypeSums   Type = 21
	TypeFailed Type = 22
	TypeEnd    Type = 23
	TypePacked Type = 24
	TypeFiles  Type = 25
	TypeBye    Type = 32
	TypeFatal  Type = 33
	TypeNop    Type = 34
)

// Status is the outcome that a frame or a trailer reports.
type Status uint16

// The statuses of protocol.md part 3.
const (
	StatusOK      Status = 0
	StatusMore    Status = 1
	StatusChanged Status = 2
	StatusGone    Status = 3
	StatusError   Status = 4
)

// ErrProtocol is wrapped by every error that says that the peer broke the
// protocol. The connection ends, and the process ends with exit code 2.
var ErrProtocol = errors.New("protocol error")

func badf(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrProtocol}, args...)...)
}

// Header is the fixed start of every frame.
type Header struct {
	Type   Type
	Flags  uint8
	Status Status
	ID     uint32 // of the request that a frame is or answers
	Index  uint32 // of the file within the request
	Length uint32 // bytes of control payload
	Off    int64
	N      int64
}

func (h *Header) append(b []byte) []byte {
	b = append(b, byte(h.Type), h.Flags)
	b = binary.LittleEndian.AppendUint16(b, uint16(h.Status))
	b = binary.LittleEndian.AppendUint32(b, h.ID)
	b = binary.LittleEndian.AppendUint32(b, h.Index)
	b = binary.LittleEndian.AppendUint32(b, h.Length)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Off))
	return binary.LittleEndian.AppendUint64(b, uint64(h.N))
}

// parse reads the 32 bytes of b and checks what holds for every frame.
func (h *Header) parse(b []byte) error {
	le := binary.LittleEndian
	off, n := le.Uint64(b[16:]), le.Uint64(b[24:])
	*h = Header{
		Type: Type(b[0]), Flags: b[1], Status: Status(le.Uint16(b[2:])),
		ID: le.Uint32(b[4:]), Index: le.Uint32(b[8:]), Length: le.Uint32(b[12:]),
		Off: int64(off), N: int64(n),
	}
	switch {
	case h.Length > MaxPayload:
		return badf("frame type %d claims a payload of %d bytes, the limit is %d", h.Type, h.Length, MaxPayload)
	case off > math.MaxInt64 || n > math.MaxInt64 || off+n > math.MaxInt64:
		return badf("frame type %d has the range %d+%d, which is no file range", h.Type, off, n)
	}
	return nil
}

// readPayload reads the payload of h into buf, which it grows and returns.
func readPayload(c io.Reader, h *Header, buf []byte) ([]byte, error) {
	if uint32(cap(buf)) < h.Length {
		buf = make([]byte, h.Length, max(h.Length, 4096))
	}
	buf = buf[:h.Length]
	if _, err := io.ReadFull(c, buf); err != nil {
		return buf, fmt.Errorf("read payload: %w", noEOF(err))
	}
	return buf, nil
}

// noEOF turns a clean end of the stream into an unexpected one: inside a
// session only a BYE is a clean end.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// FatalError is what a peer said before it ended the connection.
type FatalError struct {
	Code int // exit code that the peer proposes
	Text string
}

func (e *FatalError) Error() string { return "the other side ended the session: " + e.Text }

func (h *Header) fatal(payload []byte) error {
	if len(payload) > 4096 {
		payload = payload[:4096]
	}
	return &FatalError{Code: int(h.Status), Text: oneLine(string(payload))}
}

// oneLine keeps what a peer says to a person from steering a terminal, and
// from looking like several lines of ours: control characters become "?".
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
}

// writeFrame puts a frame without body on c.
func writeFrame(c *wire.Conn, buf []byte, h Header, payload []byte) ([]byte, error) {
	h.Length = uint32(len(payload))
	buf = h.append(buf[:0])
	if _, err := c.Write(buf); err != nil {
		return buf, err
	}
	if len(payload) > 0 {
		if _, err := c.Write(payload); err != nil {
			return buf, err
		}
	}
	return buf, nil
}
