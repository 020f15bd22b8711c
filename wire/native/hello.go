package native

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/seed9553035b/syncd/wire"
)

// Magic begins each side's hello. Its first byte is that of no other protocol
// on the port, and its line ends show a connection that mangles them.
const Magic = "\x89SYNCD\r\n"

// The versions of the protocol that this package speaks.
const (
	VersionLeast = 1
	VersionMost  = 1
)

const (
	helloLen = len(Magic) + 8
	maxHello = 64 << 10
)

// Role says which side the client is.
type Role string

// The roles of a client.
const (
	RolePull    Role = "pull"
	RolePush    Role = "push"
	RoleModules Role = "modules"
	RoleJoin    Role = "join" // one more stream of a session
)

// FeatureStreams is the feature of a session with more streams than one.
const FeatureStreams = "streams"

// Limits of what a hello says of streams.
const (
	TokenLen   = 32 // bytes
	MaxStreams = 64
)

// Code is why a server refuses a session; "" grants it.
type Code string

// The codes of protocol.md part 2.
const (
	CodeVersion  Code = "version"
	CodeNoModule Code = "no-module"
	CodeDenied   Code = "denied"
	CodeReadOnly Code = "read-only"
	CodeBusy     Code = "busy"
	CodeRefused  Code = "refused"
	CodeOption   Code = "option"
	CodePath     Code = "path"
)

// ClientHello opens a session.
type ClientHello struct {
	Software string          `json:"software"`
	Role     Role            `json:"role"`
	Features []string        `json:"features,omitempty"`
	Module   string          `json:"module,omitempty"`
	Paths    [][]byte        `json:"paths,omitempty"`
	Single   bool            `json:"single,omitempty"`
	Rename   []byte          `json:"rename,omitempty"`
	Digest   string          `json:"digest,omitempty"`
	Streams  int             `json:"streams,omitempty"`
	Token    []byte          `json:"token,omitempty"`
	Options  json.RawMessage `json:"options,omitempty"`
}

// ModuleInfo is one line of a listing of modules.
type ModuleInfo struct {
	Name    string `json:"name"`
	Comment string `json:"comment,omitempty"`
}

// ServerHello grants or refuses a session.
type ServerHello struct {
	Software string       `json:"software"`
	Code     Code         `json:"code,omitempty"`
	Text     string       `json:"text,omitempty"`
	Features []string     `json:"features,omitempty"`
	Modules  []ModuleInfo `json:"modules,omitempty"`
	Single   bool         `json:"single,omitempty"`
	Rename   []byte       `json:"rename,omitempty"`
	Streams  int          `json:"streams,omitempty"`
	Token    []byte       `json:"token,omitempty"`
}

// checkStreams holds what a hello says of streams against its bounds: a token is
// there exactly if wanted.
func checkStreams(streams int, token []byte, wanted bool) error {
	switch {
	case streams < 0 || streams > MaxStreams:
		return badf("a hello with %d streams, the limit is %d", streams, MaxStreams)
	case wanted && len(token) != TokenLen, !wanted && len(token) != 0:
		return badf("a hello with a token of %d bytes", len(token))
	}
	return nil
}

// RefusedError is a server's refusal, in its words.
type RefusedError struct {
	Code Code
	Text string
}

func (e *RefusedError) Error() string { return e.Text }

// NotNativeError says that the peer does not speak this protocol; First holds
// what came instead, at most 16 bytes.
type NotNativeError struct{ First []byte }

func (e *NotNativeError) Error() string {
	return fmt.Sprintf("the other side is no syncd: it began with %q", e.First)
}

// SendClientHello writes h and flushes.
func SendClientHello(c *wire.Conn, h *ClientHello) error {
	return sendHello(c, VersionLeast, VersionMost, h)
}

