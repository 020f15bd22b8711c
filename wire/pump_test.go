package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// failSplice lets the nth splice(2) from now on fail, 0 none.
func failSplice(t *testing.T, nth int, errno unix.Errno) (disarm func()) {
	var mu sync.Mutex
	real := sysSplice
	sysSplice = func(from int, fromOff *int64, to int, toOff *int64, n, flags int) (int64, error) {
		mu.Lock()
		nth--
		fail := nth == 0
		mu.Unlock()
		if fail {
			return -1, errno
		}
		return real(from, fromOff, to, toOff, n, flags)
	}
	t.Cleanup(func() { sysSplice = real })
	return func() {
		mu.Lock()
		defer mu.Unlock()
		nth = 0
	}
}

// TestNthSpliceFails lets each splice of a transfer fail in turn, at whichever
// end it happens to be.
func TestNthSpliceFails(t *testing.T) {
	content := randomBytes(4, 3<<20)
	for _, errno := range []unix.Errno{unix.EIO, unix.EINVAL, unix.ENOSPC} {
		for nth := 1; nth <= 24; nth++ {
			t.Run(unix.ErrnoName(errno)+"/"+strconv.Itoa(nth), func(t *testing.T) {
				nthSpliceFails(t, content, nth, errno)
			})
		}
	}
}

func nthSpliceFails(t *testing.T, content []byte, nth int, errno unix.Errno) {
	a, b := tcpPair(t, Options{}, Options{})
	src, dst := fileOf(t, content), fileOf(t, nil)
	disarm := failSplice(t, nth, errno)
	sent := make(chan error, 1)
	go func() {
		err := a.SendFile(src, 0, int64(len(content)))
		if ferr := a.Flush(); ferr != nil {
			err = ferr
		}
		closeIfBroken(a, err)
		sent <- err
	}()
	recvErr := b.RecvFile(dst, 0, int64(len(content)))
	closeIfBroken(b, recvErr)
	sendErr := <-sent
	disarm()
	if recvErr == nil && sendErr == nil && !bytes.Equal(contentOf(t, dst, 0, len(content)), content) {
		t.Fatal("both ends report success, and the content differs")
	}
	if !closeIfBroken(a, sendErr) && !closeIfBroken(b, recvErr) {
		inStep(t, a, b, "next")
	}
}

// closeIfBroken closes c if err is one that ends the connection.
func closeIfBroken(c *Conn, err error) bool {
	if _, ok := err.(*FileError); ok || err == nil {
		return false
	}
	c.Close()
	return true
}

