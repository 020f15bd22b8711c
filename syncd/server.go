package syncd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/syncd/cache"
	"github.com/seed9553035b/syncd/wire"
)

// Server is the daemon: it serves modules to many clients at once. It owns
// every connection that it accepts.
type Server struct {
	// Fresh, if it is set, returns the configuration for the next session.
	Fresh func() *config.Config

	log *slog.Logger
	cfg atomic.Pointer[config.Config]
	// sums is of what sessions have hashed, for all of them.
	sums *cache.Cache

	mu         sync.Mutex
	sessions   map[*session]struct{}
	modules    map[string]int          // sessions by module
	gatherings map[*gathering]struct{} // sessions that more streams may join
	joined     int                     // of sessions, those that are streams of another one
	wg         sync.WaitGroup
	closing    bool
	count      uint64
	alone      bool // there is one client and will be no other
}

// NewServer returns a server for a valid configuration.
func NewServer(cfg *config.Config, log *slog.Logger) *Server {
	s := &Server{log: log, sums: cache.New(log), sessions: make(map[*session]struct{}), modules: make(map[string]int),
		gatherings: make(map[*gathering]struct{})}
	s.cfg.Store(cfg)
	return s
}

// Reload swaps the configuration for sessions to come; those under way keep
// theirs. Listeners and the cache file stay as they are.
func (s *Server) Reload(cfg *config.Config) { s.cfg.Store(cfg) }

// Listen opens the listeners of the configuration.
func Listen(cfg *config.Config) ([]net.Listener, error) { return ListenOn("tcp", cfg) }

// ListenOn is Listen for one version of IP, "tcp4" or "tcp6"; both if it is "".
func ListenOn(network string, cfg *config.Config) ([]net.Listener, error) {
	if network == "" {
		network = "tcp"
	}
	var ls []net.Listener
	for _, addr := range cfg.Listen {
		l, err := net.Listen(network, addr)
		if err != nil {
			for _, l := range ls {
				l.Close()
			}
			return nil, Exitf(ExitSocket, "listen on %s: %w", addr, err)
		}
		ls = append(ls, l)
	}
	return ls, nil
}

// Serve accepts clients until ctx is done. Then it closes the listeners, lets
// running transfers finish for at most the configured time, and ends the rest.
// The cache file is open meanwhile.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) {
	if dir, limit := s.cfg.Load().Cache.File(); dir != "" {
		s.sums.Open(dir, limit)
		defer s.sums.Close()
	}
	var accepting sync.WaitGroup
	for _, l := range listeners {
		accepting.Go(func() { s.accept(ctx, l) })
	}
	<-ctx.Done()
	for _, l := range listeners {
		l.Close()
	}
	accepting.Wait()
	s.drain(s.cfg.Load().ShutdownTimeout)
}

// accept takes clients from one listener until it closes.
func (s *Server) accept(ctx context.Context, l net.Listener) {
	repace := wire.UnpacedListener(l)
	for delay := time.Duration(0); ; {
		c, err := l.Accept()
		switch {
		case err == nil:
			delay = 0
			repace(c)
			s.start(c)
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		default:
			// Out of descriptors, most likely: others will give theirs back.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			s.log.Error("accept failed", "addr", l.Addr().String(), "err", err)
			select {
			case <-time.After(delay):
			case <-ctx.Done():
				return
			}
		}
	}
}

// start serves one client in goroutines of its own.
func (s *Server) start(c net.Conn) {
	n := &session{net: c, host: newHost(c.RemoteAddr())}
	if !s.begin(n, c.RemoteAddr().String()) {
		c.Close()
		return
	}
	s.wg.Go(func() {
		defer s.forget(n)
		n.serve()
	})
}

// begin makes n a session of the server, unless that is closing.
func (s *Server) begin(n *session, client string) bool {
	cfg := s.cfg.Load()
	if s.Fresh != nil {
		cfg = s.Fresh()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.count++
	n.server, n.cfg, n.stats, n.began = s, cfg, NewStats(), time.Now()
	n.number, n.client = s.count, client
	n.log = s.log.With("session", n.number, "client", n.client)
	n.ctx, n.cancel = context.WithCancelCause(context.Background())
	n.full = cfg.MaxConnections > 0 && len(s.sessions)-s.joined >= cfg.MaxConnections
	s.sessions[n] = struct{}{}
	return true
}

// ServeOne serves the one client that is on in and out already: the same socket,
// as inetd leaves it, or the two ends of a remote shell. It owns both. Other
// processes may serve the same module: max_connections counts for nothing, which
// is logged.
func (s *Server) ServeOne(ctx context.Context, in, out *os.File) error {
	n := &session{in: in, out: out, host: newHost(nil)}
	client := "stdio"
	if in == out {
		c, err := net.FileConn(in) // of a duplicate
		in.Close()
		if err != nil {
			return Exitf(ExitSocket, "take the connection over: %w", err)
		}
		n.net, n.host, client = c, newHost(c.RemoteAddr()), c.RemoteAddr().String()
	} else if addr, err := netip.ParseAddr(firstField(os.Getenv("SSH_CONNECTION"))); err == nil {
		n.host.addr, client = addr.Unmap(), addr.String()
	}
	s.alone = true
	s.begin(n, client)
	defer s.forget(n)
	stop := context.AfterFunc(ctx, func() { n.cancel(errShutdown) })
	defer stop()
	n.serve()
	return nil
}

// firstField returns what is in front of the first space.
func firstField(s string) string {
	first, _, _ := strings.Cut(s, " ")
	return first
}

func (s *Server) forget(n *session) {
	n.cancel(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, n)
	if n.joined {
		s.joined--
	}
	if n.module != nil {
		s.modules[n.module.Name]--
	}
}

// enter counts a session into its module; false says that the module is full.
func (s *Server) enter(n *session, m *module) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.MaxConnections < 0 || m.MaxConnections > 0 && s.modules[m.Name] >= m.MaxConnections {
		return false
	}
	if s.alone && m.MaxConnections > 0 {
		n.log.Warn("max_connections is not enforced: this process serves one client, and knows of no others", "module", m.Name)
	}
	s.modules[m.Name]++
	n.module = m
	return true
}

// isStream counts a session as a stream of another one.
func (s *Server) isStream(n *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.joined = true
	s.joined++
}

// errShutdown is why sessions end when the server does.
var errShutdown = errors.New("the server is shutting down")

// drain waits for the sessions, and ends those that take longer than timeout.
func (s *Server) drain(timeout time.Duration) {
	s.mu.Lock()
	s.closing = true
	n := len(s.sessions)
	s.mu.Unlock()
	if n > 0 {
		s.log.Info("stopping: transfers may finish", "sessions", n, "deadline", timeout.String())
	}
	late := time.AfterFunc(timeout, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for n := range s.sessions {
			n.cancel(errShutdown)
		}
	})
	s.wg.Wait()
	late.Stop()
}

// connOptions are a session's settings of its stream.
func connOptions(cfg *config.Config, stats *Stats) (wire.Options, error) {
	t, err := wire.ParseTransport(cfg.Transport)
	if err != nil {
		return wire.Options{}, fmt.Errorf("configuration: %w", err)
	}
	return wire.Options{Transport: t, Timeout: cfg.Timeout, Stats: &stats.Stats}, nil
}
