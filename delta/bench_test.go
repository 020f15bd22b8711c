package delta

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
)

// benchSize is a file of several spans, larger than the caches.
const benchSize = 256 << 20

// scenario is a pair of files. Both are made on first use and kept.
type scenario struct {
	name string
	make func() (file, basis []byte)
}

var scenarios = []scenario{
	{"nothing matches", func() (file, basis []byte) {
		return randomBytes(1, benchSize), randomBytes(2, benchSize)
	}},
	{"all matches", func() (file, basis []byte) {
		file = randomBytes(1, benchSize)
		return file, file
	}},
	{"edits of 1 percent", func() (file, basis []byte) {
		basis = randomBytes(1, benchSize)
		return editPercent(basis), basis
	}},
	{"zeros shifted", func() (file, basis []byte) {
		basis = make([]byte, benchSize)
		return shifted(basis), basis
	}},
	{"one block repeated, shifted", func() (file, basis []byte) {
		basis = bytes.Repeat(randomBytes(1, BlockSize(benchSize)), benchSize/BlockSize(benchSize))
		return shifted(basis), basis
	}},
	{"two blocks alternating, shifted", func() (file, basis []byte) {
		basis = bytes.Repeat(randomBytes(1, 2*BlockSize(benchSize)), benchSize/BlockSize(benchSize)/2)
		return shifted(basis), basis
	}},
}

// shifted returns a copy of data with a byte before it and one less at the end.
func shifted(data []byte) []byte {
	return append([]byte{'x'}, data[:len(data)-1]...)
}

// editPercent returns data with 1 % of its bytes edited, in pieces of 16 KiB: in
// turn overwritten, inserted and removed.
func editPercent(data []byte) []byte {
	const piece = 16 << 10
	var out []byte
	for i := 0; len(data) > 0; i++ {
		n := min(100*piece, len(data))
		part := data[:n]
		data = data[n:]
		out = append(out, part[:n/2]...)
		cut := min(n/2+piece, n)
		switch i % 3 {
		case 0:
			out = append(out, randomBytes(uint64(i)+100, cut-n/2)...)
		case 1:
			out = append(out, randomBytes(uint64(i)+100, piece)...)
			cut = n / 2
		}
		out = append(out, part[cut:]...)
	}
	return slices.Clip(out)
}

func BenchmarkWeakSum(b *testing.B) {
	for _, n := range []int{700, 2 << 10, 32 << 10} {
		data := randomBytes(1, n)
		b.Run(fmt.Sprintf("vector/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				weakHalves(data)
			}
		})
		b.Run(fmt.Sprintf("scalar/%d", n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				weakHalvesGo(data)
			}
		})
	}
}

// BenchmarkSweep rolls over random bytes with filters of several densities.
func BenchmarkSweep(b *testing.B) {
	const n = 2 << 10
	data := randomBytes(1, 1<<18)
	for _, blocks := range []int{0, 1 << 10, 1 << 14, 1 << 15, 1 << 17, 1 << 18} {
		f := new(filter)
		f.size(blocks)
		for i := range blocks {
			f.add(weakSum(data[i%(1<<17):][:n]) ^ uint32(i)*weakMultiplier)
		}
		bench := func(name string, run func(s *sweep, out, in []byte, x, y uint32) (uint32, uint32)) {
			b.Run(fmt.Sprintf("%s/blocks=%d", name, blocks), func(b *testing.B) {
				b.SetBytes(batch)
				var s sweep
				x, y := weakHalves(data[:n])
				for off := 0; b.Loop(); off = (off + batch) % (1 << 17) {
					x, y = run(&s, data[off:off+batch], data[off+n:off+n+batch], x, y)
				}
			})
		}
		bench("vector", func(s *sweep, out, in []byte, x, y uint32) (uint32, uint32) {
			x, y = s.run(f, out, in, n, x, y)
			s.passed(f)
			return x, y
		})
		bench("scalar", func(s *sweep, out, in []byte, x, y uint32) (uint32, uint32) {
			s.n = 0
			x, y = s.scalar(f, 0, out, in, n, x, y)
			s.passed(f)
			return x, y
		})
	}
}

func BenchmarkSign(b *testing.B) {
	data := randomBytes(1, benchSize)
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			b.SetBytes(benchSize)
			for b.Loop() {
				_, err := Sign(context.Background(), bytes.NewReader(data), benchSize, NativeParams(benchSize, XXH3128), Options{Workers: workers})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkIndex(b *testing.B) {
	sig := sign(b, randomBytes(1, benchSize), Params{Block: 8 << 10, Strong: XXH3128, StrongLen: 8})
	b.Run(fmt.Sprintf("blocks=%d", sig.Blocks()), func(b *testing.B) {
		for b.Loop() {
			newIndex(sig).release()
		}
	})
}

// BenchmarkSearch reports the bytes of the searched file in a second, and the
// literal bytes as a percentage of the new file's.
func BenchmarkSearch(b *testing.B) {
	for _, sc := range scenarios {
		b.Run(sc.name, func(b *testing.B) {
			file, basis := sc.make()
			for _, direction := range []string{"source", "sink"} {
				searched, signed, search := file, basis, Search
				if direction == "sink" {
					searched, signed, search = basis, file, SearchBasis
				}
				sig := sign(b, signed, NativeParams(int64(len(signed)), XXH3128))
				for _, workers := range []int{1, 2} {
					b.Run(fmt.Sprintf("%s/workers=%d", direction, workers), func(b *testing.B) {
						b.SetBytes(int64(len(searched)))
						var literal, ops int64
						for b.Loop() {
							literal, ops = 0, 0
							err := search(context.Background(), sig, bytes.NewReader(searched), int64(len(searched)),
								Options{Workers: workers}, func(op Op) error {
									ops++
									if op.Kind == Literal {
										literal += op.Len
									}
									return nil
								})
							if err != nil {
								b.Fatal(err)
							}
						}
						b.ReportMetric(100*float64(literal)/float64(len(file)), "literal%")
						b.ReportMetric(float64(ops), "ops")
					})
				}
			}
		})
	}
}