func TestDirtyPipeIsClosedAtOnce(t *testing.T) {
	a, b := tcpPair(t, Options{}, Options{})
	src := fileOf(t, randomBytes(1, 1<<20))
	before := openFDs(t)
	go func() { a.SendFile(src, 0, 1<<20); a.Flush(); a.Close() }()
	if err := b.RecvFile(fileOf(t, nil), 0, 2<<20); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	if b.in.(*spliceReceiver).pipe.slots != 0 {
		t.Error("the receiver's pipe is open")
	}
	a.Close()
	if after := openFDs(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// shrink makes the pipes of both ends as small as the kernel lets them be.
func shrink(t *testing.T, conns ...*Conn) {
	t.Helper()
	for _, c := range conns {
		for _, p := range []*pipe{&c.out.(*spliceSender).pipe, &c.in.(*spliceReceiver).pipe} {
			if err := p.open(); err != nil {
				t.Fatal(err)
			}
			size := must[int](t)(unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, pageSize))
			p.slots = size / pageSize
		}
	}
}

func TestPipesOfOnePage(t *testing.T) {
	content := randomBytes(2, 300000)
	var ranges [][2]int
	for _, n := range []int{0, 1, 4095, 4096, 4097, 8191, 8192, 65536, 200000} {
		for _, off := range []int{0, 1, 4095} {
			ranges = append(ranges, [2]int{off, n})
		}
	}
	for _, k := range streamKinds {
		if !k.kernel {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			a, b := k.pair(t, Options{}, Options{})
			shrink(t, a, b)
			src, dst := fileOf(t, content), fileOf(t, nil)
			sent := make(chan error, 1)
			go func() { sent <- sendBodies(a, src, ranges) }()
			recvBodies(t, b, dst, content, ranges)
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestSlotsAreMiscounted lets the sender believe in more slots than the pipe
// has, as it would if the kernel used them up otherwise.
func TestSlotsAreMiscounted(t *testing.T) {
	content := randomBytes(2, 3<<20)
	a, b := tcpPair(t, Options{}, Options{})
	shrink(t, a)
	a.out.(*spliceSender).pipe.slots = 256
	ranges := [][2]int{{0, 4096}, {1, 4095}, {0, 1 << 20}, {5, 2 << 20}, {0, 1}}
	src, dst := fileOf(t, content), fileOf(t, nil)
	sent := make(chan error, 1)
	go func() {
		a.Write(content[:20000])
		sent <- sendBodies(a, src, ranges)
	}()
	got := make([]byte, 20000)
	if _, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, content[:20000]) {
		t.Fatal("message differs", err)
	}
	recvBodies(t, b, dst, content, ranges)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

func TestMessagesLargerThanTheBufferKeepTheirPlace(t *testing.T) {
	content := randomBytes(2, 2<<20)
	forEach(t, func(t *testing.T, k streamKind, tr Transport) {
		a, b := k.pair(t, Options{Transport: tr}, Options{Transport: tr})
		src, dst := fileOf(t, content), fileOf(t, nil)
		sizes := []int{messageBufSize/2 - 1, messageBufSize / 2, messageBufSize/2 + 1, messageBufSize, messageBufSize + 1, 2 << 20}
		sent := make(chan error, 1)
		go func() {
			var err error
			for _, n := range sizes {
				err = errors.Join(err, a.SendFile(src, 0, 10))
				_, werr := a.Write(content[:n])
				err = errors.Join(err, werr)
			}
			sent <- errors.Join(err, a.Flush())
		}()
		for _, n := range sizes {
			if err := b.RecvFile(dst, 0, 10); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(contentOf(t, dst, 0, 10), content[:10]) {
				t.Fatalf("the body before %d bytes of messages differs", n)
			}
			got := make([]byte, n)
			if _, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, content[:n]) {
				t.Fatalf("%d bytes of messages: %v", n, err)
			}
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	})
}

func TestLimitHoldsTheRate(t *testing.T) {
	content := randomBytes(2, 400000)
	for _, k := range streamKinds {
		t.Run(k.name, func(t *testing.T) {
			limit := NewLimiter(2 << 20)
			a, b := k.pair(t, Options{Limit: limit}, Options{})
			src, dst := fileOf(t, content), fileOf(t, nil)
			ranges := [][2]int{{0, 400000}}
			start := time.Now()
			sent := make(chan error, 1)
			go func() { sent <- sendBodies(a, src, ranges) }()
			recvBodies(t, b, dst, content, ranges)
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			// Two bursts are free: the one saved up and the one in debt.
			burst := limit.Burst()
			least := time.Duration(400000-2*burst) * time.Second / (2 << 20)
			if took := time.Since(start); took < least {
				t.Errorf("took %v, want %v", took, least)
			}
		})
	}
}

func TestFileWithoutSpliceIsCopiedAndCounted(t *testing.T) {
	// A character device has no splice_write.
	a, b := tcpPair(t, Options{}, Options{})
	full := must[*os.File](t)(os.OpenFile("/dev/full", os.O_RDWR, 0))
	defer full.Close()
	go func() { a.SendFile(full, 0, 5000); a.Flush() }()
	err := b.RecvFile(full, 0, 5000)
	wantFileError(t, err, unix.ENOSPC, "/dev/full")
	if n := b.Stats().Fallbacks()["splice to file: EINVAL"]; n != 1 {
		t.Errorf("fallbacks: %v", b.Stats().Fallbacks())
	}
	inStep(t, a, b, "next")
}

// wrapped hides a TCP connection as a TLS or counting wrapper does.
type wrapped struct{ *net.TCPConn }

func TestWrappedConnIsNeverBypassed(t *testing.T) {
	x, y := dialPair(t, "tcp", "127.0.0.1:0")
	defer x.Close()
	defer y.Close()
	c := must[*Conn](t)(NewConn(wrapped{x.(*net.TCPConn)}, Options{}))
	defer c.Close()
	if _, ok := c.out.(*copySender); !ok {
		t.Errorf("outgoing half is %T", c.out)
	}
	if _, ok := c.in.(*copyReceiver).r.(*userReader); !ok {
		t.Errorf("incoming half reads by %T", c.in.(*copyReceiver).r)
	}
	if len(c.Stats().Fallbacks()) != 2 {
		t.Errorf("fallbacks: %v", c.Stats().Fallbacks())
	}
}

func TestCallsDoNotAllocate(t *testing.T) {
	a, b := tcpPair(t, Options{Timeout: time.Minute}, Options{Timeout: time.Minute})
	src, dst := fileOf(t, randomBytes(1, 4096)), fileOf(t, nil)
	head := make([]byte, 32)
	n := testing.AllocsPerRun(100, func() {
		a.Write(head)
		err := errors.Join(a.SendFile(src, 0, 4096), a.Flush())
		_, rerr := io.ReadFull(b, head)
		if err := errors.Join(err, rerr, b.RecvFile(dst, 0, 4096)); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations per file", n)
	}
}

// straceEnv marks the process that TestSystemCallsOfTheFastPath watches.
const straceEnv = "SYNCD_WIRE_STRACE"

// TestSystemCallsOfTheFastPath counts, with strace, what it takes to move 100
// small files and one of 4 MiB: no read or write may carry a body.
func TestSystemCallsOfTheFastPath(t *testing.T) {
	if os.Getenv(straceEnv) != "" {
		fastPath(t)
		return
	}
	log := t.TempDir() + "/strace"
	cmd := exec.Command("strace", "-f", "-o", log, "-e", "trace=read,write,pread64,pwrite64,splice,sendfile",
		must[string](t)(os.Executable()), "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), straceEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	calls := map[string]int{}
	for line := range strings.Lines(string(must[[]byte](t)(os.ReadFile(log)))) {
		_, line, _ = strings.Cut(line, " ")
		name, _, _ := strings.Cut(strings.TrimSpace(line), "(")
		if strings.Contains(line, "BODYBODY") && name != "splice" {
			t.Errorf("a body in user space: %s", line)
		}
		calls[name]++
	}
	// Per small file one splice into each pipe's side and none of its own on
	// the socket; a 4 MiB body in rounds of at most 1 MiB.
	if calls["splice"] < 200 || calls["splice"] > 600 {
		t.Errorf("%d splices for 101 files", calls["splice"])
	}
	t.Logf("calls: %v", calls)
}

func fastPath(t *testing.T) {
	body := bytes.Repeat([]byte("BODYBODY"), 512)
	name := fileOf(t, nil).Name()
	// pwritev is not among the calls that strace shows.
	src := must[*os.File](t)(os.OpenFile(name, os.O_RDWR, 0))
	defer src.Close()
	for i := range 1024 {
		if _, err := unix.Pwritev(int(src.Fd()), [][]byte{body}, int64(i)*4096); err != nil {
			t.Fatal(err)
		}
	}
	a, b := tcpPair(t, Options{}, Options{})
	dst := fileOf(t, nil)
	sent := make(chan error, 1)
	go func() {
		var errs []error
		for range 100 {
			a.Write([]byte("head"))
			errs = append(errs, a.SendFile(src, 0, 4096))
		}
		errs = append(errs, a.SendFile(src, 0, 4<<20), a.Flush())
		sent <- errors.Join(errs...)
	}()
	head := make([]byte, 4)
	for range 100 {
		if _, err := io.ReadFull(b, head); err != nil {
			t.Fatal(err)
		}
		if err := b.RecvFile(dst, 0, 4096); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(b.RecvFile(dst, 0, 4<<20), <-sent); err != nil {
		t.Fatal(err)
	}
}
