package rsync_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// BenchmarkList decodes one list of 100,000 entries and reports the memory
// that an entry of it keeps.
func BenchmarkList(b *testing.B) {
	const n = 100_000
	o := rsync.ListOptions{Protocol: 32, Compat: rsync.VarintFlags, Owner: true, Group: true, Links: true}
	data := encoded(32, func(w *rsync.Writer) {
		e := rsync.NewListEncoder(w, o)
		e.First()
		for i := range n {
			f := node(fmt.Sprintf("some/directory%03d/file%06d", i/1000, i*7919%n))
			f.Size, f.Mtime.Sec, f.Mtime.Nsec = int64(i), int64(1_600_000_000+i), uint32(i)
			if err := e.Add(f); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := e.End(0); err != nil {
			b.Fatal(err)
		}
	})
	var before, after runtime.MemStats
	var l *rsync.List
	for b.Loop() {
		l = nil
		runtime.GC()
		runtime.ReadMemStats(&before)
		var err error
		if l, err = rsync.NewListDecoder(reader(data, 32), o).First(); err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
	}
	b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/n, "B/entry")
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/n*1e9, "ns/entry")
	runtime.KeepAlive(l)
}

// BenchmarkLiterals moves a file through frames and tokens over loopback.
func BenchmarkLiterals(b *testing.B) {
	const n = 256 << 20
	src, err := os.Create(filepath.Join(b.TempDir(), "src"))
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close()
	dst, err := os.Create(filepath.Join(b.TempDir(), "dst"))
	if err != nil {
		b.Fatal(err)
	}
	defer dst.Close()
	for off := int64(0); off < n; off += 1 << 20 {
		if _, err := src.WriteAt(make([]byte, 1<<20), off); err != nil {
			b.Fatal(err)
		}
	}
	if err := unix.Fallocate(int(dst.Fd()), 0, 0, n); err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	x, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	y, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	out, _ := wire.NewConn(x, wire.Options{})
	in, _ := wire.NewConn(y, wire.Options{})
	defer out.Close()
	defer in.Close()
	b.SetBytes(n)
	go func() {
		w := rsync.NewWriter(out)
		w.StartMux()
		tokens, _ := rsync.NewTokenWriter(w, "none", 0)
		for {
			if tokens.Literal(src, 0, n) != nil || tokens.End() != nil || w.Flush() != nil {
				return
			}
		}
	}()
	r := rsync.NewReader(in, true)
	r.StartMux()
	tokens, _ := rsync.NewTokenReader(r, "none")
	for b.Loop() {
		tokens.Start(0)
		at := int64(0)
		for {
			tok, err := tokens.Next()
			if err != nil {
				b.Fatal(err)
			}
			if tok.Kind == rsync.End {
				if err := tokens.WriteOut(); err != nil {
					b.Fatal(err)
				}
				break
			}
			if err := tokens.RecvFile(dst, at, 1); err != nil {
				b.Fatal(err)
			}
			at += tok.N
		}
	}
}
