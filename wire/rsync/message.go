package rsync

import (
	"encoding/binary"
	"fmt"
)

// Code is the code of a multiplexed frame (rsync.h:enum msgcode). The header
// of a frame is 4 bytes, little-endian:
//
//	byte 0..2   payload length, at most 16,777,215
//	byte 3      7 + code
type Code uint8

// The codes that may cross the network, with their payloads.
const (
	MsgData      Code = 0   // bytes of the stream
	MsgErrorXfer Code = 1   // text; the run ends with 23
	MsgInfo      Code = 2   // text
	MsgError     Code = 3   // text; protocol >= 30
	MsgWarning   Code = 4   // text; protocol >= 30
	MsgIOError   Code = 22  // int, bits; sender to receiver, >= 30
	MsgIOTimeout Code = 33  // int, seconds; daemon to client, >= 31
	MsgNoop      Code = 42  // empty; protocol 30
	MsgErrorExit Code = 86  // int exit code, or empty; >= 31
	MsgSuccess   Code = 100 // int ndx; receiving side to sender
	MsgDeleted   Code = 101 // name, a directory's ends in NUL; >= 29
	MsgNoSend    Code = 102 // int ndx; sender to receiving side, >= 30
)

const (
	muxBase    = 7
	maxFrame   = 1<<24 - 1
	maxText    = 5119
	maxPath    = 4095
	maxTimeout = 86400 // seconds; 0 and more are the attack of CVE-2026-70462
)

// A Message is a frame that is not data. Text holds the payload of text
// messages and of MsgDeleted, without the NUL of a directory; Value that of
// the others: bits, seconds, an exit code or an NDX.
type Message struct {
	Code  Code
	Text  string
	Value int32
	Dir   bool // MsgDeleted: a directory
	Empty bool // MsgErrorExit without a code
}

// checkMessage refuses codes that the peer may not send and lengths that the
// code does not have, before the payload is read (io.c:read_a_msg).
func (r *Reader) checkMessage(code Code, n int) error {
	min, max, since := 4, 4, 0
	switch code {
	case MsgErrorXfer, MsgInfo:
		min, max = 0, maxText
	case MsgError, MsgWarning:
		min, max, since = 0, maxText, 30
	case MsgIOError, MsgNoSend:
		since = 30
	case MsgIOTimeout:
		since = 31
	case MsgNoop:
		min, max, since = 0, 0, 30
	case MsgErrorExit:
		since = 31
		if n == 0 {
			min = 0
		}
	case MsgSuccess:
	case MsgDeleted:
		min, max, since = 1, maxPath, 29
	default:
		return streamErrorf("message of unknown code %d", code)
	}
	if r.proto < since {
		return streamErrorf("message of code %d in protocol %d", code, r.proto)
	}
	if n < min || n > max {
		return streamErrorf("message of code %d with %d bytes", code, n)
	}
	if !r.server && (isText(code) || code == MsgIOTimeout || code == MsgDeleted) {
		return streamErrorf("message of code %d from a client", code)
	}
	return nil
}

// isText reports whether the payload is text for the user.
func isText(code Code) bool { return code >= MsgErrorXfer && code <= MsgWarning }

// parseMessage decodes a payload of checked length.
func parseMessage(code Code, body []byte) (Message, error) {
	m := Message{Code: code}
	switch {
	case isText(code):
		m.Text = string(body)
		return m, nil
	case code == MsgDeleted:
		if last := len(body) - 1; body[last] == 0 {
			m.Dir, body = true, body[:last]
		}
		m.Text = string(body)
		return m, nil
	case code == MsgNoop:
		return m, nil
	case len(body) == 0:
		m.Empty = true
		return m, nil
	}
	m.Value = int32(binary.LittleEndian.Uint32(body))
	return m, checkValue(&m)
}

// checkValue bounds the number that a message carries.
func checkValue(m *Message) error {
	switch m.Code {
	case MsgIOError:
		m.Value &= ioErrMask // a peer's unknown bits mean nothing here
	case MsgIOTimeout:
		if m.Value < 1 || m.Value > maxTimeout {
			return streamErrorf("timeout of %d seconds", m.Value)
		}
	case MsgSuccess, MsgNoSend:
		if m.Value < 0 {
			return streamErrorf("message of code %d for index %d", m.Code, m.Value)
		}
	case MsgErrorExit:
		if m.Value < 0 || m.Value > 255 {
			return streamErrorf("exit code %d", m.Value)
		}
	}
	return nil
}

// Err returns the error that the message stands for: an *ExitError for
// MsgErrorExit, nil for all others.
func (m Message) Err() error {
	if m.Code != MsgErrorExit {
		return nil
	}
	return &ExitError{Code: int(m.Value), Empty: m.Empty}
}

// String describes the message for logs; peer text is quoted.
func (m Message) String() string {
	if isText(m.Code) || m.Code == MsgDeleted {
		return fmt.Sprintf("message %d: %q", m.Code, m.Text)
	}
	return fmt.Sprintf("message %d: %d", m.Code, m.Value)
}
