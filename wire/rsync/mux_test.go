package rsync_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// frame returns a frame as a peer may send it.
func frame(code byte, body string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(7+int(code))<<24|uint32(len(body)))
	return append(b, body...)
}

func TestMessagesBetweenFrames(t *testing.T) {
	var in []byte
	in = append(in, frame(2, "hello")...)
	in = append(in, frame(0, "\x01\x02")...)
	in = append(in, frame(0, "")...)
	in = append(in, frame(101, "dir\x00")...)
	in = append(in, frame(0, "\x03\x04rest")...)
	r := reader(in, 32)
	r.StartMux()
	var got []string
	r.Handle = func(m rsync.Message) error {
		got = append(got, fmt.Sprint(m, m.Dir))
		return nil
	}
	if v, err := r.Int(); v != 0x04030201 || err != nil {
		t.Errorf("an int over two frames: %#x, %v", v, err)
	}
	if want := `[message 2: "hello" false message 101: "dir" true]`; fmt.Sprint(got) != want {
		t.Errorf("messages %v, want %s", got, want)
	}
	if err := r.StopMux(); !errors.Is(err, rsync.ErrStream) {
		t.Errorf("raw data inside a frame: %v", err)
	}
}

// chunks is a stream whose reads return one element each.
type chunks struct {
	data [][]byte
	log  []string
}

func (c *chunks) Read(p []byte) (int, error) {
	c.log = append(c.log, "read")
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.data[0])
	if c.data[0] = c.data[0][n:]; len(c.data[0]) == 0 {
		c.data = c.data[1:]
	}
	return n, nil
}

func (c *chunks) RecvFile(wire.File, int64, int64) error          { return errors.ErrUnsupported }
func (c *chunks) GatherFile(wire.File, int64, int64, int64) error { return errors.ErrUnsupported }
func (c *chunks) WriteOut() error                                 { return errors.ErrUnsupported }
func (c *chunks) Discard(int64) error                             { return errors.ErrUnsupported }

