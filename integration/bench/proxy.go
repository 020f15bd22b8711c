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

// A delayProxy passes each byte of its connections on after a delay, in each
// direction, at whatever rate they come: a long link with no limit of its own.
// Setting up a connection is not delayed. Close ends its connections and waits
// for its goroutines.
type delayProxy struct {
	listener net.Listener
	to       string
	delay    time.Duration

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
)

// newDelayProxy listens on a port of loopback for connections to an address.
func newDelayProxy(to string, delay time.Duration) (*delayProxy, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("delay proxy: %w", err)
	}
	p := &delayProxy{listener: l, to: to, delay: delay}
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
		for {
			n, err := from.Read(buf)
			queue <- chunk{bytes.Clone(buf[:n]), time.Now().Add(p.delay)}
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
