package wire

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// lockedFile is a file that others write too.
type lockedFile struct {
	*os.File
	sync.Mutex
}

// TestLockedFile has everything that writes to a file wait for its lock.
func TestLockedFile(t *testing.T) {
	const n = 300 << 10
	body := bytes.Repeat([]byte("syncd"), n/5)
	path := filepath.Join(t.TempDir(), "src")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for name, write := range map[string]func(t *testing.T, dst File) error{
		"spliced": func(t *testing.T, dst File) error { return sendTo(t, Splice, src, dst, n) },
		"copied":  func(t *testing.T, dst File) error { return sendTo(t, ReadWrite, src, dst, n) },
		"from a file": func(_ *testing.T, dst File) error {
			var c Copier
			defer c.Close()
			return c.CopyRange(dst, 0, src, 0, n, new(Stats))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Create(filepath.Join(t.TempDir(), "dst"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			dst := &lockedFile{File: f}
			dst.Lock()
			done := make(chan error, 1)
			go func() { done <- write(t, dst) }()
			select {
			case err := <-done:
				t.Fatalf("it did not wait for the lock: %v", err)
			case <-time.After(50 * time.Millisecond):
			}
			if st, err := f.Stat(); err != nil || st.Size() > 0 {
				t.Errorf("a locked file has %d bytes, %v", st.Size(), err)
			}
			dst.Unlock()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(io.NewSectionReader(f, 0, 2*n)); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d bytes came, %v", len(got), err)
			}
			if !dst.TryLock() {
				t.Error("the file is still locked")
			}
		})
	}
}

// sendTo sends n bytes of src over TCP into dst.
func sendTo(t *testing.T, transport Transport, src, dst File, n int64) error {
	a, b := tcpPair(t, Options{Transport: transport}, Options{Transport: transport})
	sent := make(chan error, 1)
	go func() {
		err := a.SendFile(src, 0, n)
		if err == nil {
			err = a.Flush()
		}
		sent <- err
	}()
	err := b.RecvFile(dst, 0, n)
	if e := <-sent; err == nil {
		err = e
	}
	return err
}
