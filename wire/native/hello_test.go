package native

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func clientHello() *ClientHello {
	return &ClientHello{Software: "test", Role: RolePull, Module: "m", Paths: [][]byte{[]byte("a/\xff/")},
		Digest: "blake3", Options: json.RawMessage(`{"x":1}`)}
}

func TestHelloArrivesAsSent(t *testing.T) {
	c, out := record(t)
	if err := SendClientHello(c, clientHello()); err != nil {
		t.Fatal(err)
	}
	got, err := ReadClientHello(replay(t, out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(clientHello(), got); d != "" {
		t.Errorf("hello differs:\n%s", d)
	}
}

// hello is a hello with the given versions and body.
func hello(least, most uint16, body string) []byte {
	b := append([]byte(Magic), 0, 0, 0, 0, 0, 0, 0, 0)
	binary.LittleEndian.PutUint16(b[8:], least)
	binary.LittleEndian.PutUint16(b[10:], most)
	binary.LittleEndian.PutUint32(b[12:], uint32(len(body)))
	return append(b, body...)
}

func TestReadClientHelloRefuses(t *testing.T) {
	huge := hello(1, 1, "")
	binary.LittleEndian.PutUint32(huge[12:], 1<<31)
	var notNative *NotNativeError
	var refused *RefusedError
	isProtocol := func(err error) bool { return errors.Is(err, ErrProtocol) }
	isNotNative := func(err error) bool { return errors.As(err, &notNative) }
	tests := []struct {
		name string
		data []byte
		is   func(error) bool
	}{
		{"stock rsync", []byte("@RSYNCD: 32.0 sha512\n"), isNotNative},
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), isNotNative},
		{"a mangled line end", []byte("\x89SYNCD\n\n\x01\x00\x01\x00\x00\x00\x00\x00"), isNotNative},
		{"nothing", nil, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"half a magic", []byte(Magic[:3]), func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"a newer version", hello(VersionMost+1, VersionMost+5, "{}"), func(err error) bool {
			return errors.As(err, &refused) && refused.Code == CodeVersion
		}},
		{"versions the wrong way round", hello(2, 1, "{}"), isProtocol},
		{"a length of 2 GiB", huge, isProtocol},
		{"an unknown field", hello(1, 1, `{"surprise":1}`), isProtocol},
		{"no object", hello(1, 1, `[]`), isProtocol},
		{"two objects", hello(1, 1, `{}{}`), isProtocol},
		{"too many streams", hello(1, 1, `{"role":"pull","streams":65}`), isProtocol},
		{"fewer streams than none", hello(1, 1, `{"role":"pull","streams":-1}`), isProtocol},
		{"a token that is too short", hello(1, 1, `{"role":"join","token":"AAAA"}`), isProtocol},
		{"a join without a token", hello(1, 1, `{"role":"join"}`), isProtocol},
		{"a token where none belongs", hello(1, 1, `{"role":"pull","token":"`+strings.Repeat("A", 42)+`=="}`), isProtocol},
		{"a path that climbs", hello(1, 1, `{"paths":["Li4v"]}`), isProtocol}, // "../"
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := ReadClientHello(replay(t, tt.data))
			if err == nil || !tt.is(err) {
				t.Errorf("got %v, %v", h, err)
			}
		})
	}
}

func TestReadServerHelloRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"too many streams":         `{"streams":65,"token":"` + strings.Repeat("A", 43) + `="}`,
		"streams without a token":  `{"streams":2}`,
		"a token for no streams":   `{"token":"` + strings.Repeat("A", 43) + `="}`,
		"a token that is too long": `{"streams":2,"token":"` + strings.Repeat("A", 48) + `"}`,
	} {
		if h, err := ReadServerHello(replay(t, hello(1, 1, body))); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: got %v, %v", name, h, err)
		}
	}
	h, err := ReadServerHello(replay(t, hello(1, 1, `{"streams":2,"token":"`+strings.Repeat("A", 43)+`="}`)))
	if err != nil || h.Streams != 2 || len(h.Token) != TokenLen {
		t.Errorf("got %v, %v", h, err)
	}
}

func TestServerHelloRefusal(t *testing.T) {
	c, out := record(t)
	if err := SendServerHello(c, &ServerHello{Code: CodeReadOnly, Text: "the module is read-only"}); err != nil {
		t.Fatal(err)
	}
	_, err := ReadServerHello(replay(t, out.Bytes()))
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Code != CodeReadOnly || refused.Error() != "the module is read-only" {
		t.Errorf("got %v", err)
	}
}

func FuzzHello(f *testing.F) {
	c, out := record(f)
	if err := SendClientHello(c, clientHello()); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Add(hello(1, 1, `{"code":"busy","text":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = ReadClientHello(replay(t, data))
		_, _ = ReadServerHello(replay(t, data))
	})
}

// A fuzz target whose seeds have vanished tests nothing.
func TestFuzzCorporaAreThere(t *testing.T) {
	for _, target := range []string{"FuzzPage", "FuzzAnswerer", "FuzzAsker", "FuzzHello"} {
		names, err := filepath.Glob(filepath.Join("testdata", "fuzz", target, "*"))
		if err != nil || len(names) == 0 {
			t.Errorf("no corpus for %s: %v", target, err)
		}
	}
	if b, err := os.ReadFile("protocol.md"); err != nil || !bytes.Contains(b, []byte("89 53 59 4E 43 44 0D 0A")) {
		t.Errorf("protocol.md does not name the magic: %v", err)
	}
}
