package integration

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What a peer that breaks the protocol is made of. It is written after
// wire/native/protocol.md and shares no code with the program.

// Types of frames.
const (
	typeList, typeRead, typeSign, typeDelta, typeNote = 1, 2, 3, 4, 5
	typePage, typeSame, typeData, typeHole, typeCopy  = 16, 17, 18, 19, 20
	typeSums, typeFailed, typeEnd, typePacked         = 21, 22, 23, 24
	typeFiles                                         = 25
	typeBye, typeFatal                                = 32, 33
)

const (
	magic      = "\x89SYNCD\r\n"
	segment    = 8 << 20
	digestSize = 16
)

// frame is the header of a frame.
type frame struct {
	typ, flags       uint8
	status           uint16
	id, index, claim uint32 // claim: the length, if not that of the payload
	off, n           uint64
	payload          []byte
}

func (f frame) bytes() []byte {
	le := binary.LittleEndian
	length := uint32(len(f.payload))
	if f.claim != 0 {
		length = f.claim
	}
	b := []byte{f.typ, f.flags}
	b = le.AppendUint16(b, f.status)
	b = le.AppendUint32(b, f.id)
	b = le.AppendUint32(b, f.index)
	b = le.AppendUint32(b, length)
	b = le.AppendUint64(b, f.off)
	b = le.AppendUint64(b, f.n)
	return append(b, f.payload...)
}

// hello is a hello with the given versions and body.
func hello(least, most uint16, body string) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16([]byte(magic), least)
	b = le.AppendUint16(b, most)
	return append(le.AppendUint32(b, uint32(len(body))), body...)
}

// clientHello asks for a session on module m.
func clientHello(role string, paths ...string) []byte {
	raw := make([][]byte, len(paths)) // base64 in JSON
	for i, p := range paths {
		raw[i] = []byte(p)
	}
	body, err := json.Marshal(map[string]any{"software": "raw", "role": role, "module": "m", "paths": raw, "digest": "xxh3-128"})
	if err != nil {
		panic("integration: a hello is always JSON: " + err.Error())
	}
	return hello(1, 1, string(body))
}

// serverHello grants a session.
var serverHello = hello(1, 1, `{"software":"raw"}`)

// list is the payload of a LIST.
func list(path, after string) []byte {
	le := binary.LittleEndian
	b := append(le.AppendUint16([]byte{0, 0}, uint16(len(path))), path...)
	b = append(le.AppendUint16(b, uint16(len(after))), after...)
	return le.AppendUint16(b, 0)
}

// readFiles is the payload of a READ of one file, with its size and its number
// of ranges as claimed.
func readFiles(count, shared uint16, path string, size uint64, ranges uint32) []byte {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, count)
	b = le.AppendUint16(b, shared)
	b = append(le.AppendUint16(b, uint16(len(path))), path...)
	b = append(le.AppendUint64(b, size), make([]byte, 32)...)
	return le.AppendUint32(b, ranges)
}

// entry is one entry of a PAGE.
type entry struct {
	name   string
	mode   uint64
	size   uint64
	target string
	tail   []byte // what fields announce beyond that
	fields uint64
}

// Bits of an entry's fields.
const (
	fieldCtimeMtime = 1 << 1
	fieldSize       = 1 << 2
	fieldTarget     = 1 << 10
	fieldXattrs     = 1 << 11
	fieldACL        = 1 << 12
)

// page is the payload of the first PAGE of a root.
func page(entries ...entry) []byte {
	entries = append([]entry{{name: ".", mode: unix.S_IFDIR | 0o755}}, entries...)
	var b []byte
	for _, e := range entries {
		fields := e.fields | fieldCtimeMtime
		if e.size > 0 {
			fields |= fieldSize
		}
		if e.mode&unix.S_IFMT == unix.S_IFLNK {
			fields |= fieldTarget
		}
		b = binary.AppendUvarint(b, fields)
		b = append(append(b, byte(len(e.name))), e.name...)
		b = binary.AppendUvarint(b, e.mode)
		b = append(b, 0, 0) // mtime
		if e.size > 0 {
			b = binary.AppendUvarint(b, e.size)
		}
		b = append(b, 0) // ino
		if fields&fieldTarget != 0 {
			b = append(binary.AppendUvarint(b, uint64(len(e.target))), e.target...)
		}
		b = append(b, e.tail...)
	}
	return b
}

// rawPeer is a connection to the program under test. Errors on it are the
// program's way out, and the tests look at the program.
type rawPeer struct {
	t    *testing.T
	conn *net.TCPConn
}

// send writes what may be cut off by the other side.
func (p *rawPeer) send(b []byte) {
	_ = p.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
	_, _ = p.conn.Write(b)
}

func (p *rawPeer) frame(f frame) { p.send(f.bytes()) }

// skipHello reads the other side's hello.
func (p *rawPeer) skipHello() {
	var b [16]byte
	if _, err := io.ReadFull(p.conn, b[:]); err == nil {
		_, _ = io.CopyN(io.Discard, p.conn, int64(binary.LittleEndian.Uint32(b[12:])))
	}
}

// next reads a frame without a body; its type is 0 if the other side is gone.
func (p *rawPeer) next() (f frame) {
	_ = p.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	le := binary.LittleEndian
	var b [32]byte
	if _, err := io.ReadFull(p.conn, b[:]); err != nil {
		return frame{}
	}
	f = frame{typ: b[0], id: le.Uint32(b[4:]), payload: make([]byte, le.Uint32(b[12:]))}
	if _, err := io.ReadFull(p.conn, f.payload); err != nil {
		return frame{}
	}
	return f
}

// await reads until a frame of one of the types, or the end.
func (p *rawPeer) await(types ...uint8) frame {
	for {
		if f := p.next(); f.typ == 0 || slices.Contains(types, f.typ) {
			return f
		}
	}
}
