package integration

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// relay is a network between a client and a daemon: it passes bytes on, each
// connection at its own rate, and breaks or stalls when a test says so.
type relay struct {
	t        testing.TB
	listener net.Listener
	rate     int // bytes per second of each connection and direction, 0: no limit
	wg       sync.WaitGroup

	mu     sync.Mutex
	target string
	links  []*link // in the order in which they were made
	shut   bool
}

// link is one connection.
type link struct {
	near, far net.Conn
	bytes     atomic.Int64 // passed on, both ways
	ctx       context.Context
	cut       context.CancelFunc
	stalled   atomic.Bool
}

// relayChunk is what is passed on at a time: small enough that what is in a
// stalled link is no segment.
const relayChunk = 32 << 10

func newRelay(t testing.TB, target string, bytesPerSecond int) *relay {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	check(t, err)
	r := &relay{t: t, listener: l, target: target, rate: bytesPerSecond}
	r.wg.Go(r.accept)
	t.Cleanup(func() {
		l.Close()
		r.mu.Lock()
		r.shut = true
		r.mu.Unlock()
		r.breakAll()
		r.wg.Wait()
	})
	return r
}

func (r *relay) url(modulePath string) string {
	return "syncd://" + r.listener.Addr().String() + "/" + modulePath
}

// to has later connections go somewhere else.
func (r *relay) to(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = target
}

func (r *relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		r.mu.Lock()
		target, shut := r.target, r.shut
		r.mu.Unlock()
		far, err := net.Dial("tcp4", target)
		if err != nil || shut {
			near.Close()
			if far != nil {
				far.Close()
			}
			continue
		}
		k := &link{near: near, far: far}
		k.ctx, k.cut = context.WithCancel(context.Background())
		context.AfterFunc(k.ctx, func() { near.Close(); far.Close() })
		r.mu.Lock()
		r.links = append(r.links, k)
		r.mu.Unlock()
		r.wg.Go(func() { r.pass(k, near, far) })
		r.wg.Go(func() { r.pass(k, far, near) })
	}
}

// pass moves one direction until it ends.
func (r *relay) pass(k *link, from, to net.Conn) {
	limit := rate.NewLimiter(rate.Inf, relayChunk)
	if r.rate > 0 {
		limit.SetLimit(rate.Limit(r.rate))
		if tcp, ok := from.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(64 << 10) // so that the rate is the sender's too
		}
	}
	buf := make([]byte, relayChunk)
	for {
		n, err := from.Read(buf)
		if limit.WaitN(k.ctx, n) != nil {
			return
		}
		if k.stalled.Load() {
			<-k.ctx.Done()
			return
		}
		if _, werr := to.Write(buf[:n]); werr != nil || err != nil {
			break
		}
		k.bytes.Add(int64(n))
	}
	if tcp, ok := to.(*net.TCPConn); ok {
		_ = tcp.CloseWrite() // or the other direction has ended it
	}
}

// all returns the connections so far.
func (r *relay) all() []*link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*link(nil), r.links...)
}

// bytes is what went over all of them.
func (r *relay) bytes() (n int64) {
	for _, k := range r.all() {
		n += k.bytes.Load()
	}
	return n
}

// breakAll ends the connections that there are.
func (r *relay) breakAll() {
	for _, k := range r.all() {
		k.cut()
	}
}

// TestBandwidthLimitIsTheSourcesToo pulls slowly: what the client takes is what is sent,
// and not what all the buffers between the two have room for.
func TestBandwidthLimitIsTheSourcesToo(t *testing.T) {
	const rate, streams = 8 << 20, 2
	b := newBroken(t, "pull", 128<<20)
	_, relay, args := throttled(b, 0)
	start := time.Now()
	client, wait := begin(t, syncArgs(append(args, "--bwlimit=8M", fmt.Sprint("--streams=", streams))...)...)
	time.Sleep(1500 * time.Millisecond)
	sent, took := relay.bytes(), time.Since(start)
	check(t, client.Signal(os.Interrupt))
	wantExit(t, wait(), 20)
	if n := len(relay.all()); n != streams {
		t.Errorf("%d connections", n)
	}
	t.Logf("%d bytes were sent in %v", sent, took)
	if most := int64(took.Seconds()*rate) + streams*2<<20; sent > most || sent < 2<<20 {
		t.Errorf("%d bytes were sent in %v, at most %d are right", sent, took, most)
	}
}
