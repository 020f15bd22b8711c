package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"
)

func TestPumpMovesAFile(t *testing.T) {
	for _, size := range []int64{0, 1, pumpPipe - 1, pumpPipe, pumpPipe + 1, 5*pumpPipe + 7} {
		t.Run(strconv.FormatInt(size, 10), func(t *testing.T) {
			src, dst := t.TempDir(), t.TempDir()
			if err := writeData(src, randomBytes(3), size, sourceTime); err != nil {
				t.Fatal(err)
			}
			port, err := freePort()
			if err != nil {
				t.Fatal(err)
			}
			sent := make(chan error, 1)
			go func() {
				_, err := pumpFile("listen", loopback(port), "send", filepath.Join(src, dataName))
				sent <- err
			}()
			for end := time.Now().Add(10 * time.Second); !listens(port); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the pump does not listen")
				}
			}
			n, err := pumpFile("dial", loopback(port), "receive", filepath.Join(dst, dataName))
			if err != nil || n != size {
				t.Fatalf("received %d of %d bytes: %v", n, size, err)
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			if err := compareContent(filepath.Join(src, dataName), filepath.Join(dst, dataName)); err != nil {
				t.Error(err)
			}
		})
	}
}

// echo sends back what comes, and ends when the client does.
func echo(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func TestDelayProxyDelaysBothDirections(t *testing.T) {
	const delay = 30 * time.Millisecond
	p, err := newDelayProxy(echo(t), link{delay: delay})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, err := net.Dial("tcp4", loopback(p.port()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := randomBlock(1, 5*proxyChunk+1)
	start := time.Now()
	go func() {
		c.Write(want)
		c.(*net.TCPConn).CloseWrite()
	}()
	got := readAll(t, c) // to the end, which is passed on too
	if took := time.Since(start); took < 2*delay {
		t.Errorf("there and back in %v", took)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back, not the %d that were sent", len(got), len(want))
	}
}

// Each connection has the rate for itself, in each direction.
func TestDelayProxyHoldsTheRate(t *testing.T) {
	const conns, size, rate = 6, 2 * mib, 10 * mib // 0.2 s, and the way back beside it
	p, err := newDelayProxy(echo(t), link{rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	want := randomBlock(1, size)
	start := time.Now()
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			c, err := net.Dial("tcp4", loopback(p.port()))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			wg.Go(func() {
				c.Write(want)
				c.(*net.TCPConn).CloseWrite()
			})
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes came back: %v", len(got), err)
			}
		})
	}
	wg.Wait()
	const one = float64(size) / rate
	if took := time.Since(start).Seconds(); took < one || took > 4*one {
		t.Errorf("%d connections took %.2f s, one takes %.2f s", conns, took, one)
	}
}

func TestDelayProxyClosesWhatIsOpen(t *testing.T) {
	before := runtime.NumGoroutine()
	p, err := newDelayProxy(echo(t), link{delay: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp4", loopback(p.port()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("x"))
	io.ReadFull(c, make([]byte, 1))
	p.Close() // waits for the goroutines
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
	// The two of echo end in their own time.
	for end := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
	(*delayProxy)(nil).Close()
}

func TestChildTicks(t *testing.T) {
	for text, want := range map[string]int64{
		"12 (sh) S 1 12 12 0 -1 4194560 100 200 0 0 7 8 30 12 20 0 1 0 5\n":      42,
		"12 (a) 1 2 (b) S 1 12 12 0 -1 4194560 100 200 0 0 7 8 1 0 20 0 1 0 5\n": 1,
		"12 (sh) S 1 12\n": -1,
		"":                 -1,
		"12 (sh) S 1 12 12 0 -1 4194560 100 200 0 0 7 8 x 12 20\n": -1,
		"12 (sh) S 1 12 12 0 -1 4194560 100 200 0 0 7 8 1 x 20\n":  -1,
	} {
		got, err := childTicks(text)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
}

// A daemon's CPU time has that of a child for a connection in it.
func TestDaemonCPUCountsChildren(t *testing.T) {
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", loopback(port)) // what startDaemon waits for
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	runtime.LockOSThread() // as main: children die with their thread
	defer runtime.UnlockOSThread()
	const script = `trap 'exit 20' TERM; (i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done); while :; do sleep 0.01 & wait $!; done`
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "daemon"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := startDaemon(t.Context(), []string{"sh", filepath.Join(dir, "daemon")}, port)
	if err != nil {
		t.Fatal(err)
	}
	watch := watchMemory()
	watch.add(d.pid())
	time.Sleep(300 * time.Millisecond)
	if peak := watch.stop()[0]; peak < 100*kib || peak > 100*mib {
		t.Errorf("peak memory of a shell: %d", peak)
	}
	soFar, err := d.afterFirst()
	if err != nil {
		t.Fatal(err)
	}
	used, err := d.stop()
	if err != nil {
		t.Fatal(err)
	}
	if soFar < 5*time.Millisecond || soFar > used+2*tick {
		t.Errorf("while it ran, %v; at the end, %v", soFar, used)
	}
	if used < 5*time.Millisecond {
		t.Errorf("counting to 100,000 took the child %v", used)
	}
}

func TestDaemonThatEndsEarlyIsNamed(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := startDaemon(t.Context(), []string{"false"}, port); err == nil {
		t.Error("no error")
	} else {
		t.Log(err)
	}
}
