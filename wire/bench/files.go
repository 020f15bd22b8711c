package bench

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// fileBuffer is large enough that making files costs little beside what is in
// them.
const fileBuffer = 1 << 20

// openSource opens the file that is sent, with its content in the page cache,
// or makes it.
func openSource(o *Options) (*os.File, error) {
	if o.File == "" {
		f, err := nameless(o.Dir)
		if err != nil {
			return nil, err
		}
		if err := fill(f, rand.NewChaCha8([32]byte{1}), o.Size); err != nil {
			f.Close()
			return nil, err
		}
		return f, nil
	}
	f, err := os.Open(o.File)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && (!st.Mode().IsRegular() || st.Size() == 0) {
		err = fmt.Errorf("%s: a regular file that is not empty is needed", o.File)
	}
	if err == nil {
		err = fill(struct{ io.Writer }{io.Discard}, f, st.Size())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// nameless makes a file in dir that is gone when it is closed.
func nameless(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "syncd-bench-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// fill writes the first n bytes of r.
func fill(w io.Writer, r io.Reader, n int64) error {
	// The wrapper hides ReadFrom, which would take its own way.
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, io.LimitReader(r, n), make([]byte, fileBuffer))
	return err
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// touch writes n bytes to dir and gives them back.
func touch(dir string, n int64) error {
	f, err := nameless(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return fill(f, zeros{}, n)
}

// sameContent fails unless both files begin with the same n bytes and b ends
// there.
func sameContent(a, b *os.File, n int64) error {
	st, err := b.Stat()
	if err != nil {
		return err
	}
	if st.Size() != n {
		return fmt.Errorf("%d bytes arrived, not %d", st.Size(), n)
	}
	x, y := make([]byte, fileBuffer), make([]byte, fileBuffer)
	for off := int64(0); off < n; off += fileBuffer {
		k := min(n-off, fileBuffer)
		if _, err := a.ReadAt(x[:k], off); err != nil {
			return err
		}
		if _, err := b.ReadAt(y[:k], off); err != nil {
			return err
		}
		if !bytes.Equal(x[:k], y[:k]) {
			return fmt.Errorf("what arrived differs within the %d bytes at %d", k, off)
		}
	}
	return nil
}
