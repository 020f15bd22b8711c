package rsync

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/seed9553035b/syncd/wire"
)

// An OutStream is the sending half of a connection; *wire.Conn is one.
type OutStream interface {
	io.Writer
	Flush() error
	// SendFile sends n bytes of src from off. After a *wire.FileError the
	// stream is in step: n bytes were sent, whatever they hold.
	SendFile(src wire.File, off, n int64) error
}

// frameTarget is how much data a frame gathers before it is written. Stock
// sends up to 64 KiB; half of it keeps a Writer small.
const frameTarget = 32 << 10

// A Writer encodes one direction of a session: raw bytes until
// [Writer.StartMux], MSG_DATA frames after it. The data stream belongs to one
// goroutine; [Writer.Message] and [Writer.KeepAlive] may be called by others.
// The first error is final, except a *wire.FileError.
type Writer struct {
	mu    sync.Mutex // guards the stream and what is pending
	s     OutStream
	err   error
	proto int
	mux   bool
	pend  []byte // 4 bytes for a frame header, then data not yet written
	ndx   ndxState
}

// NewWriter returns a Writer to s in raw mode.
func NewWriter(s OutStream) *Writer {
	return &Writer{s: s, proto: MaxProtocol, pend: make([]byte, 4, 4+frameTarget), ndx: newNDXState()}
}

// SetProtocol sets the version that both sides agreed on.
func (w *Writer) SetProtocol(v int) { w.proto = v }

// Protocol returns the version in use.
func (w *Writer) Protocol() int { return w.proto }

// StartMux sends what is pending raw and everything after it in frames
// (io.c:io_start_multiplex_out).
func (w *Writer) StartMux() error { return w.setMux(true) }

// StopMux ends the current frame and returns to raw bytes
// (io.c:io_end_multiplex_out).
func (w *Writer) StopMux() error { return w.setMux(false) }

func (w *Writer) setMux(on bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.emit(0)
	w.mux = on
	return err
}

// Write adds bytes to the stream; they are pending until a frame is full, a
// body follows or [Writer.Flush].
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.put(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// put is Write without a count.
func (w *Writer) put(p []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(p) > 0 {
		if len(w.pend) == cap(w.pend) {
			if err := w.emit(0); err != nil {
				return err
			}
		}
		n := min(len(p), cap(w.pend)-len(w.pend))
		w.pend = append(w.pend, p[:n]...)
		p = p[n:]
	}
	return w.err
}

// emit writes what is pending; in a frame if the stream is multiplexed, whose
// length also covers more bytes that the caller writes next. The lock is held.
func (w *Writer) emit(more int) error {
	if w.err != nil {
		return w.err
	}
	data := w.pend[4:]
	n := len(data) + more
	if n == 0 {
		return nil
	}
	if w.mux {
		putFrame(w.pend, MsgData, n)
		data = w.pend
	}
	w.pend = w.pend[:4]
	return w.write(data)
}

// putFrame fills in the header of a frame.
func putFrame(dst []byte, code Code, n int) {
	binary.LittleEndian.PutUint32(dst, uint32(code+muxBase)<<24|uint32(n))
}

// write passes bytes to the stream and keeps its first error.
func (w *Writer) write(p []byte) error {
	if w.err == nil {
		_, w.err = w.s.Write(p)
	}
	return w.err
}

// Flush sends everything that is pending.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush()
}

func (w *Writer) flush() error {
	if err := w.emit(0); err != nil {
		return err
	}
	w.err = w.s.Flush()
	return w.err
}

// Message sends a frame that is not data, behind all data written so far, and
// flushes. Text is cut at 5119 bytes. Below protocol 30 errors and warnings
// take the codes that such a peer knows (io.c:send_msg); MsgIOError and
// MsgNoSend, which it does not know, are dropped.
func (w *Writer) Message(m Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	code, body, ok := m.payload(w.proto)
	if !ok || !w.mux {
		return w.err
	}
	if err := w.emit(0); err != nil {
		return err
	}
	var h [4]byte
	putFrame(h[:], code, len(body))
	_ = w.write(h[:]) // an error stays for flush
	_ = w.write(body)
	return w.flush()
}

// payload encodes the message for the protocol; not ok: it has no form there.
func (m Message) payload(proto int) (code Code, body []byte, ok bool) {
	switch {
	case isText(m.Code):
		code = m.Code
		if proto < 30 {
			code = map[Code]Code{MsgError: MsgErrorXfer, MsgWarning: MsgInfo}[code]
			if code == 0 {
				code = m.Code
			}
		}
		return code, []byte(m.Text[:min(len(m.Text), maxText)]), true
	case m.Code == MsgDeleted:
		body = []byte(m.Text)
		if m.Dir {
			body = append(body, 0)
		}
		return m.Code, body, len(body) <= maxPath
	case m.Code == MsgNoop:
		return m.Code, nil, proto == 30
	case m.Code == MsgErrorExit && m.Empty:
		return m.Code, nil, proto >= 31
	}
	since := map[Code]int{MsgIOError: 30, MsgNoSend: 30, MsgIOTimeout: 31, MsgErrorExit: 31, MsgSuccess: MinProtocol}[m.Code]
	return m.Code, binary.LittleEndian.AppendUint32(nil, uint32(m.Value)), since != 0 && proto >= since
}

// KeepAlive sends an empty data frame, which every version that multiplexes
// takes, unless someone is writing at this moment or the stream is raw
// (io.c:maybe_send_keepalive).
func (w *Writer) KeepAlive() error {
	if !w.mu.TryLock() {
		return nil
	}
	defer w.mu.Unlock()
	if !w.mux {
		return w.err
	}
	if err := w.emit(0); err != nil {
		return err
	}
	var h [4]byte
	putFrame(h[:], MsgData, 0)
	_ = w.write(h[:]) // an error stays for flush
	return w.flush()
}

// sendFile passes a range to the stream. It remembers a connection's error and
// returns a file's. The lock is held and the range's frame was announced.
func (w *Writer) sendFile(src wire.File, off, n int64) error {
	if w.err != nil {
		return w.err
	}
	err := w.s.SendFile(src, off, n)
	var fe *wire.FileError
	if !errors.As(err, &fe) {
		w.err = err
	}
	return err
}
