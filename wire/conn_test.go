package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"os"
	"testing"
)

var bodySizes = []int{
	0, 1, 4095, 4096, 4097,
	1<<16 - 1, 1 << 16, 1<<16 + 1,
	roundBytes - 1, roundBytes, roundBytes + 1,
	lowatBody - 1, lowatBody, lowatBody + 1,
	1<<20 - 1, 1 << 20, 1<<20 + 1,
	3 << 20,
}

// sendBodies sends for each range a message with its length, then its body.
func sendBodies(c *Conn, src *os.File, ranges [][2]int) error {
	for _, r := range ranges {
		if err := binary.Write(c, binary.LittleEndian, uint32(r[1])); err != nil {
			return err
		}
		if err := c.SendFile(src, int64(r[0]), int64(r[1])); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(c, "end."); err != nil {
		return err
	}
	return c.Flush()
}

// recvBodies receives what sendBodies sent and compares it with content.
func recvBodies(t *testing.T, c *Conn, dst *os.File, content []byte, ranges [][2]int) {
	t.Helper()
	const at = 12345
	for i, r := range ranges {
		var size uint32
		if err := binary.Read(c, binary.LittleEndian, &size); err != nil {
			t.Fatalf("body %d: header: %v", i, err)
		}
		if int(size) != r[1] {
			t.Fatalf("body %d: header says %d, want %d", i, size, r[1])
		}
		if err := c.RecvFile(dst, at, int64(size)); err != nil {
			t.Fatalf("body %d: %v", i, err)
		}
		if got := contentOf(t, dst, at, r[1]); !bytes.Equal(got, content[r[0]:r[0]+r[1]]) {
			t.Fatalf("body %d of %d bytes from %d differs", i, r[1], r[0])
		}
	}
	end := make([]byte, 4)
	if _, err := io.ReadFull(c, end); err != nil || string(end) != "end." {
		t.Fatalf("end is %q, %v", end, err)
	}
}

func TestBodiesOfBoundarySizesArriveInOrder(t *testing.T) {
	content := randomBytes(1, 4<<20)
	var ranges [][2]int
	for _, n := range bodySizes {
		for _, off := range []int{0, 1, 4095, 4096, 70001} {
			ranges = append(ranges, [2]int{off, n})
		}
	}
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		var sa, sb Stats
		a, b := k.pair(t, Options{Transport: tr, Stats: &sa}, Options{Transport: tr, Stats: &sb})
		src, dst := fileOf(t, content), fileOf(t, nil)
		sent := make(chan error, 1)
		go func() { sent <- sendBodies(a, src, ranges) }()
		recvBodies(t, b, dst, content, ranges)
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		var bodies, all int64
		for _, r := range ranges {
			bodies += int64(r[1])
			all += int64(r[1]) + 4
		}
		checkPaths(t, k, tr, &sa, &sb, bodies)
		if sa.Sent.Load() != all+4 || sb.Received.Load() != all+4 {
			t.Errorf("sent %d, received %d, want %d", sa.Sent.Load(), sb.Received.Load(), all+4)
		}
	})
}

// checkPaths checks that n body bytes went the way of the transport and no
// other at both ends.
func checkPaths(t *testing.T, k streamKind, tr Transport, sender, receiver *Stats, n int64) {
	t.Helper()
	path := func(s *Stats) string {
		return fmt.Sprintf("splice %d sendfile %d mmap %d user %d",
			s.Splice.Load(), s.Sendfile.Load(), s.Mmap.Load(), s.User.Load())
	}
	want := [2]Stats{}
	switch {
	case !k.kernel, tr == ReadWrite:
		want[0].User.Store(n)
		want[1].User.Store(n)
	case tr == Splice:
		want[0].Splice.Store(n)
		want[1].Splice.Store(n)
	case tr == Sendfile:
		want[0].Sendfile.Store(n)
		want[1].Splice.Store(n)
	case tr == Mmap:
		want[0].Mmap.Store(n)
		want[1].User.Store(n)
	}
	if got, want := path(sender), path(&want[0]); got != want {
		t.Errorf("sender: %s, want %s", got, want)
	}
	if got, want := path(receiver), path(&want[1]); got != want {
		t.Errorf("receiver: %s, want %s", got, want)
	}
	if k.kernel && (len(sender.Fallbacks()) > 0 || len(receiver.Fallbacks()) > 0) {
		t.Errorf("fallbacks: %v, %v", sender.Fallbacks(), receiver.Fallbacks())
	}
}

