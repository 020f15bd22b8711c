package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/syncd"
)

// progressStep is how often the line is drawn anew.
const progressStep = 200 * time.Millisecond

// progress draws one line on a terminal. All methods work on nil, which draws
// nothing.
type progress struct {
	out   io.Writer
	mu    *sync.Mutex // the printer's
	stats *syncd.Stats
	start time.Time
	shown bool
	done  chan struct{}
	wg    sync.WaitGroup
}

// startProgress returns nil if the output is no terminal.
func startProgress(stats *syncd.Stats, p *printer) *progress {
	f, ok := p.err.(*os.File)
	if !ok {
		return nil
	}
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err != nil {
		return nil
	}
	g := &progress{out: f, mu: &p.mu, stats: stats, start: time.Now(), done: make(chan struct{})}
	g.wg.Go(func() {
		t := time.NewTicker(progressStep)
		defer t.Stop()
		for {
			select {
			case <-g.done:
				return
			case <-t.C:
				g.draw()
			}
		}
	})
	return g
}

func (g *progress) draw() {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, total := g.stats.Literal.Load()+g.stats.Matched.Load(), g.stats.TotalSize.Load()
	rate := float64(n) / time.Since(g.start).Seconds()
	fmt.Fprintf(g.out, "\r\x1b[K%s of %s seen, %s/s, %d files", size(float64(n)), size(float64(total)), size(rate), g.stats.Transferred.Load())
	g.shown = true
}

// size is a number of bytes for people.
func size(v float64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if v < 1024 {
			return fmt.Sprintf("%.1f %s", v, unit)
		}
		v /= 1024
	}
	return fmt.Sprintf("%.1f TiB", v)
}

// clear takes the line away; the printer's lock is held.
func (g *progress) clear() {
	if g != nil && g.shown {
		fmt.Fprint(g.out, "\r\x1b[K")
		g.shown = false
	}
}

func (g *progress) stop() {
	if g == nil {
		return
	}
	close(g.done)
	g.wg.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clear()
}
