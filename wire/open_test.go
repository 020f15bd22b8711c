package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

func TestParseTransport(t *testing.T) {
	for _, tr := range transports {
		if got, err := ParseTransport(tr.String()); err != nil || got != tr {
			t.Errorf("%v: %v, %v", tr, got, err)
		}
	}
	if _, err := ParseTransport("Splice"); err == nil {
		t.Error("a wrong name was taken")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	for name, o := range map[string]Options{
		"transport": {Transport: ReadWrite + 1},
		"timeout":   {Timeout: -time.Second},
		"burst":     {Limit: rate.NewLimiter(1, 0)},
	} {
		if _, err := NewConn(a, o); err == nil {
			t.Errorf("wrong %s was taken", name)
		}
		if _, err := NewStream(a, b, o); err == nil {
			t.Errorf("wrong %s was taken by NewStream", name)
		}
	}
}

func TestDatagramSocketIsRefused(t *testing.T) {
	addr := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unixgram"}
	c := must[*net.UnixConn](t)(net.ListenUnixgram("unixgram", addr))
	defer c.Close()
	if _, err := NewConn(c, Options{}); err == nil {
		t.Error("a datagram socket was taken")
	}
}

// buffer is a stream in memory of a type that cannot be compared.
type buffer struct {
	*bytes.Buffer
	_ []byte
}

func (buffer) Close() error { return nil }

func TestStreamThatIsNoFileIsCopied(t *testing.T) {
	var b bytes.Buffer
	c := must[*Conn](t)(NewStream(buffer{Buffer: &b}, buffer{Buffer: &b}, Options{}))
	src, dst := fileOf(t, []byte("content")), fileOf(t, nil)
	if err := errors.Join(c.SendFile(src, 0, 7), c.Flush(), c.RecvFile(dst, 0, 7), c.Close()); err != nil {
		t.Fatal(err)
	}
	if got := contentOf(t, dst, 0, 8); string(got) != "content" {
		t.Errorf("got %q", got)
	}
	if c.LocalAddr() != nil || c.RemoteAddr() != nil {
		t.Error("a stream has an address")
	}
}

func TestStdioOnARegularFileIsCopied(t *testing.T) {
	in := fileOf(t, []byte("message"))
	must[int64](t)(in.Seek(0, io.SeekStart))
	out := must[*os.File](t)(os.Create(filepath.Join(t.TempDir(), "out")))
	c := must[*Conn](t)(NewStream(in, out, Options{Timeout: time.Second}))
	got, err := io.ReadAll(c)
	if err != nil || string(got) != "message" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := errors.Join(c.CloseWrite(), c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
}
