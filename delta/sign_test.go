package delta

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// spanFile spans several segments, and ends off every boundary.
const spanFile = 2*leastSpan + leastSpan/2 + 12345

func TestSignEqualsNaiveTwin(t *testing.T) {
	data := randomBytes(1, spanFile)
	for _, p := range []Params{
		{Block: 700, Strong: XXH3128, StrongLen: 8},
		{Block: 64 << 10, Strong: MD5, StrongLen: 16, Seed: 7},
		{Block: 3<<20 + 1, Strong: XXH364, StrongLen: 8}, // larger than a window
	} {
		for _, workers := range []int{1, 2, 3, 8} {
			sig, err := Sign(context.Background(), bytes.NewReader(data), spanFile, p, Options{Workers: workers})
			if err != nil {
				t.Fatal(err)
			}
			strong := newStrong(p)
			for i := range sig.Blocks() {
				block := data[i*p.Block : min((i+1)*p.Block, len(data))]
				if sig.Weak(i) != weakSum(block) || !bytes.Equal(sig.Strong(i), strong.sum(block)) {
					t.Fatalf("%+v with %d workers: wrong sums of block %d", p, workers, i)
				}
			}
		}
	}
}

// TestWholeOfTheSamePass compares every pass's digest of the file with a plain hash.
func TestWholeOfTheSamePass(t *testing.T) {
	ctx := context.Background()
	other := sign(t, randomBytes(2, 1<<20), NativeParams(1<<20, XXH3128))
	ignore := func(Op) error { return nil }
	passes := map[string]func(io.ReaderAt, int64, Options) error{
		"sign": func(r io.ReaderAt, size int64, o Options) error {
			_, err := Sign(ctx, r, size, Params{Block: 100_000, Strong: XXH3128, StrongLen: 8}, o)
			return err
		},
		"search": func(r io.ReaderAt, size int64, o Options) error {
			return Search(ctx, other, r, size, o, ignore)
		},
		"search for all": func(r io.ReaderAt, size int64, o Options) error {
			sig, err := Sign(ctx, r, size, NativeParams(size, XXH3128), Options{})
			if err != nil {
				return err
			}
			return SearchBasis(ctx, sig, r, size, o, ignore)
		},
		"search for nothing": func(r io.ReaderAt, size int64, o Options) error {
			return SearchBasis(ctx, sign(t, nil, NativeParams(0, XXH3128)), r, size, o, ignore)
		},
	}
	data := randomBytes(1, spanFile)
	for name, pass := range passes {
		for _, size := range []int{0, 1, leastSpan - 1, leastSpan, leastSpan + 1, spanFile} {
			for _, workers := range []int{1, 3} {
				whole := md5.New()
				err := pass(bytes.NewReader(data[:size]), int64(size), Options{Workers: workers, Whole: whole})
				if err != nil {
					t.Fatalf("%s of %d bytes: %v", name, size, err)
				}
				if got, want := whole.Sum(nil), md5.Sum(data[:size]); !bytes.Equal(got, want[:]) {
					t.Errorf("%s of %d bytes with %d workers: whole-file digest %x, want %x", name, size, workers, got, want)
				}
			}
		}
	}
}

var errDisk = errors.New("disk on fire")

// failingReader fails once a read touches the offset bad.
type failingReader struct {
	io.ReaderAt
	bad int64
}

func (r failingReader) ReadAt(p []byte, off int64) (int, error) {
	if off <= r.bad && r.bad < off+int64(len(p)) {
		n, _ := r.ReaderAt.ReadAt(p[:r.bad-off], off)
		return n, errDisk
	}
	return r.ReaderAt.ReadAt(p, off)
}

// TestPassesReportBadFiles lets each pass meet a file that fails, one that is
// shorter than it was, a cancelled context and a failing emit.
func TestPassesReportBadFiles(t *testing.T) {
	data := randomBytes(1, spanFile)
	sig := sign(t, data, NativeParams(spanFile, XXH3128))
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	good := bytes.NewReader(data)
	ignore := func(Op) error { return nil }
	passes := map[string]func(context.Context, io.ReaderAt, Options) error{
		"sign": func(ctx context.Context, r io.ReaderAt, o Options) error {
			_, err := Sign(ctx, r, spanFile, NativeParams(spanFile, XXH3128), o)
			return err
		},
		"search": func(ctx context.Context, r io.ReaderAt, o Options) error {
			return Search(ctx, sig, r, spanFile, o, ignore)
		},
		"search ahead": func(ctx context.Context, r io.ReaderAt, o Options) error {
			s := NewFileSearch(sig, r, spanFile, o, ignore)
			if err := s.Ahead(ctx, sig.Blocks()/2); err != nil {
				return err
			}
			return s.Finish(ctx)
		},
		"search basis": func(ctx context.Context, r io.ReaderAt, o Options) error {
			return SearchBasis(ctx, sig, r, spanFile, o, ignore)
		},
		"search basis ahead": func(ctx context.Context, r io.ReaderAt, o Options) error {
			s := NewBasisSearch(sig, r, spanFile, o)
			if err := s.Ahead(ctx, sig.Blocks()/2); err != nil {
				return err
			}
			return s.Finish(ctx, ignore)
		},
	}
	for name, pass := range passes {
		for _, workers := range []int{1, 2, 8} {
			for _, whole := range []bool{false, true} {
				o := Options{Workers: workers}
				if whole {
					o.Whole = md5.New()
				}
				where := fmt.Sprintf("%s with %d workers, whole=%v", name, workers, whole)
				for _, off := range []int64{0, 1, leastSpan, spanFile - 1} {
					if err := pass(context.Background(), failingReader{good, off}, o); !errors.Is(err, errDisk) {
						t.Errorf("%s, bad at %d: %v", where, off, err)
					}
					if err := pass(context.Background(), bytes.NewReader(data[:off]), o); !errors.Is(err, ErrTruncated) {
						t.Errorf("%s, cut at %d: %v", where, off, err)
					}
				}
				if err := pass(cancelled, good, o); !errors.Is(err, context.Canceled) {
					t.Errorf("%s, cancelled: %v", where, err)
				}
			}
		}
	}
}

func TestSignRefusesParams(t *testing.T) {
	if _, err := Sign(context.Background(), bytes.NewReader(nil), 0, Params{}, Options{}); !errors.Is(err, ErrParams) {
		t.Error(err)
	}
}