// TestBeforeWait: a value may be followed by a message and by nothing else. Who
// keeps the value must hear of it before the stream is waited for again.
func TestBeforeWait(t *testing.T) {
	first := append(frame(0, "\x01\x00\x00\x00"), frame(2, "text")...)
	s := &chunks{data: [][]byte{first, frame(0, "\x02\x00\x00\x00")}}
	r := rsync.NewReader(s, true)
	r.StartMux()
	r.BeforeWait(func() { s.log = append(s.log, "wait") })
	for want := int32(1); want <= 2; want++ {
		if v, err := r.Int(); v != want || err != nil {
			t.Fatalf("%d, %v, want %d", v, err, want)
		}
		s.log = append(s.log, "got")
	}
	if got, want := fmt.Sprint(s.log), "[wait read got wait read got]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestMessageChecks(t *testing.T) {
	i := func(v int32) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(v))) }
	for _, c := range []struct {
		name     string
		protocol int
		server   bool
		frame    []byte
		want     error
	}{
		{"text", 32, true, frame(1, "x"), nil},
		{"longest text", 32, true, frame(3, string(make([]byte, 5119))), nil},
		{"text too long", 32, true, frame(3, string(make([]byte, 5120))), rsync.ErrStream},
		{"text of a client", 32, false, frame(1, "x"), rsync.ErrStream},
		{"warning in 29", 29, true, frame(4, "x"), rsync.ErrStream},
		{"io error", 32, false, frame(22, i(-1)), nil},
		{"io error of 3 bytes", 32, false, frame(22, "abc"), rsync.ErrStream},
		{"timeout", 31, true, frame(33, i(86400)), nil},
		{"timeout 0", 31, true, frame(33, i(0)), rsync.ErrStream},
		{"timeout 86401", 31, true, frame(33, i(86401)), rsync.ErrStream},
		{"noop", 30, true, frame(42, ""), nil},
		{"noop with payload", 30, true, frame(42, "x"), rsync.ErrStream},
		{"error exit", 32, true, frame(86, i(23)), nil},
		{"empty error exit", 32, true, frame(86, ""), nil},
		{"error exit of 2 bytes", 32, true, frame(86, "ab"), rsync.ErrStream},
		{"error exit 256", 32, true, frame(86, i(256)), rsync.ErrStream},
		{"error exit in 30", 30, true, frame(86, ""), rsync.ErrStream},
		{"success", 32, false, frame(100, i(5)), nil},
		{"success -1", 32, false, frame(100, i(-1)), rsync.ErrStream},
		{"deleted nothing", 32, true, frame(101, ""), rsync.ErrStream},
		{"deleted by a client", 32, false, frame(101, "x"), rsync.ErrStream},
		{"no send", 32, true, frame(102, i(0)), nil},
		{"internal redo", 32, true, frame(9, i(0)), rsync.ErrStream},
		{"internal log", 32, true, frame(6, "x"), rsync.ErrStream},
		{"unknown code", 32, true, frame(99, ""), rsync.ErrStream},
		{"header below the base", 32, true, []byte{0, 0, 0, 6}, rsync.ErrStream},
		{"cut short", 32, true, frame(1, "abc")[:5], io.ErrUnexpectedEOF},
	} {
		m := &memStream{}
		m.Write(c.frame)
		m.Write(frame(0, "x"))
		if errors.Is(c.want, io.ErrUnexpectedEOF) {
			m.Truncate(len(c.frame))
		}
		r := rsync.NewReader(m, c.server)
		r.SetProtocol(c.protocol)
		r.StartMux()
		if _, err := r.Byte(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestErrorExit(t *testing.T) {
	for _, c := range []struct {
		body string
		want int
	}{{"\x17\x00\x00\x00", 23}, {"", 0}} {
		r := reader(frame(86, c.body), 32)
		r.StartMux()
		r.Handle = rsync.Message.Err
		_, err := r.Byte()
		var exit *rsync.ExitError
		if !errors.As(err, &exit) || exit.Code != c.want || exit.Empty != (c.body == "") || rsync.ExitCode(err) != c.want {
			t.Errorf("%q: %v", c.body, err)
		}
	}
}

func TestWriterFrames(t *testing.T) {
	w, m := writer(32)
	w.Byte(1)
	if err := w.StartMux(); err != nil {
		t.Fatal(err)
	}
	w.Byte(2)
	if err := w.KeepAlive(); err != nil {
		t.Fatal(err)
	}
	if err := w.Message(rsync.Message{Code: rsync.MsgNoSend, Value: 3}); err != nil {
		t.Fatal(err)
	}
	w.Write(bytes.Repeat([]byte{4}, 32<<10))
	w.Byte(5)
	if err := w.StopMux(); err != nil {
		t.Fatal(err)
	}
	w.Byte(6)
	w.Flush()
	want := concat([]byte{1}, frame(0, "\x02"), frame(0, ""), frame(102, "\x03\x00\x00\x00"),
		frame(0, string(bytes.Repeat([]byte{4}, 32<<10))), frame(0, "\x05"), []byte{6})
	if !bytes.Equal(m.Bytes(), want) {
		t.Errorf("%d bytes, want %d", m.Len(), len(want))
	}
}

func concat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestMessagesForOldPeers(t *testing.T) {
	for _, c := range []struct {
		protocol int
		m        rsync.Message
		want     []byte
	}{
		{29, rsync.Message{Code: rsync.MsgError, Text: "e"}, frame(1, "e")},
		{29, rsync.Message{Code: rsync.MsgWarning, Text: "w"}, frame(2, "w")},
		{30, rsync.Message{Code: rsync.MsgWarning, Text: "w"}, frame(4, "w")},
		{29, rsync.Message{Code: rsync.MsgNoSend, Value: 1}, nil},
		{30, rsync.Message{Code: rsync.MsgErrorExit, Value: 1}, nil},
		{31, rsync.Message{Code: rsync.MsgErrorExit, Empty: true}, frame(86, "")},
		{30, rsync.Message{Code: rsync.MsgNoop}, frame(42, "")},
		{31, rsync.Message{Code: rsync.MsgNoop}, nil},
		{32, rsync.Message{Code: rsync.MsgDeleted, Text: "d", Dir: true}, frame(101, "d\x00")},
	} {
		w, m := writer(c.protocol)
		w.StartMux()
		if err := w.Message(c.m); err != nil || !bytes.Equal(m.Bytes(), c.want) {
			t.Errorf("%v in %d: %q, %v; want %q", c.m, c.protocol, m.Bytes(), err, c.want)
		}
	}
}

// openFile returns a file with content, open for both directions.
func openFile(t *testing.T, content []byte) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	return f
}

// What a full frame of literals holds, pending data apart.
const perFrame = (1<<24 - 1) / (4 + 32768) * 32768

func TestLiteralFrames(t *testing.T) {
	for _, mux := range []bool{true, false} {
		sizes := []int64{1, 32767, 32768, 32769, 65536}
		if mux {
			sizes = append(sizes, perFrame-1, perFrame, perFrame+1)
		}
		for _, n := range sizes {
			content := make([]byte, n)
			content[0], content[n-1] = 'a', 'z'
			src := openFile(t, content)
			w, m := writer(32)
			if mux {
				w.StartMux()
			}
			w.Byte(7)
			tokens, err := rsync.NewTokenWriter(w, "none", 0)
			if err != nil {
				t.Fatal(err)
			}
			tokens.Start()
			if err := errors.Join(tokens.Literal(src, 0, n), tokens.Copy(3, nil, 0, 0), tokens.End(), w.Flush()); err != nil {
				t.Fatal(err)
			}
			checkLiterals(t, m, mux, content)
		}
	}
}

// checkLiterals reads back what TestLiteralFrames wrote.
func checkLiterals(t *testing.T, m *memStream, mux bool, content []byte) {
	t.Helper()
	r := rsync.NewReader(m, true)
	if mux {
		r.StartMux()
	}
	if b, err := r.Byte(); b != 7 || err != nil {
		t.Fatal(b, err)
	}
	tokens, err := rsync.NewTokenReader(r, "none")
	if err != nil {
		t.Fatal(err)
	}
	tokens.Start(4)
	dst := openFile(t, nil)
	var at int64
	for {
		tok, err := tokens.Next()
		if err != nil {
			t.Fatalf("%d bytes: %v", len(content), err)
		}
		if tok.Kind != rsync.Literal {
			if tok != (rsync.Token{Kind: rsync.Copy, Block: 3}) {
				t.Errorf("token %v", tok)
			}
			break
		}
		if tok.N > 32768 {
			t.Errorf("literal of %d bytes", tok.N)
		}
		if err := tokens.RecvFile(dst, at, int64(len(content))-at-tok.N); err != nil {
			t.Fatal(err)
		}
		at += tok.N
	}
	if err := tokens.WriteOut(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(dst.Name())
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes became %d: %v", len(content), len(got), err)
	}
	if tok, err := tokens.Next(); tok.Kind != rsync.End || err != nil || m.Len() != 0 {
		t.Errorf("end: %v, %v, %d bytes left", tok, err, m.Len())
	}
}

func TestLiteralOverManyFrames(t *testing.T) {
	content := randomText(1, 100_000)
	in := frame(0, string(binary.LittleEndian.AppendUint32(nil, uint32(len(content)))))
	for rest := content; len(rest) > 0; {
		n := min(len(rest), 7777)
		in = concat(in, frame(0, string(rest[:n])), frame(2, "between"), frame(0, ""))
		rest = rest[n:]
	}
	in = append(in, frame(0, "\x00\x00\x00\x00")...)
	for _, fail := range []bool{false, true} {
		r := reader(in, 32)
		r.StartMux()
		tokens, _ := rsync.NewTokenReader(r, "none")
		tokens.Start(0)
		if tok, err := tokens.Next(); tok.N != 100_000 || err != nil {
			t.Fatal(tok, err)
		}
		dst := openFile(t, nil)
		if fail {
			dst.Close()
		}
		err := tokens.RecvFile(dst, 0, 0)
		var fe *wire.FileError
		if !fail && err != nil || fail && !errors.As(err, &fe) {
			t.Error(err)
		}
		// Even after the failure the stream is in step.
		if tok, err := tokens.Next(); tok.Kind != rsync.End || err != nil {
			t.Errorf("end: %v, %v", tok, err)
		}
	}
}

func TestShrunkenSource(t *testing.T) {
	for _, compression := range []string{"none", "zlib", "zlibx", "zstd", "lz4"} {
		src := openFile(t, randomText(2, 50_000))
		w, m := writer(32)
		w.StartMux()
		tokens, _ := rsync.NewTokenWriter(w, compression, 0)
		tokens.Start()
		err := tokens.Literal(src, 0, 200_000)
		var fe *wire.FileError
		if !errors.As(err, &fe) {
			t.Errorf("%s: %v", compression, err)
		}
		if err := errors.Join(tokens.End(), w.Byte(9), w.Flush()); err != nil {
			t.Errorf("%s: %v", compression, err)
		}
		r := rsync.NewReader(m, true)
		r.StartMux()
		in, _ := rsync.NewTokenReader(r, compression)
		in.Start(0)
		for tok := (rsync.Token{}); tok.Kind != rsync.End; {
			if tok, err = in.Next(); err != nil {
				t.Fatalf("%s: %v", compression, err)
			}
		}
		if b, err := r.Byte(); b != 9 || err != nil {
			t.Errorf("%s: the stream is out of step: %d, %v", compression, b, err)
		}
		in.Close()
		tokens.Close()
	}
}
