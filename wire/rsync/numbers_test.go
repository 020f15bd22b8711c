package rsync_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed9553035b/syncd/wire/rsync"
)

func TestVarInt(t *testing.T) {
	for _, c := range []struct {
		v    int32
		want string
	}{
		{0, "00"}, {1, "01"}, {127, "7f"}, {128, "8080"}, {255, "80ff"}, {16383, "bfff"}, {16384, "c00040"},
		{1<<21 - 1, "dfffff"}, {1 << 21, "e0000020"}, {1<<28 - 1, "efffffff"}, {1 << 28, "f000000010"},
		{math.MaxInt32, "f0ffffff7f"}, {-1, "f0ffffffff"}, {math.MinInt32, "f000000080"},
	} {
		got := encoded(32, func(w *rsync.Writer) { w.VarInt(c.v) })
		if hex.EncodeToString(got) != c.want {
			t.Errorf("%d is %x, want %s", c.v, got, c.want)
		}
		if v, err := reader(got, 32).VarInt(); v != c.v || err != nil {
			t.Errorf("%x is %d, %v; want %d", got, v, err, c.v)
		}
	}
	for _, bad := range []string{"f8", "fc", "ff", "f80000000000", "fc000000000000"} {
		b, _ := hex.DecodeString(bad)
		if _, err := reader(b, 32).VarInt(); !errors.Is(err, rsync.ErrStream) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestVarLong(t *testing.T) {
	for _, c := range []struct {
		v    int64
		min  int
		want string
	}{
		{0, 3, "000000"}, {1<<16 - 1, 3, "00ffff"}, {1<<23 - 1, 3, "7fffff"}, {1 << 23, 3, "80000080"},
		{1<<32 - 1, 4, "80ffffffff"}, {1_600_000_000, 4, "5f00105e"}, {-1, 4, "f8ffffffffffffffff"},
		{math.MaxInt64, 3, "fcffffffffffffff7f"}, {math.MinInt64, 3, "fc0000000000000080"},
	} {
		got := encoded(32, func(w *rsync.Writer) { w.VarLong(c.v, c.min) })
		if hex.EncodeToString(got) != c.want {
			t.Errorf("%d(%d) is %x, want %s", c.v, c.min, got, c.want)
		}
		if v, err := reader(got, 32).VarLong(c.min); v != c.v || err != nil {
			t.Errorf("%x is %d, %v; want %d", got, v, err, c.v)
		}
	}
	if _, err := reader([]byte{0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 32).VarLong(4); !errors.Is(err, rsync.ErrStream) {
		t.Errorf("10 bytes of a number: %v", err)
	}
}

func TestNumbersSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int64().Draw(t, "v")
		min := rapid.IntRange(3, 4).Draw(t, "min")
		w, m := writer(29)
		for _, put := range []func() error{
			func() error { return w.VarLong(v, min) },
			func() error { return w.VarInt(int32(v)) },
			func() error { return w.LongInt(v) },
			func() error { return w.VarLong30(v, min) },
			w.Flush,
		} {
			if err := put(); err != nil {
				t.Fatal(err)
			}
		}
		r := reader(m.Bytes(), 29)
		a, err1 := r.VarLong(min)
		b, err2 := r.VarInt()
		c, err3 := r.LongInt()
		d, err4 := r.VarLong30(min)
		if a != v || b != int32(v) || c != v || d != v {
			t.Errorf("%d, %d, %d, %d: %v", a, b, c, d, errors.Join(err1, err2, err3, err4))
		}
	})
}

func TestVString(t *testing.T) {
	for _, n := range []int{0, 1, 127, 128, 255, 256, 0x7FFF} {
		s := string(bytes.Repeat([]byte{'x'}, n))
		b := encoded(32, func(w *rsync.Writer) { w.VString(s) })
		if got, err := reader(b, 32).VString(0x7FFF); got != s || err != nil {
			t.Errorf("%d bytes: %d, %v", n, len(got), err)
		}
		if _, err := reader(b, 32).VString(n - 1); n > 0 && !errors.Is(err, rsync.ErrStream) {
			t.Errorf("%d bytes where %d are allowed: %v", n, n-1, err)
		}
	}
	w, _ := writer(32)
	if err := w.VString(string(make([]byte, 0x8000))); err == nil {
		t.Error("a string of 32768 bytes was written")
	}
}

func TestNDX(t *testing.T) {
	b := encoded(32, func(w *rsync.Writer) {
		for _, v := range []int{0, 253, 507, 507, 33274, 66042, 5, -1, -101, -2, math.MaxInt32} {
			w.NDX(v)
		}
	})
	// 0 is 1 after -1; 254 and 0 take two bytes, big-endian; 32768 and
	// a step back take the number itself.
	want := "01" + "fd" + "fe00fe" + "fe0000" + "fe7fff" + "fe80fa0101" + "fe80050000" + "00" + "ff64" + "fffe80020000" + "feffffffff"
	if hex.EncodeToString(b) != want {
		t.Errorf("got  %x\nwant %s", b, want)
	}
	r := reader(b, 32)
	for _, v := range []int{0, 253, 507, 507, 33274, 66042, 5, -1, -101, -2, math.MaxInt32} {
		if got, err := r.NDX(); got != v || err != nil {
			t.Errorf("%d, %v; want %d", got, err, v)
		}
	}
	for _, bad := range []string{"feffffffff01", "ffff"} {
		b, _ := hex.DecodeString(bad)
		r := reader(b, 32)
		_, err := r.NDX()
		if err == nil {
			_, err = r.NDX()
		}
		if !errors.Is(err, rsync.ErrStream) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestNDXSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		protocol := rapid.SampledFrom([]int{29, 30, 32}).Draw(t, "protocol")
		list := rapid.SliceOf(rapid.Int32Min(-1_000_000)).Draw(t, "list")
		b := encoded(protocol, func(w *rsync.Writer) {
			for _, v := range list {
				w.NDX(int(v))
			}
		})
		r := reader(b, protocol)
		for _, v := range list {
			if got, err := r.NDX(); got != int(v) || err != nil {
				t.Fatalf("%d, %v; want %d", got, err, v)
			}
		}
	})
}

func TestListNDX(t *testing.T) {
	for _, c := range []struct {
		ndx, dir int
		ok       bool
	}{{-101, 0, true}, {-102, 1, true}, {-100, 0, false}, {-1, 0, false}, {0, 0, false}} {
		dir, ok := rsync.ListDir(c.ndx)
		if ok != c.ok || ok && (dir != c.dir || rsync.ListNDX(dir) != c.ndx) {
			t.Errorf("%d: %d, %v", c.ndx, dir, ok)
		}
	}
}
