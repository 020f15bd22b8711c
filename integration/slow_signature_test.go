package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSignatureComesSlowly moves a changed file whose signature takes some seconds on
// the line. The new file is begun meanwhile; and where the connection breaks then, the
// others go on, or nothing is lost.
func TestSignatureComesSlowly(t *testing.T) {
	const size, rate = 32 << 20, 256 << 10
	const length = size / 700 * 20 // of the signature
	const inPlace = "and comes, for an update in place"
	for _, c := range []struct {
		name    string
		streams string
		code    int
		harm    func(k *link)
		options []string
	}{
		{name: "and comes", streams: "1"},
		{name: inPlace, streams: "1", options: []string{"--inplace"}},
		{name: "and breaks", streams: "1", code: 12, harm: (*link).breakIt},
		{name: "and breaks, with --partial", streams: "1", code: 12, harm: (*link).breakIt, options: []string{"--partial"}},
		{name: "and breaks, with --partial-dir", streams: "1", code: 12, harm: (*link).breakIt, options: []string{"--partial-dir=.kept"}},
		{name: "and one of two breaks", streams: "2", harm: (*link).breakIt},
		{name: "and one of two stalls", streams: "2", harm: (*link).stall, options: []string{"--timeout=2"}},
	} {
		for _, way := range []string{"pull", "push"} {
			t.Run(way+" "+c.name, func(t *testing.T) {
				t.Parallel()
				b := newBroken(t, way, size)
				file := filepath.Join(b.dst, "big")
				editFile(t, filepath.Join(b.src, "big"), file, 10)
				was, err := os.ReadFile(file)
				check(t, err)
				d, relay, args := throttled(b, rate)
				args = append(args, "--block-size=700", "--streams="+c.streams)
				args = append(args, c.options...)
				_, wait := begin(t, syncArgs(args...)...)
				begun, moved := c.name == inPlace, int64(0)
				eventually(t, "the signature is on its way", func() bool {
					names, err := os.ReadDir(b.dst)
					check(t, err)
					begun, moved = begun || len(names) > 1, relay.bytes()
					return begun && moved > length/3 && fmt.Sprint(len(relay.all())) == c.streams || moved >= length
				})
				if !begun || moved >= length {
					t.Errorf("begun: %t, when %d bytes have come", begun, moved)
				}
				if c.harm != nil {
					busiest := relay.all()[0]
					for _, k := range relay.all() {
						if k.bytes.Load() > busiest.bytes.Load() {
							busiest = k
						}
					}
					c.harm(busiest)
				}
				r := wait()
				wantExit(t, r, c.code)
				d.sessions(1) // it has cleaned up
				noStagingNames(t, b.dst)
				if c.code != 0 {
					now, err := os.ReadFile(file)
					check(t, err)
					if string(now) != string(was) {
						t.Error("the file that was there is another one")
					}
					args[map[string]int{"pull": 0, "push": 1}[way]] = d.url("m/")
					r = here.sync(t, args...) // has the whole of the old file to go by
					wantExit(t, r, 0)
				}
				judge(t, b.src, b.dst)
				if s := lastStats(t, r.stdout); s.LiteralBytes > 1<<20 || s.Redone > 0 {
					t.Errorf("%d bytes of literals, %d ranges again", s.LiteralBytes, s.Redone)
				}
			})
		}
	}
}

// TestHalfASearchIsNoBasis breaks a push off while the signature is on its way, when all
// that was found is in order: what was built of it does not stand for the whole basis.
func TestHalfASearchIsNoBasis(t *testing.T) {
	const size, rate = 32 << 20, 256 << 10
	for _, options := range [][]string{nil, {"--partial"}, {"--partial-dir=.kept"}} {
		t.Run(strings.Join(options, " "), func(t *testing.T) {
			t.Parallel()
			b := newBroken(t, "push", size)
			changeFile(t, filepath.Join(b.src, "big"), filepath.Join(b.dst, "big"), size-3<<20)
			d, relay, args := throttled(b, rate)
			args = append(args, "--block-size=1024")
			args = append(args, options...)
			_, wait := begin(t, syncArgs(args...)...)
			eventually(t, "the file is begun", func() bool {
				names, err := os.ReadDir(b.dst)
				check(t, err)
				return len(names) > 1 && relay.bytes() > size/1024*20/2
			})
			relay.breakAll()
			wantExit(t, wait(), 12)
			d.sessions(1)
			args[1] = d.url("m/")
			r := here.sync(t, args...)
			wantExit(t, r, 0)
			judge(t, b.src, b.dst)
			if s := lastStats(t, r.stdout); s.LiteralBytes != 4096 {
				t.Errorf("%d bytes of literals", s.LiteralBytes)
			}
		})
	}
}

// changeFile makes dst src with other content in 4 KiB from off.
func changeFile(t *testing.T, src, dst string, off int) {
	t.Helper()
	content, err := os.ReadFile(src)
	check(t, err)
	clear(content[off:][:4096])
	check(t, os.WriteFile(dst, content, 0o644))
	check(t, os.Chtimes(dst, time.Unix(1e9, 0), time.Unix(1e9, 0)))
}

// TestSignatureEndsBeforeItsFile pushes files whose last block begins before what is
// signed last: all of the signature is known when there is still something to read.
func TestSignatureEndsBeforeItsFile(t *testing.T) {
	for _, c := range []struct {
		size  int
		block string
	}{{8<<20 + 100, "700"}, {16<<20 + 100, "700"}, {24<<20 + 30_000, "100000"}, {8 << 20, "700"}} {
		for _, way := range []string{"pull", "push"} {
			b := newBroken(t, way, c.size)
			changeFile(t, filepath.Join(b.src, "big"), filepath.Join(b.dst, "big"), 1<<20)
			_, _, args := throttled(b, 0)
			wantExit(t, here.sync(t, append(args, "--block-size="+c.block)...), 0)
			judge(t, b.src, b.dst)
		}
	}
}