func TestAThousandSmallFilesWithOneFlush(t *testing.T) {
	content := randomBytes(2, 8192)
	var ranges [][2]int
	for i := range 1000 {
		ranges = append(ranges, [2]int{i, i % 5000})
	}
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		src, dst := fileOf(t, content), fileOf(t, nil)
		sent := make(chan error, 1)
		go func() { sent <- sendBodies(a, src, ranges) }()
		recvBodies(t, b, dst, content, ranges)
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	})
}

// step is one thing on the stream of the interleaving test.
type step struct {
	body    bool
	flush   bool
	discard bool
	off, n  int
}

// randomSteps returns messages and bodies in random order, and the bytes that
// they put on the stream.
func randomSteps(seed uint64, content []byte) []step {
	r := mrand.New(mrand.NewPCG(seed, 7))
	steps := make([]step, 60)
	for i := range steps {
		n := bodySizes[r.IntN(len(bodySizes))]
		if r.IntN(2) == 0 {
			n = r.IntN(200)
		}
		steps[i] = step{
			body: r.IntN(3) > 0, flush: r.IntN(5) == 0, discard: r.IntN(6) == 0,
			off: r.IntN(len(content) - n), n: n,
		}
	}
	return steps
}

func TestMessagesAndBodiesInterleaveAtRandom(t *testing.T) {
	content := randomBytes(3, 4<<20)
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		for seed := range uint64(3) {
			a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
			steps := randomSteps(seed, content)
			src, dst := fileOf(t, content), fileOf(t, nil)
			sent := make(chan error, 1)
			go func() { sent <- sendSteps(a, src, content, steps) }()
			for i, s := range steps {
				if err := recvStep(t, b, dst, content, s); err != nil {
					t.Fatalf("seed %d, step %d (%+v): %v", seed, i, s, err)
				}
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
	})
}

func sendSteps(c *Conn, src *os.File, content []byte, steps []step) error {
	for _, s := range steps {
		var err error
		if s.body {
			err = c.SendFile(src, int64(s.off), int64(s.n))
		} else {
			_, err = c.Write(content[s.off : s.off+s.n])
		}
		if err == nil && s.flush {
			err = c.Flush()
		}
		if err != nil {
			return err
		}
	}
	return c.Flush()
}

func recvStep(t *testing.T, c *Conn, dst *os.File, content []byte, s step) error {
	var got []byte
	switch {
	case s.discard:
		return c.Discard(int64(s.n))
	case s.body:
		if err := c.RecvFile(dst, int64(s.off), int64(s.n)); err != nil {
			return err
		}
		got = contentOf(t, dst, int64(s.off), s.n)
	default:
		got = make([]byte, s.n)
		if _, err := io.ReadFull(c, got); err != nil {
			return err
		}
	}
	if !bytes.Equal(got, content[s.off:s.off+s.n]) {
		return fmt.Errorf("%d bytes from %d differ", s.n, s.off)
	}
	return nil
}

func TestSparseSourceArrivesAsZeros(t *testing.T) {
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		src, dst := fileOf(t, nil), fileOf(t, nil)
		const size = 1<<20 + 100
		must[int](t)(src.WriteAt([]byte("island"), 600000))
		if err := src.Truncate(size); err != nil {
			t.Fatal(err)
		}
		sent := make(chan error, 1)
		go func() { sent <- sendBodies(a, src, [][2]int{{0, size}}) }()
		recvBodies(t, b, dst, contentOf(t, src, 0, size), [][2]int{{0, size}})
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	})
}

func TestReadIsEOFAfterCloseWrite(t *testing.T) {
	for _, k := range streamKinds {
		if k.name == "net-pipe" || k.name == "socketpair-stdio" {
			continue // have no half-close
		}
		t.Run(k.name, func(t *testing.T) {
			a, b := k.pair(t, Options{}, Options{})
			sent := make(chan error, 1)
			go func() {
				io.WriteString(a, "last")
				sent <- a.CloseWrite()
			}()
			got, err := io.ReadAll(b)
			if err != nil || string(got) != "last" {
				t.Errorf("got %q, %v", got, err)
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
		})
	}
}
