package wire

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// sendPieces sends a file cut at lengths, a head of four bytes before each piece.
func sendPieces(a *Conn, src File, lengths []int64) <-chan error {
	sent := make(chan error, 1)
	go func() {
		off := int64(0)
		for _, n := range lengths {
			if _, err := a.Write([]byte("head")); err != nil {
				sent <- err
				return
			}
			if err := a.SendFile(src, off, n); err != nil {
				sent <- err
				return
			}
			off += n
		}
		sent <- a.Flush()
	}()
	return sent
}

// gatherPieces is the other end, which always expects so many more bytes. It
// returns the errors of the file.
func gatherPieces(t testing.TB, b *Conn, dst File, lengths []int64, more int64) (failed error) {
	t.Helper()
	off := int64(0)
	for _, n := range lengths {
		var head [4]byte
		if _, err := io.ReadFull(b, head[:]); err != nil || string(head[:]) != "head" {
			t.Fatalf("head is %q, %v", head, err)
		}
		if err := b.GatherFile(dst, off, n, more); err != nil {
			if _, ok := errors.AsType[*FileError](err); !ok {
				t.Fatal(err)
			}
			failed = errors.Join(failed, err)
		}
		off += n
	}
	return errors.Join(failed, b.WriteOut())
}

func TestGather(t *testing.T) {
	content := randomBytes(3, 3<<20)
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		src := fileOf(t, content)
		rapid.Check(t, func(rt *rapid.T) {
			longest := rapid.SampledFrom([]int64{1, 100, 32 << 10, 1 << 20}).Draw(rt, "longest")
			more := rapid.SampledFrom([]int64{1, 1 << 20}).Draw(rt, "more")
			lengths := rapid.SliceOfN(rapid.Int64Range(1, longest), 1, 300).Draw(rt, "lengths")
			size := int64(0)
			for i, n := range lengths {
				if size += n; size > int64(len(content)) {
					lengths, size = lengths[:i], size-n
					break
				}
			}
			dst := fileOf(t, nil)
			defer dst.Close()
			sent := sendPieces(a, src, lengths)
			if err := errors.Join(gatherPieces(t, b, dst, lengths, more), <-sent); err != nil {
				rt.Fatal(err)
			}
			if !bytes.Equal(contentOf(t, dst, 0, int(size)+1), content[:size]) {
				rt.Fatalf("%d bytes in %d pieces arrived changed", size, len(lengths))
			}
		})
		inStep(t, a, b, "next")
	})
}

// TestGatherElsewhere has pieces that are no neighbours, another file, and a body
// that is not gathered between them.
func TestGatherElsewhere(t *testing.T) {
	content := randomBytes(4, 50_000)
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		sent := sendPieces(a, fileOf(t, content), []int64{10_000, 10_000, 10_000, 10_000, 10_000})
		one, other := fileOf(t, nil), fileOf(t, nil)
		var head [4]byte
		gather := func(dst File, off, n int64) error { return b.GatherFile(dst, off, n, 1) }
		for _, step := range []struct {
			take func(File, int64, int64) error
			dst  *os.File
			off  int64
		}{
			{gather, one, 0},
			{gather, one, 20_000}, // behind a gap
			{gather, other, 30_000},
			{b.RecvFile, other, 40_000},
			{gather, other, 0},
		} {
			if _, err := io.ReadFull(b, head[:]); err != nil {
				t.Fatal(err)
			}
			if err := step.take(step.dst, step.off, 10_000); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(b.WriteOut(), b.WriteOut(), <-sent); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			f   *os.File
			off int64
			at  int
		}{{one, 0, 0}, {one, 20_000, 10_000}, {other, 30_000, 20_000}, {other, 40_000, 30_000}, {other, 0, 40_000}} {
			if !bytes.Equal(contentOf(t, c.f, c.off, 10_000), content[c.at:c.at+10_000]) {
				t.Errorf("what is at %d of the source is not at %d", c.at, c.off)
			}
		}
		inStep(t, a, b, "next")
	})
}

func TestGatherIntoAFileThatFails(t *testing.T) {
	tmpfs := smallTmpfs(t, "256k")
	content := randomBytes(1, 2<<20)
	cases := []struct {
		name string
		open func(t *testing.T) *os.File
		err  error
	}{
		{"full file system", func(t *testing.T) *os.File {
			return must[*os.File](t)(os.Create(filepath.Join(tmpfs, "f")))
		}, unix.ENOSPC},
		{"read-only descriptor", func(t *testing.T) *os.File {
			return must[*os.File](t)(os.Open(fileOf(t, nil).Name()))
		}, unix.EBADF},
		{"opened to append", func(t *testing.T) *os.File {
			return must[*os.File](t)(os.OpenFile(fileOf(t, nil).Name(), os.O_WRONLY|os.O_APPEND, 0))
		}, nil},
	}
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		src := fileOf(t, content)
		for _, c := range cases {
			for _, piece := range []int64{10, 30_000, 1 << 20} {
				t.Run(c.name+" "+strconv.FormatInt(piece, 10), func(t *testing.T) {
					dst := c.open(t)
					defer os.Remove(filepath.Join(tmpfs, "f"))
					defer dst.Close()
					var lengths []int64
					for range min(int64(len(content))/piece, 1000) {
						lengths = append(lengths, piece)
					}
					sent := sendPieces(a, src, lengths)
					err := gatherPieces(t, b, dst, lengths, 1)
					if piece == 10 && c.err == unix.ENOSPC { // they fit
						c.err = nil
					} else if err == nil || c.err != nil && !errors.Is(err, c.err) {
						t.Errorf("error is %v, want %v", err, c.err)
					}
					if err := <-sent; err != nil {
						t.Fatal(err)
					}
					inStep(t, a, b, "next")
				})
			}
		}
	})
}