// ReadServerHello reads the answer to a ClientHello. A refusal is a
// *RefusedError.
func ReadServerHello(c *wire.Conn) (*ServerHello, error) {
	least, most, body, err := readHello(c)
	if err != nil {
		return nil, err
	}
	var h ServerHello
	if err := strictJSON(body, &h); err != nil {
		return nil, badf("hello of the server: %v", err)
	}
	if h.Code != "" {
		text := h.Text
		if text == "" {
			text = "the server refused: " + string(h.Code)
		}
		return nil, &RefusedError{Code: h.Code, Text: oneLine(text)}
	}
	if err := checkStreams(h.Streams, h.Token, h.Streams > 1); err != nil {
		return nil, err
	}
	if least != most || most < VersionLeast || most > VersionMost {
		return nil, badf("the server chose version %d to %d of the protocol, this side speaks %d to %d", least, most, VersionLeast, VersionMost)
	}
	return &h, nil
}

// ReadClientHello reads a client's hello. A version without an overlap is a
// *RefusedError with CodeVersion, which the server sends back.
func ReadClientHello(c *wire.Conn) (*ClientHello, error) {
	least, most, body, err := readHello(c)
	if err != nil {
		return nil, err
	}
	if least > VersionMost || most < VersionLeast {
		return nil, &RefusedError{Code: CodeVersion, Text: fmt.Sprintf(
			"the client speaks version %d to %d of the protocol, this server %d to %d", least, most, VersionLeast, VersionMost)}
	}
	var h ClientHello
	if err := strictJSON(body, &h); err != nil {
		return nil, badf("hello of the client: %v", err)
	}
	if err := checkStreams(h.Streams, h.Token, h.Role == RoleJoin); err != nil {
		return nil, err
	}
	for _, p := range h.Paths {
		if err := CheckPath(strings.TrimSuffix(string(p), "/")); err != nil {
			return nil, err
		}
	}
	return &h, nil
}

// SendServerHello writes h and flushes.
func SendServerHello(c *wire.Conn, h *ServerHello) error {
	if h.Code == CodeVersion {
		return sendHello(c, VersionLeast, VersionMost, h)
	}
	return sendHello(c, VersionMost, VersionMost, h)
}

func sendHello(c *wire.Conn, least, most uint16, h any) error {
	body, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("encode hello: %w", err)
	}
	if len(body) > maxHello {
		return fmt.Errorf("the hello is %d bytes long, the limit is %d: too many filter rules", len(body), maxHello)
	}
	b := append(make([]byte, 0, helloLen+len(body)), Magic...)
	b = binary.LittleEndian.AppendUint16(b, least)
	b = binary.LittleEndian.AppendUint16(b, most)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	if _, err := c.Write(append(b, body...)); err != nil {
		return err
	}
	return c.Flush()
}

func readHello(r io.Reader) (least, most uint16, body []byte, err error) {
	var b [helloLen]byte
	// The magic is read first: what is no syncd may say less than a hello.
	if n, err := io.ReadFull(r, b[:len(Magic)]); err != nil || string(b[:len(Magic)]) != Magic {
		if n > 0 && string(b[:n]) != Magic[:n] {
			return 0, 0, nil, &NotNativeError{First: b[:n]}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return 0, 0, nil, fmt.Errorf("the other side closed the connection before its hello: %w", io.ErrUnexpectedEOF)
		}
		return 0, 0, nil, err
	}
	if _, err := io.ReadFull(r, b[len(Magic):]); err != nil {
		return 0, 0, nil, fmt.Errorf("read hello: %w", noEOF(err))
	}
	le := binary.LittleEndian
	least, most = le.Uint16(b[8:]), le.Uint16(b[10:])
	n := le.Uint32(b[12:])
	if least > most {
		return 0, 0, nil, badf("hello with the versions %d to %d", least, most)
	}
	if n > maxHello {
		return 0, 0, nil, badf("hello of %d bytes, the limit is %d", n, maxHello)
	}
	body = make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, 0, nil, fmt.Errorf("read hello: %w", noEOF(err))
	}
	return least, most, body, nil
}

// strictJSON decodes exactly one object and refuses unknown fields.
func strictJSON(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return fmt.Errorf("more than one object")
	}
	return nil
}

// DecodeOptions decodes the options of a hello into v, strictly.
func DecodeOptions(raw json.RawMessage, v any) error {
	if len(raw) == 0 {
		return nil
	}
	if err := strictJSON(raw, v); err != nil {
		return badf("options of the client: %v", err)
	}
	return nil
}
