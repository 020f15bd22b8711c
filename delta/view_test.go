package delta

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// mappedBytes is a file in memory that can be looked at, but not where refuse says.
type mappedBytes struct {
	*bytes.Reader
	data   []byte
	refuse func(off int64) bool
	open   *atomic.Int32 // views
	views  *atomic.Int32 // that there were
}

func newMapped(data []byte, refuse func(off int64) bool) mappedBytes {
	return mappedBytes{bytes.NewReader(data), data, refuse, new(atomic.Int32), new(atomic.Int32)}
}

func (m mappedBytes) Map(off int64, n int) ([]byte, func(), error) {
	if m.refuse(off) {
		return nil, nil, unix.ENODEV
	}
	m.open.Add(1)
	m.views.Add(1)
	return m.data[off:][:n:n], func() { m.open.Add(-1) }, nil
}

// TestViewsSayWhatReadsSay compares passes over a mapped file, which may be refused
// at any point, with those over a file that is read.
func TestViewsSayWhatReadsSay(t *testing.T) {
	basis := randomBytes(1, spanFile)
	file := editPercent(basis)
	ctx := context.Background()
	for _, block := range []int{700, 32 << 10, 1 << 20, 3 << 20} {
		p := Params{Block: block, Strong: XXH3128, StrongLen: 16}
		want := sign(t, file, p)
		sig := sign(t, basis, p)
		var ops []Op
		collect := func(to *[]Op) func(Op) error {
			return func(op Op) error { *to = append(*to, op); return nil }
		}
		if err := Search(ctx, sig, bytes.NewReader(file), int64(len(file)), Options{}, collect(&ops)); err != nil {
			t.Fatal(err)
		}
		for refused, refuse := range map[string]func(off int64) bool{
			"everywhere":          func(int64) bool { return true },
			"behind the start":    func(off int64) bool { return off > 0 },
			"behind a view":       func(off int64) bool { return off >= viewSize },
			"behind a span":       func(off int64) bool { return off >= leastSpan },
			"in the first span":   func(off int64) bool { return off < leastSpan },
			"in every other span": func(off int64) bool { return off/leastSpan%2 == 0 },
			"inside of each span": func(off int64) bool { return off%leastSpan > viewSize },
			"nowhere":             func(int64) bool { return false },
		} {
			for _, workers := range []int{1, 2} {
				m := newMapped(file, refuse)
				got, err := Sign(ctx, m, int64(len(file)), p, Options{Workers: workers})
				if err != nil || !slices.Equal(got.weak, want.weak) || !bytes.Equal(got.strong, want.strong) {
					t.Errorf("blocks of %d, refused %s: another signature: %v", block, refused, err)
				}
				var found []Op
				err = Search(ctx, sig, m, int64(len(file)), Options{Workers: workers}, collect(&found))
				if err != nil || !slices.Equal(found, ops) {
					t.Errorf("blocks of %d, refused %s: other ops: %v", block, refused, err)
				}
				looked := !refuse(0) || refused != "everywhere" && spanSize(block) == leastSpan
				if m.open.Load() != 0 || (m.views.Load() > 0) != looked {
					t.Errorf("refused %s: %d views, %d left", refused, m.views.Load(), m.open.Load())
				}
			}
		}
	}
}

// mappedFile is a file on disk; cut is called when a view of it was made.
type mappedFile struct {
	*os.File
	cut func()
}

func (m mappedFile) Map(off int64, n int) ([]byte, func(), error) {
	data, err := unix.Mmap(int(m.Fd()), off, n, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	m.cut()
	return data, func() { _ = unix.Munmap(data) }, nil
}

// TestAViewThatFaultsIsTruncated cuts a file under each pass.
func TestAViewThatFaultsIsTruncated(t *testing.T) {
	const block = 64 << 10 // views begin at whole pages
	data := randomBytes(1, spanFile)
	p := Params{Block: block, Strong: XXH3128, StrongLen: 16}
	sig := sign(t, data, p)
	name := filepath.Join(t.TempDir(), "f")
	for pass, run := range map[string]func(f mappedFile, o Options) error{
		"sign": func(f mappedFile, o Options) error {
			_, err := Sign(context.Background(), f, spanFile, p, o)
			return err
		},
		"search": func(f mappedFile, o Options) error {
			return Search(context.Background(), sig, f, spanFile, o, func(Op) error { return nil })
		},
	} {
		for _, workers := range []int{1, 2} {
			for _, size := range []int64{0, 1, 4096, leastSpan + 5} {
				if err := os.WriteFile(name, data, 0o600); err != nil {
					t.Fatal(err)
				}
				f, err := os.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				err = run(mappedFile{f, func() {
					if err := os.Truncate(name, size); err != nil {
						t.Error(err)
					}
				}}, Options{Workers: workers})
				if !errors.Is(err, ErrTruncated) {
					t.Errorf("%s with %d workers, cut at %d: %v", pass, workers, size, err)
				}
				f.Close()
			}
		}
	}
}

// TestOtherPanicsAreNotFaults sees that a bug is not taken for a file's error.
func TestOtherPanicsAreNotFaults(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a panic was swallowed")
		}
	}()
	_ = catchFault(func() error { panic("a bug") })
}