// TestGatherThenBroken breaks the stream behind pieces that are held back: they are
// in the file, as far as one looks for what a broken run has left.
func TestGatherThenBroken(t *testing.T) {
	content := randomBytes(2, 50_000)
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		dst := fileOf(t, nil)
		src := fileOf(t, content)
		sent := make(chan error, 1)
		go func() { sent <- errors.Join(a.SendFile(src, 0, 50_000), a.Flush(), a.Close()) }()
		if err := b.GatherFile(dst, 0, 30_000, 30_000); err != nil {
			t.Fatal(err)
		}
		if err := b.GatherFile(dst, 30_000, 30_000, 1); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("error is %v", err)
		}
		if !bytes.Equal(contentOf(t, dst, 0, 50_001), content) {
			t.Error("what was held back is lost")
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
}

// TestGatherOfAFileThatBecameShorter has a peer that ends each file long before what
// was expected of it, and waits for an answer.
func TestGatherOfAFileThatBecameShorter(t *testing.T) {
	for _, o := range []Options{{}, {Timeout: 10 * time.Second}} {
		x, y := dialPair(t, "tcp", "127.0.0.1:0")
		a, b := connPair(t, x, y, Options{}, o)
		src, dst := fileOf(t, randomBytes(1, 300_000)), fileOf(t, nil)
		files := 2 * maxGuesses
		peer := make(chan error, 1)
		go func() {
			var answer [1]byte
			for range files {
				time.Sleep(2 * time.Millisecond) // b waits
				_, err := io.WriteString(a, "head")
				if err = errors.Join(err, a.SendFile(src, 0, 100_000), a.Flush()); err != nil {
					peer <- err
					return
				}
				if _, err = io.ReadFull(a, answer[:]); err != nil {
					peer <- err
					return
				}
			}
			peer <- nil
		}()
		start := time.Now()
		for range files {
			var head [4]byte
			if _, err := io.ReadFull(b, head[:]); err != nil {
				t.Fatal(err)
			}
			for off := int64(0); off < 100_000; off += 50_000 {
				if err := b.GatherFile(dst, off, 50_000, 1<<30); err != nil {
					t.Fatal(err)
				}
			}
			_, err := b.Write([]byte("."))
			if err := errors.Join(err, b.Flush()); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(b.WriteOut(), <-peer); err != nil {
			t.Fatal(err)
		}
		if vain := b.in.(*spliceReceiver).in.lowat.vain; vain == 0 || vain > maxGuesses {
			t.Errorf("%d guesses were in vain", vain)
		}
		if took := time.Since(start); took > 2*maxGuesses*guessPatience+time.Second {
			t.Errorf("took %v", took)
		}
		if !bytes.Equal(contentOf(t, dst, 0, 100_001), contentOf(t, src, 0, 100_000)) {
			t.Error("arrived changed")
		}
	}
}

func TestSilentPeerWithinAGatheredFileTimesOut(t *testing.T) {
	o := Options{Timeout: 400 * time.Millisecond}
	a, b := tcpPair(t, Options{}, o)
	dst := fileOf(t, nil)
	if err := errors.Join(a.SendFile(fileOf(t, make([]byte, 10)), 0, 10), a.Flush(), b.GatherFile(dst, 0, 10, 1<<30)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var head [4]byte
	if _, err := io.ReadFull(b, head[:]); !errors.Is(err, ErrTimeout) {
		t.Errorf("error is %v", err)
	}
	if took := time.Since(start); took < o.Timeout/2 || took > 2*o.Timeout {
		t.Errorf("took %v", took)
	}
}

// TestGatherWithoutRoomForAPipe has the user's budget for pipes spent.
func TestGatherWithoutRoomForAPipe(t *testing.T) {
	content := randomBytes(8, 500_000)
	a, b := tcpPair(t, Options{}, Options{})
	r := b.in.(*spliceReceiver)
	if err := r.held.pipe.open(); err != nil {
		t.Fatal(err)
	}
	must[int](t)(unix.FcntlInt(uintptr(r.held.pipe.w), unix.F_SETPIPE_SZ, pageSize))
	r.held.pipe.slots = 1
	dst := fileOf(t, nil)
	lengths := []int64{100_000, 1, 99_999, 300_000}
	sent := sendPieces(a, fileOf(t, content), lengths)
	if err := errors.Join(gatherPieces(t, b, dst, lengths, 1), <-sent); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(contentOf(t, dst, 0, len(content)+1), content) {
		t.Error("arrived changed")
	}
	inStep(t, a, b, "next")
	if n := b.Stats().Fallbacks()["gather: no pipe"]; n != int64(len(lengths)) {
		t.Errorf("%d pieces were not gathered", n)
	}
}
