package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inStep sends msg one way and expects it: the stream is where it should be.
func inStep(t *testing.T, a, b *Conn, msg string) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(a, msg)
		sent <- errors.Join(err, a.Flush())
	}()
	got := make([]byte, len(msg))
	if _, err := io.ReadFull(b, got); err != nil || string(got) != msg {
		t.Fatalf("the stream is out of step: %q, %v", got, err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

func wantFileError(t *testing.T, err, want error, path string) {
	t.Helper()
	fe, ok := errors.AsType[*FileError](err)
	if !ok || fe.Path != path || !errors.Is(err, want) {
		t.Fatalf("error is %v, want a FileError of %s with %v", err, path, want)
	}
}

func TestFailedDestinationLeavesTheStreamInStep(t *testing.T) {
	tmpfs := smallTmpfs(t, "256k")
	content := randomBytes(1, 2<<20)
	cases := []struct {
		name string
		open func(t *testing.T) *os.File
		err  error
	}{
		{"full device", func(t *testing.T) *os.File {
			return must[*os.File](t)(os.OpenFile("/dev/full", os.O_WRONLY, 0))
		}, unix.ENOSPC},
		{"full file system", func(t *testing.T) *os.File {
			return must[*os.File](t)(os.Create(filepath.Join(tmpfs, "f")))
		}, unix.ENOSPC},
		{"read-only descriptor", func(t *testing.T) *os.File {
			return must[*os.File](t)(os.Open(fileOf(t, nil).Name()))
		}, unix.EBADF},
		{"closed file", func(t *testing.T) *os.File {
			f := fileOf(t, nil)
			f.Close()
			return f
		}, nil},
	}
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		src := fileOf(t, content)
		for _, c := range cases {
			dst := c.open(t)
			sent := make(chan error, 1)
			go func() { sent <- errors.Join(a.SendFile(src, 0, int64(len(content))), a.Flush()) }()
			err := b.RecvFile(dst, 0, int64(len(content)))
			if c.err == nil {
				c.err = err
			}
			wantFileError(t, err, c.err, dst.Name())
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			inStep(t, a, b, "after "+c.name)
			dst.Close()
			os.Remove(filepath.Join(tmpfs, "f"))
		}
		if moved := b.Stats().Splice.Load() + b.Stats().User.Load(); moved != int64(len(cases)*len(content)) {
			t.Errorf("%d body bytes counted, want %d", moved, len(cases)*len(content))
		}
	})
}

func TestAppendingDestinationIsRefused(t *testing.T) {
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		name := fileOf(t, []byte("old")).Name()
		dst := must[*os.File](t)(os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0))
		defer dst.Close()
		go func() { a.SendFile(fileOf(t, []byte("new")), 0, 3); a.Flush() }()
		err := b.RecvFile(dst, 0, 3)
		wantFileError(t, err, err, name)
		if got, _ := os.ReadFile(name); string(got) != "old" {
			t.Errorf("file is %q", got)
		}
		inStep(t, a, b, "next")
	})
}

func TestShortSourceIsPaddedWithZeros(t *testing.T) {
	sizes := []int{0, 1, 4095, 4096, 4097, 1 << 20}
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		for _, has := range sizes {
			for _, missing := range []int{1, 4096, 70000} {
				content := randomBytes(5, has)
				src, dst := fileOf(t, content), fileOf(t, nil)
				sent := make(chan error, 1)
				go func() {
					err := a.SendFile(src, 0, int64(has+missing))
					a.Flush()
					sent <- err
				}()
				if err := b.RecvFile(dst, 0, int64(has+missing)); err != nil {
					t.Fatal(err)
				}
				wantFileError(t, <-sent, io.ErrUnexpectedEOF, src.Name())
				want := append(content, make([]byte, missing)...)
				if !bytes.Equal(contentOf(t, dst, 0, has+missing+1), want) {
					t.Fatalf("%d bytes and %d zeros did not arrive", has, missing)
				}
			}
		}
		inStep(t, a, b, "next")
	})
}

// TestSourceTruncatedWhileSent holds the receiver back until the sender is
// stuck in the middle of the body, then cuts the file.
func TestSourceTruncatedWhileSent(t *testing.T) {
	const size = 24 << 20
	content := randomBytes(6, size)
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		src, dst := fileOf(t, content), fileOf(t, nil)
		sent := make(chan error, 1)
		go func() {
			err := a.SendFile(src, 0, size)
			sent <- errors.Join(err, a.Flush())
		}()
		if err := b.RecvFile(dst, 0, 1000); err != nil {
			t.Fatal(err)
		}
		if err := src.Truncate(4096); err != nil {
			t.Fatal(err)
		}
		if err := b.RecvFile(dst, 1000, size-1000); err != nil {
			t.Fatal(err)
		}
		wantFileError(t, <-sent, io.ErrUnexpectedEOF, src.Name())
		inStep(t, a, b, "next")
	})
}

