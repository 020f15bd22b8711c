package delta

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"
)

// TestAlgorithmsMatchStock compares with what stock rsync 3.5.0 prints for
// --checksum-choice=NAME --out-format=%C, which has the XXH family in the canonical
// order: the reverse of the wire's.
func TestAlgorithmsMatchStock(t *testing.T) {
	for _, c := range []struct {
		name     string
		want     string
		reversed bool
	}{
		{"xxh128", "6bba86c7e069f56d5a10b435f1c8e49c", true},
		{"xxh3", "99fc819aaba2462a", true},
		{"xxh64", "e4c191d091bd8853", true},
		{"md5", "b1946ac92492d2347c6235b4d2611184", false},
		{"sha1", "f572d396fae9206628714fb2ce00f72e94f2258f", false},
	} {
		a, err := ParseAlgorithm(c.name)
		if err != nil {
			t.Fatal(err)
		}
		got := a.Sum(nil, []byte("hello\n"))
		if c.reversed {
			slices.Reverse(got)
		}
		if hex.EncodeToString(got) != c.want {
			t.Errorf("%s: %x, want %s", c.name, got, c.want)
		}
	}
}

// TestAlgorithmsOfNothing has the specifications' own vectors.
func TestAlgorithmsOfNothing(t *testing.T) {
	for a, want := range map[Algorithm]string{
		XXH3128: "7f498d4624c30160d8984701d306aa99",
		XXH364:  "c294d3380580062d",
		XXH64:   "99e9d85137db46ef",
		BLAKE3:  "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
		MD5:     "d41d8cd98f00b204e9800998ecf8427e",
		MD4:     "31d6cfe0d16ae931b73c59d7e0c089c0",
		SHA1:    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
	} {
		if got := hex.EncodeToString(a.Sum(nil, nil)); got != want {
			t.Errorf("%v: %s, want %s", a, got, want)
		}
	}
}

func TestStreamedHashEqualsOneShot(t *testing.T) {
	data := randomBytes(1, 5000)
	for a := range algorithms {
		h := a.New()
		if h.Size() != a.Size() {
			t.Errorf("%v: hash of %d bytes, want %d", a, h.Size(), a.Size())
		}
		for _, n := range []int{0, 1, 63, 64, 65, 240, 241, 1024, 5000} {
			h.Reset()
			h.Write(data[:n/3])
			h.Write(data[n/3 : n])
			got, want := h.Sum([]byte{7}), a.Sum([]byte{7}, data[:n])
			if !bytes.Equal(got, want) || len(got) != 1+a.Size() {
				t.Errorf("%v of %d bytes: streamed %x, at once %x", a, n, got, want)
			}
		}
	}
}

func TestAlgorithmNames(t *testing.T) {
	for a := range algorithms {
		if got, err := ParseAlgorithm(a.String()); got != a || err != nil {
			t.Errorf("%v: parsed as %v, %v", a, got, err)
		}
	}
	for name, want := range map[string]Algorithm{"xxh3-128": XXH3128, "xxhash": XXH64} {
		if got, err := ParseAlgorithm(name); got != want || err != nil {
			t.Errorf("%s: parsed as %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "none", "MD5", "sha256"} {
		if a, err := ParseAlgorithm(name); err == nil {
			t.Errorf("%q: parsed as %v", name, a)
		}
	}
	if a := algorithms; a.Size() != 0 || a.String() != "algorithm(7)" {
		t.Errorf("unknown algorithm: %v of %d bytes", a, a.Size())
	}
}

func TestOneShotDoesNotAllocate(t *testing.T) {
	data, dst := randomBytes(1, 4096), make([]byte, 0, 64)
	for _, a := range []Algorithm{XXH3128, XXH364, XXH64, MD5, SHA1} {
		if n := testing.AllocsPerRun(10, func() { a.Sum(dst, data) }); n > 0 {
			t.Errorf("%v: %v allocations", a, n)
		}
	}
}
