package native

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed9553035b/syncd/wire"
)

// record returns a Conn whose output ends up in the buffer.
func record(t testing.TB) (*wire.Conn, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	c, err := wire.NewStream(io.NopCloser(bytes.NewReader(nil)), nopWriter{&out}, wire.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, &out
}

// replay returns a Conn that reads data.
func replay(t testing.TB, data []byte) *wire.Conn {
	t.Helper()
	c, err := wire.NewStream(io.NopCloser(bytes.NewReader(data)), nopWriter{io.Discard}, wire.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

type nopWriter struct{ io.Writer }

func (nopWriter) Close() error { return nil }

func version(size int64) wire.Version {
	return wire.Version{Size: size, Mtime: wire.Time{Sec: -1, Nsec: 2}, Ctime: wire.Time{Sec: 3, Nsec: 4}, Ino: math.MaxUint64}
}

// requests is one of each, as a sink sends them.
func requests() []any {
	return []any{
		&List{ID: 1, Want: WantXattrs | WantOne, Path: "a/\xff", After: "b"},
		&List{ID: 5, Want: WantLinks, Path: "d", Digest: &[DigestLen]byte{1, 15: 2}},
		&Read{ID: 2, SumsOnly: true, Files: []ReadFile{
			{Path: "a/b", Version: version(10)},
			{Path: "a/c", Version: version(1 << 40), Ranges: []Range{{0, 1}, {5, 1<<40 - 5}}},
		}},
		&Sign{ID: 3, File: ReadFile{Path: "x", Version: version(5)}, Block: 4096},
		delta(4, bytes.Repeat([]byte("sum"), 400_000), true, false),
		&List{ID: 6, Path: "between two pieces"},
		delta(4, []byte("last"), false, false),
		delta(7, []byte("first"), true, false),
		delta(7, nil, false, true),
	}
}

// delta is a piece of the signature for a DELTA.
func delta(id uint32, sig []byte, more, cut bool) *Delta {
	return &Delta{ID: id, File: ReadFile{Path: "y", Version: version(6)}, Sig: sig, More: more, Cut: cut}
}

// asked returns the bytes of requests and a BYE.
func asked(t testing.TB) []byte {
	c, out := record(t)
	a := NewAsker(c, 16)
	for _, r := range requests() {
		if err := a.Ask(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Note(Note{Text: "hello", Item: true}); err != nil {
		t.Fatal(err)
	}
	if err := a.Bye([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRequestsArriveAsSent(t *testing.T) {
	a := NewAnswerer(replay(t, asked(t)))
	want := append(requests(), &Note{Text: "hello", Item: true}, &Bye{Result: []byte("{}")})
	signatures, ends := make(map[uint32][]byte), map[uint32]error{4: io.EOF, 7: ErrCut}
	var deltas []*Delta
	for _, w := range want {
		if d, ok := w.(*Delta); ok {
			begun := signatures[d.ID] == nil
			if signatures[d.ID] = append(signatures[d.ID], d.Sig...); !begun {
				continue // its request has arrived
			}
			w = &Delta{ID: d.ID, File: d.File}
		}
		got, err := a.Next()
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := got.(*Delta); ok {
			deltas = append(deltas, &Delta{ID: d.ID, Sums: d.Sums})
			d.Sums = nil
		}
		if d := cmp.Diff(w, got); d != "" {
			t.Fatalf("request differs (-want +got):\n%s", d)
		}
	}
	if _, err := a.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("at the end: %v", err)
	}
	for _, d := range deltas {
		got, err := d.Sums.Next(t.Context())
		if err != nil || !bytes.Equal(got, signatures[d.ID]) {
			t.Errorf("signature %d: %d bytes, %v", d.ID, len(got), err)
		}
		if _, err := d.Sums.Next(t.Context()); err != ends[d.ID] || d.Sums.Waits() {
			t.Errorf("signature %d ends by %v", d.ID, err)
		}
	}
	if n := a.held.Load(); n != 0 || len(deltas) != 2 {
		t.Errorf("%d bytes of %d signatures are held", n, len(deltas))
	}
}

// answered returns the bytes of one answer of each type.
func answered(t testing.TB) []byte {
	c, out := record(t)
	a := NewAnswerer(c)
	src := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(src, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(src)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var w PageWriter
	w.Reset()
	digest := make([]byte, 16)
	for _, err := range []error{
		a.Page(1, &w, true, PageHadErrors),
		a.Same(5),
		a.Data(2, 0, 0, 10, func(send SendFunc) (Trailer, error) {
			return Trailer{Digest: digest}, send(f, 0, 10)
		}),
		a.Files(2, 1, 3, 6, func(i int, send SendFunc) (Trailer, error) {
			tr := Trailer{Digest: bytes.Repeat([]byte{byte(i)}, 16)}
			if i == 1 {
				tr.Status, tr.Errno = StatusError, 5
			}
			return tr, send(f, int64(i), int64(i)+1)
		}),
		a.Packed(2, 1, 10, 20, []byte("z"), Trailer{Status: StatusMore, Digest: digest}),
		a.Hole(2, 1, 30, 5, StatusOK),
		a.Failed(2, 2, &Failure{Status: StatusGone, Errno: 2, Text: "gone"}),
		a.Sums(3, []byte("sums")),
		a.Copy(4, 0, 99, 7),
		a.End(4),
		a.Bye([]byte("{}")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

// take reads one answer whole, as a sink does.
func take(a *Asker) (Answer, error) {
	ans, err := a.Next()
	if err != nil {
		return ans, err
	}
	if ans.Type == TypeData || ans.Type == TypeFiles {
		if err := a.Discard(ans.N); err != nil {
			return ans, err
		}
	}
	switch ans.Type {
	case TypeData, TypePacked:
		_, err = a.Trailer()
	case TypeFiles:
		err = a.Trailers(int(ans.Off), func(int, Trailer) error { return nil })
	}
	return ans, err
}

func TestAnswersArriveAsSent(t *testing.T) {
	a := NewAsker(replay(t, answered(t)), 16)
	for _, want := range []Type{TypePage, TypeSame, TypeData, TypeFiles, TypePacked, TypeHole, TypeFailed, TypeSums, TypeCopy, TypeEnd, TypeBye} {
		ans, err := take(a)
		if err != nil {
			t.Fatalf("type %d: %v", want, err)
		}
		if ans.Type != want {
			t.Fatalf("type %d, want %d", ans.Type, want)
		}
	}
}

// TestTrailersOfAGroup takes the trailers of a FILES frame, each of which is its own,
// and the frame behind them. An error about one ends that.
func TestTrailersOfAGroup(t *testing.T) {
	data := answered(t)
	group := func() *Asker {
		t.Helper()
		a := NewAsker(replay(t, data), 16)
		for {
			ans, err := a.Next()
			if err != nil {
				t.Fatal(err)
			}
			if ans.Type == TypeFiles {
				if ans.Index != 1 || ans.Off != 3 || ans.N != 6 {
					t.Fatalf("a group of %d files from %d on, %d bytes", ans.Off, ans.Index, ans.N)
				}
				return a
			}
			if ans.Type == TypeData {
				if err := a.Discard(ans.N); err != nil {
					t.Fatal(err)
				}
				if _, err := a.Trailer(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	a := group()
	body := make([]byte, 6)
	if _, err := io.ReadFull(a.c, body); err != nil || string(body) != "012234" {
		t.Fatalf("the bodies are %q, %v", body, err)
	}
	n := 0
	err := a.Trailers(3, func(i int, tr Trailer) error {
		want := Trailer{Digest: bytes.Repeat([]byte{byte(n)}, 16)}
		if n == 1 {
			want.Status, want.Errno = StatusError, 5
		}
		if d := cmp.Diff(want, tr); i != n || d != "" {
			t.Errorf("trailer %d as %d (-want +got):\n%s", n, i, d)
		}
		n++
		return nil
	})
	if err != nil || n != 3 {
		t.Fatalf("%d trailers, %v", n, err)
	}
	if ans, err := a.Next(); err != nil || ans.Type != TypePacked {
		t.Errorf("behind the group: type %d, %v", ans.Type, err)
	}

	a = group()
	if err := a.Discard(6); err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	n = 0
	if err := a.Trailers(3, func(int, Trailer) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("an error about the first of %d: %v", n, err)
	}

	a = group()
	if err := a.Discard(5); err != nil { // its last byte is no status
		t.Fatal(err)
	}
	if err := a.Trailers(3, func(int, Trailer) error { return nil }); !errors.Is(err, ErrProtocol) {
		t.Errorf("trailers out of step: %v", err)
	}
}

func TestAskerRefuses(t *testing.T) {
	frame := func(h Header, payload string) []byte {
		h.Length = uint32(len(payload))
		return append(h.append(nil), payload...)
	}
	tests := []struct {
		name string
		data []byte
	}{
		{"an unknown type", frame(Header{Type: 99}, "")},
		{"a request as an answer", frame(Header{Type: TypeList}, "")},
		{"a payload of more than a frame holds", frame(Header{Type: TypePage}, "")[:12]},
		{"a negative length of a body", frame(Header{Type: TypeData, N: -1}, "")},
		{"a range past 2^63", frame(Header{Type: TypeData, Off: math.MaxInt64, N: math.MaxInt64}, "")},
		{"an empty range", frame(Header{Type: TypeData}, "")},
		{"a body across segments", frame(Header{Type: TypeData, Off: Segment - 1, N: 2}, "")},
		{"a DATA with a payload", frame(Header{Type: TypeData, N: 1}, "x")},
		{"an END with a range", frame(Header{Type: TypeEnd, N: 1}, "")},
		{"a PACKED larger than allowed", frame(Header{Type: TypePacked, N: MaxPacked + 1}, "x")},
		{"a FILES of one file", frame(Header{Type: TypeFiles, Off: 1, N: 1}, "")},
		{"a FILES of more files than may be", frame(Header{Type: TypeFiles, Off: MaxGroup + 1, N: MaxGroup + 1}, "")},
		{"a FILES with empty files", frame(Header{Type: TypeFiles, Off: 3, N: 2}, "")},
		{"a FILES of more bytes than may be", frame(Header{Type: TypeFiles, Off: 2, N: Segment + 1}, "")},
		{"a FILES with a payload", frame(Header{Type: TypeFiles, Off: 2, N: 2}, "x")},
		{"a COPY without its source", frame(Header{Type: TypeCopy, N: 1}, "")},
		{"a COPY from a negative offset", frame(Header{Type: TypeCopy, N: 1}, "\xff\xff\xff\xff\xff\xff\xff\xff")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewAsker(replay(t, tt.data), 16).Next()
			if !errors.Is(err, ErrProtocol) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnswererRefuses(t *testing.T) {
	c, out := record(t)
	a := NewAsker(c, 16)
	send := func(reqs ...any) []byte {
		out.Reset()
		for _, r := range reqs {
			if err := a.Ask(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Flush(); err != nil {
			t.Fatal(err)
		}
		return bytes.Clone(out.Bytes())
	}
	file := func(path string, rs ...Range) []ReadFile {
		return []ReadFile{{Path: path, Version: version(100), Ranges: rs}}
	}
	tests := []struct {
		name string
		data []byte
	}{
		{"a path that climbs", send(&List{Path: "a/../.."})},
		{"an absolute path", send(&List{Path: "/etc"})},
		{"a path that is too long", send(&List{Path: string(bytes.Repeat([]byte("a/"), 3000))})},
		{"a name with a slash", send(&List{After: "a/b"})},
		{"an unknown wish", send(&List{Want: 0x80})},
		{"a digest of a part", send(&List{After: "a", Digest: new([DigestLen]byte)})},
		{"half a digest", cutDigest(send(&List{Digest: new([DigestLen]byte)}))},
		{"a READ of the root", send(&Read{Files: file("")})},
		{"a READ of nothing", send(&Read{})},
		{"a range outside the file", send(&Read{Files: file("a", Range{50, 51})})},
		{"ranges that overlap", send(&Read{Files: file("a", Range{0, 10}, Range{5, 10})})},
		{"an empty range", send(&Read{Files: file("a", Range{0, 0})})},
		{"a SIGN with a path that climbs", send(&Sign{File: ReadFile{Path: "..", Version: version(1)}})},
		{"another DELTA within a signature", send(
			&Delta{ID: 1, File: file("a")[0], More: true}, &Delta{ID: 2, File: file("a")[0]})},
		{"a BYE within a signature", append(send(&Delta{ID: 1, File: file("a")[0], More: true}), (&Header{Type: TypeBye}).append(nil)...)},
		{"another file's signature within one", send(
			&Delta{ID: 1, File: file("a")[0], More: true}, &Delta{ID: 1, File: file("b")[0]})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := NewAnswerer(replay(t, tt.data))
			req, err := a.Next()
			if _, ok := req.(*Delta); ok {
				req, err = a.Next()
			}
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("got %v, %v", req, err)
			}
		})
	}
}

// cutDigest makes the digest of a LIST half as long as it must be.
func cutDigest(list []byte) []byte {
	le := binary.LittleEndian
	n := len(list) - DigestLen/2
	le.PutUint32(list[12:], le.Uint32(list[12:])-DigestLen/2)
	le.PutUint16(list[n-DigestLen/2-2:], DigestLen/2)
	return list[:n]
}

func FuzzAnswerer(f *testing.F) {
	f.Add(asked(f)[:4000])
	f.Fuzz(func(t *testing.T, data []byte) {
		a := NewAnswerer(replay(t, data))
		for {
			if _, err := a.Next(); err != nil {
				return
			}
		}
	})
}

func FuzzAsker(f *testing.F) {
	f.Add(answered(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		a := NewAsker(replay(t, data), 16)
		for {
			if _, err := take(a); err != nil {
				return
			}
		}
	})
}