func TestFailedSourceIsPaddedWithZeros(t *testing.T) {
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		closed := fileOf(t, []byte("x"))
		closed.Close()
		writeOnly := must[*os.File](t)(os.OpenFile(fileOf(t, randomBytes(1, 5000)).Name(), os.O_WRONLY, 0))
		defer writeOnly.Close()
		dir := must[*os.File](t)(os.Open(t.TempDir()))
		defer dir.Close()
		dst := fileOf(t, nil)
		for _, src := range []*os.File{closed, writeOnly, dir} {
			sent := make(chan error, 1)
			go func() {
				err := a.SendFile(src, 0, 5000)
				a.Flush()
				sent <- err
			}()
			if err := b.RecvFile(dst, 0, 5000); err != nil {
				t.Fatal(err)
			}
			err := <-sent
			wantFileError(t, err, err, src.Name())
			if !bytes.Equal(contentOf(t, dst, 0, 5000), make([]byte, 5000)) {
				t.Fatal("no zeros")
			}
		}
		inStep(t, a, b, "next")
	})
}

func TestNegativeRangesMoveNothing(t *testing.T) {
	a, b := tcpPair(t, Options{}, Options{})
	f := fileOf(t, []byte("content"))
	wantFileError(t, a.SendFile(f, 0, -1), errNegative, f.Name())
	wantFileError(t, b.RecvFile(f, 0, -1), errNegative, f.Name())
	if err := a.SendFile(f, 0, 0); err != nil {
		t.Error(err)
	}
	inStep(t, a, b, "next")
	sent := make(chan error, 1)
	go func() { sent <- a.SendFile(f, -5, 4); a.Flush() }()
	if err := b.Discard(4); err != nil {
		t.Fatal(err)
	}
	err := <-sent
	wantFileError(t, err, err, f.Name())
}

func TestSilentPeerTimesOut(t *testing.T) {
	const timeout = 50 * time.Millisecond
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		o := Options{Transport: tr, Timeout: timeout}
		a, b := k.pair(t, o, o)
		start := time.Now()
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, ErrTimeout) {
			t.Errorf("read: %v", err)
		}
		if took := time.Since(start); took < timeout {
			t.Errorf("gave up after %v", took)
		}
		src := fileOf(t, nil)
		src.Truncate(64 << 20)
		if err := a.SendFile(src, 0, 64<<20); !errors.Is(err, ErrTimeout) {
			t.Errorf("send: %v", err)
		}
		if err := a.Flush(); !errors.Is(err, ErrTimeout) {
			t.Errorf("the error does not stay: %v", err)
		}
	})
}

// TestSetTimeout makes a timeout shorter that has begun, and takes one away.
func TestSetTimeout(t *testing.T) {
	o := Options{Timeout: time.Hour}
	a, b := tcpPair(t, o, o)
	inStep(t, a, b, "message")
	b.SetTimeout(50 * time.Millisecond)
	if _, err := b.Read(make([]byte, 1)); !errors.Is(err, ErrTimeout) {
		t.Errorf("read: %v", err)
	}
	a, b = tcpPair(t, Options{}, Options{Timeout: 100 * time.Millisecond})
	b.SetTimeout(0)
	time.AfterFunc(300*time.Millisecond, func() { a.Write([]byte("x")); a.Flush() })
	if n, err := b.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("read: %d, %v", n, err)
	}
}

func TestPauseBetweenCallsIsNoTimeout(t *testing.T) {
	o := Options{Timeout: 200 * time.Millisecond}
	a, b := tcpPair(t, o, o)
	for range 2 {
		inStep(t, a, b, "message")
		time.Sleep(300 * time.Millisecond)
	}
}

func TestEndOfStreamInABody(t *testing.T) {
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		go func() {
			a.Write(make([]byte, 100))
			a.Flush()
			a.Close()
		}()
		err := b.RecvFile(fileOf(t, nil), 0, 101)
		if _, ok := errors.AsType[*FileError](err); ok || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("error is %v", err)
		}
		if err2 := b.Discard(1); err2 != err {
			t.Errorf("later error is %v", err2)
		}
	})
}

func TestCloseWakesBothHalves(t *testing.T) {
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, _ := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		src := fileOf(t, nil)
		src.Truncate(64 << 20)
		errs := make(chan error, 2)
		go func() { errs <- a.SendFile(src, 0, 64<<20) }()
		go func() { errs <- a.RecvFile(fileOf(t, nil), 0, 10) }()
		time.Sleep(20 * time.Millisecond)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("error is %v", err)
			}
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write after close: %v", err)
		}
	})
}

func TestCloseWakesAWaitForTokens(t *testing.T) {
	a, _ := tcpPair(t, Options{Limit: NewLimiter(1)}, Options{})
	errs := make(chan error, 1)
	src := fileOf(t, randomBytes(1, 3<<20))
	go func() { errs <- a.SendFile(src, 0, 3<<20) }()
	time.Sleep(20 * time.Millisecond)
	a.Close()
	if err := <-errs; !errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestNothingLeaks(t *testing.T) {
	content := randomBytes(1, 1<<20)
	src, dst := fileOf(t, content), fileOf(t, nil)
	full := must[*os.File](t)(os.OpenFile("/dev/full", os.O_WRONLY, 0))
	defer full.Close()
	before := openFDs(t)
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		sent := make(chan error, 1)
		go func() {
			errs := []error{a.SendFile(src, 0, 1<<20), a.SendFile(src, 0, 1<<20), a.SendFile(src, 0, 1<<20)}
			sent <- errors.Join(append(errs, a.Flush())...)
		}()
		b.RecvFile(dst, 0, 1<<20)
		b.RecvFile(full, 0, 1<<20)
		// The rest stays in the receiver's pipe.
		b.RecvFile(dst, 0, 1)
		a.Close()
		b.Close()
		<-sent
	})
	if after := openFDs(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
