package rsync_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// stock returns the stock rsync, whose version it logs. A missing one fails.
func stock(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("rsync")
	if err != nil {
		t.Fatalf("these tests need stock rsync: %v", err)
	}
	return path
}

// stockDaemon serves modules with a stock daemon, one process for each
// connection as under inetd, and returns its address.
func stockDaemon(t *testing.T, conf string) string {
	t.Helper()
	bin := stock(t)
	file := filepath.Join(t.TempDir(), "rsyncd.conf")
	conf = "use chroot = no\nmunge symlinks = no\nuid = root\ngid = root\nlog file = /dev/null\n" + conf
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return listen(t, func(c *net.TCPConn) {
		f, err := c.File()
		c.Close()
		if err != nil {
			return
		}
		defer f.Close()
		cmd := exec.Command(bin, "--daemon", "--config="+file)
		cmd.Stdin, cmd.Stdout = f, f
		// Its exit code is the client's business.
		_ = cmd.Run()
	})
}

// listen serves connections on loopback until the test ends.
func listen(t *testing.T, serve func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var served sync.WaitGroup
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Add(1)
			go func() {
				defer served.Done()
				serve(c.(*net.TCPConn))
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done; served.Wait() })
	return l.Addr().String()
}

// A link is one side of a connection under test.
type link struct {
	r *rsync.Reader
	w *rsync.Writer
	c *wire.Conn
	// text gathers the peer's messages.
	text []string
	// raw has what was received, and tape what decoders took of it, while
	// seeds are captured; else they are nil.
	raw, tape *tape
}

// dial connects to a daemon as a client.
func dial(t *testing.T, addr string) *link {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return newLink(t, c, true)
}

func newLink(t *testing.T, c net.Conn, peerIsServer bool) *link {
	t.Helper()
	conn, err := wire.NewConn(c, wire.Options{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	l := &link{w: rsync.NewWriter(conn), c: conn}
	var in rsync.InStream = conn
	if *capture {
		l.raw = &tape{in: conn}
		in = l.raw
	}
	l.r = rsync.NewReader(in, peerIsServer)
	l.r.Handle = func(m rsync.Message) error {
		l.text = append(l.text, m.String())
		return m.Err()
	}
	return l
}

// connect opens module "m" as a client and sets the session up.
func connect(t *testing.T, l *link, a *rsync.Args, protocol int) (*rsync.Session, error) {
	t.Helper()
	h, err := rsync.ClientHello(l.r, l.w, protocol)
	if err != nil {
		return nil, err
	}
	if err := h.OpenModule(l.r, l.w, "m", rsync.Login{}); err != nil {
		return nil, err
	}
	head, tail := a.Build(h.Protocol)
	if err := rsync.WriteArgs(l.w, head, tail, a.Secluded); err != nil {
		return nil, err
	}
	return rsync.ClientSetup(l.r, l.w, a)
}

// module is the configuration of a module m.
func module(dir string) string { return fmt.Sprintf("[m]\npath = %s\nread only = no\n", dir) }

// same fails unless stock sees no difference between two trees.
func same(t *testing.T, options, src, dst string) {
	t.Helper()
	out, err := exec.Command(stock(t), options, "-nic", "--delete", src+"/", dst+"/").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "" {
		t.Errorf("stock sees differences: %v\n%s", err, out)
	}
}
