package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A link is a way between two hosts. The zero link is loopback.
type link struct {
	delay time.Duration // of each byte, in one direction
	rate  float64       // bytes per second of each connection and direction; 0: no limit
}

// A delayProxy makes connections as long, and as narrow, as a link. Setting up a
// connection is not delayed. Close ends its connections and waits for its
// goroutines.
type delayProxy struct {
	listener net.Listener
	to       string
	link     link

	mu    sync.Mutex
	conns []net.Conn // nil once closed
	shut  bool
	wg    sync.WaitGroup
}

// Bytes under way in one direction are bounded by these two; 64 MiB are 20
// Gbit/s at 25 ms, more than loopback moves through two copies.
const (
	proxyChunk = 64 * kib
	proxyQueue = 1024
	// proxyBacklog is what a link with a rate takes before it can send it on:
	// as a router's buffer for a round trip would.
	proxyBacklog = 50 * time.Millisecond
)

// newDelayProxy listens on a port of loopback for connections to an address.
func newDelayProxy(to string, way link) (*delayProxy, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("delay proxy: %w", err)
	}
	p := &delayProxy{listener: l, to: to, link: way}
	p.wg.Go(p.serve)
	return p, nil
}

func (p *delayProxy) port() int { return p.listener.Addr().(*net.TCPAddr).Port }

// Close may be called on nil.
func (p *delayProxy) Close() {
	if p == nil {
		return
	}
	p.listener.Close()
	p.mu.Lock()
	p.shut = true
	for _, c := range p.conns {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *delayProxy) serve() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		far, err := net.Dial("tcp4", p.to)
		if err != nil {
			near.Close() // the client says that the connection ended
			continue
		}
		if !p.own(near, far) {
			return
		}
		p.wg.Go(func() { p.pass(near, far) })
		p.wg.Go(func() { p.pass(far, near) })
	}
}

// own makes Close end the connections; if it was called, it ends them here.
func (p *delayProxy) own(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shut {
		for _, c := range conns {
			c.Close()
		}
		return false
	}
	p.conns = append(p.conns, conns...)
	return true
}

// sent is when a link that is free from a time on has sent n more bytes.
func (l link) sent(n int, free time.Time) time.Time {
	if now := time.Now(); free.Before(now) {
		free = now
	}
	if l.rate > 0 {
		free = free.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
	}
	return free
}

// chunk is bytes and when they may arrive. The last one of a stream has none,
// so that its end arrives late too.
type chunk struct {
	data []byte
	due  time.Time
}

// pass moves one direction until it ends, and ends the other side's stream
// with the same delay.
func (p *delayProxy) pass(from, to net.Conn) {
	queue := make(chan chunk, proxyQueue)
	p.wg.Go(func() {
		defer close(queue)
		buf := make([]byte, proxyChunk)
		var free time.Time // when the link has sent all that it took
		for {
			time.Sleep(time.Until(free.Add(-proxyBacklog)))
			n, err := from.Read(buf)
			free = p.link.sent(n, free)
			queue <- chunk{bytes.Clone(buf[:n]), free.Add(p.link.delay)}
			if err != nil {
				return
			}
		}
	})
	broken := false
	for c := range queue { // to the end: the reader must not block
		if broken {
			continue
		}
		time.Sleep(time.Until(c.due))
		if _, err := to.Write(c.data); err != nil {
			broken = true
			from.Close() // what writes to it learns that nobody reads
		}
	}
	if tcp, ok := to.(*net.TCPConn); ok {
		if err := tcp.CloseWrite(); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
			to.Close()
		}
	}
}
