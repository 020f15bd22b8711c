package rsync_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed9553035b/syncd/wire/rsync"
)

var compressions = []string{"none", "zlib", "zlibx", "zstd", "lz4"}

// An op is a literal of n bytes, or a copy of a block.
type op struct {
	block int // -1: literal
	n     int64
}

// roundTrip sends files, each a list of ops over one basis, and compares what
// arrives. It returns the number of bytes on the wire.
func roundTrip(t *testing.T, compression string, protocol int, head rsync.SumHead, files [][]op) int {
	t.Helper()
	basis := openFile(t, randomText(3, int(head.Size())))
	w, m := writer(protocol)
	tw, err := rsync.NewTokenWriter(w, compression, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tw.Close()
	want := make([][]byte, len(files))
	for i, ops := range files {
		want[i] = sendOps(t, tw, basis, head, ops)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	size := m.Len()
	r := rsync.NewReader(m, true)
	r.SetProtocol(protocol)
	tr, err := rsync.NewTokenReader(r, compression)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for i := range files {
		tmp := openFile(t, nil)
		x := &testReceiver{tokens: tr}
		if err := x.build(tmp, basis, head); err != nil {
			t.Fatalf("%s: file %d: %v", compression, i, err)
		}
		if got, _ := os.ReadFile(tmp.Name()); !bytes.Equal(got, want[i]) {
			t.Fatalf("%s: file %d differs", compression, i)
		}
	}
	if m.Len() != 0 {
		t.Errorf("%s: %d bytes left", compression, m.Len())
	}
	return size
}

// literalText is what literals are made of.
var literalText = sync.OnceValue(func() []byte { return randomText(4, 1<<20) })

// sendOps sends one file and returns its content.
func sendOps(t *testing.T, tw rsync.TokenWriter, basis *os.File, head rsync.SumHead, ops []op) []byte {
	t.Helper()
	var content []byte
	text := literalText()
	for _, o := range ops {
		if o.block < 0 {
			content = append(content, text[:o.n]...)
			continue
		}
		off, n := head.Range(o.block)
		b := make([]byte, n)
		if _, err := basis.ReadAt(b, off); err != nil {
			t.Fatal(err)
		}
		content = append(content, b...)
	}
	src := openFile(t, content)
	tw.Start()
	at := int64(0)
	for _, o := range ops {
		var err error
		n := o.n
		if o.block < 0 {
			err = tw.Literal(src, at, n)
		} else {
			_, n = head.Range(o.block)
			err = tw.Copy(o.block, src, at, n)
		}
		if err != nil {
			t.Fatal(err)
		}
		at += n
	}
	if err := tw.End(); err != nil {
		t.Fatal(err)
	}
	return content
}

func TestTokensSurvive(t *testing.T) {
	defer goleak.VerifyNone(t)
	rng := rand.New(rand.NewPCG(1, 2))
	head := rsync.NewSumHead(200_100, 700, 16, false)
	files := [][]op{{}, {{-1, 1}}, {{0, 0}}, {{-1, 700_000}}, {{285, 0}}, {{-1, 32768}, {-1, 32769}, {63, 0}, {64, 0}, {0, 0}}}
	for range 8 {
		var ops []op
		for range rng.IntN(60) {
			if rng.IntN(2) == 0 {
				ops = append(ops, op{-1, 1 + rng.Int64N(5000)})
				continue
			}
			first := rng.IntN(head.Count)
			for k := first; k < min(first+1+rng.IntN(5), head.Count); k++ {
				ops = append(ops, op{k, 0})
			}
		}
		files = append(files, ops)
	}
	for _, compression := range compressions {
		for _, protocol := range []int{30, 32} {
			roundTrip(t, compression, protocol, head, files)
		}
	}
}

func TestLongRunsOfBlocks(t *testing.T) {
	for _, n := range []int{65535, 65536, 65537} {
		head := rsync.NewSumHead(int64(n), 1, 16, false)
		ops := make([]op, n)
		for k := range ops {
			ops[k].block = k
		}
		size := roundTrip(t, "zlibx", 32, head, [][]op{ops})
		if size > 20 {
			t.Errorf("%d blocks took %d bytes", n, size)
		}
	}
}

func TestHistoryOfZlib(t *testing.T) {
	// Blocks above 64 KiB enter the history in pieces, below protocol 31 the
	// same one again.
	for _, block := range []int{32767, 32768, 65535, 65536, 100_000} {
		head := rsync.NewSumHead(int64(3*block+100), block, 16, false)
		files := [][]op{{{-1, 5000}, {1, 0}, {-1, 90_000}, {0, 0}, {2, 0}, {-1, 10}, {3, 0}, {-1, 100_000}}}
		for _, protocol := range []int{30, 32} {
			roundTrip(t, "zlib", protocol, head, files)
		}
	}
}

func TestBadTokens(t *testing.T) {
	for _, c := range []struct {
		name, compression, in string
		want                  error
	}{
		{"block past the end", "none", "\xfb\xff\xff\xff", rsync.ErrProtocol},
		{"last block", "none", "\xfc\xff\xff\xff", nil},
		{"lowest int", "none", "\x00\x00\x00\x80", rsync.ErrProtocol},
		{"relative block", "zlibx", "\x83", nil},
		{"relative block past the end", "zlibx", "\x84", rsync.ErrProtocol},
		{"run past the end", "zlibx", "\xc0\x04\x00", rsync.ErrProtocol},
		{"run", "zlibx", "\xc0\x03\x00", nil},
		{"negative block", "zlibx", "\x20\xff\xff\xff\xff", rsync.ErrProtocol},
		{"long run past the end", "zlibx", "\x21\x00\x00\x00\x00\xff\xff", rsync.ErrProtocol},
		{"unknown item", "zlibx", "\x22", rsync.ErrStream},
		{"unknown low item", "lz4", "\x01", rsync.ErrStream},
		{"bad deflate", "zlibx", "\x40\x02\xff\xff\x00", rsync.ErrStream},
		{"end of the deflate stream", "zlibx", "\x40\x02\x03\x00\x00", rsync.ErrStream},
		{"bad zstd", "zstd", "\x40\x06abcdef\x00", rsync.ErrStream},
		{"bad lz4", "lz4", "\x40\x02\xff\xff", rsync.ErrStream},
	} {
		r := reader([]byte(c.in), 32)
		tokens, err := rsync.NewTokenReader(r, c.compression)
		if err != nil {
			t.Fatal(err)
		}
		tokens.Start(4)
		if _, err := tokens.Next(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		tokens.Close()
	}
	if _, err := rsync.NewTokenReader(nil, "brotli"); !errors.Is(err, rsync.ErrUnsupported) {
		t.Errorf("brotli: %v", err)
	}
	if _, err := rsync.NewTokenWriter(nil, "brotli", 0); !errors.Is(err, rsync.ErrUnsupported) {
		t.Errorf("brotli: %v", err)
	}
}

// countingStream counts what may be system calls.
type countingStream struct {
	*memStream
	reads int
}

func (c *countingStream) Read(p []byte) (int, error) {
	c.reads++
	return c.memStream.Read(p)
}

// TestTokenAndFrameComeWithOneRead: stock ends a frame with the number of the
// next token. What is behind the frame's header stays in the stream, where a body
// may begin.
func TestTokenAndFrameComeWithOneRead(t *testing.T) {
	const literals, size = 8, 1000
	body := randomText(5, literals*size)
	var in []byte
	next := "\xE8\x03\x00\x00"
	in = append(in, frame(0, next)...)
	for i := range literals {
		if i == literals-1 {
			next = "\x00\x00\x00\x00"
		}
		if i == literals/2 {
			in = append(in, frame(2, "a message")...) // before the frame: its header is no data's
		}
		in = append(in, frame(0, string(body[i*size:(i+1)*size])+next)...)
	}
	in = append(in, frame(0, "sum")...)
	s := &countingStream{memStream: &memStream{}}
	s.Write(in)
	r := rsync.NewReader(s, true)
	r.SetProtocol(32)
	r.StartMux()
	tr, err := rsync.NewTokenReader(r, "none")
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	tmp := openFile(t, nil)
	if err := (&testReceiver{tokens: tr}).build(tmp, openFile(t, nil), rsync.SumHead{}); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(tmp.Name()); !bytes.Equal(got, body) {
		t.Error("the content differs")
	}
	if n := r.CopiedBytes(); n > 0 {
		t.Errorf("%d bytes of the body passed through memory", n)
	}
	// One for each token and the header behind it, and three for the message.
	if most := literals + 1 + 3; s.reads > most {
		t.Errorf("%d reads for %d tokens, want %d at most", s.reads, literals+1, most)
	}
	sum := make([]byte, 3)
	if _, err := io.ReadFull(r, sum); err != nil || string(sum) != "sum" {
		t.Errorf("behind the file is %q, %v", sum, err)
	}
}
