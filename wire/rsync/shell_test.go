package rsync_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// serverRoot makes the test binary a server over a remote shell: the tree that
// it serves.
const serverRoot = "RSYNC_TEST_SERVER_ROOT"

func TestMain(m *testing.M) {
	if root := os.Getenv(serverRoot); root != "" {
		if err := serveShell(root); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(rsync.ExitCode(err))
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serveShell is a server on standard input and output, whose arguments are
// behind the host and the program that a remote shell is given.
func serveShell(root string) error {
	conn, err := wire.NewStream(os.Stdin, os.Stdout, wire.Options{Timeout: 10 * time.Second})
	if err != nil {
		return err
	}
	defer conn.Close()
	l := &link{r: rsync.NewReader(conn, false), w: rsync.NewWriter(conn), c: conn}
	args := os.Args[slices.Index(os.Args, "--server"):]
	if bundle := args[len(args)-1]; strings.HasPrefix(bundle, "-s") {
		more, err := rsync.ReadSecluded(l.r)
		if err != nil {
			return err
		}
		args = append(args, more...)
	}
	a, err := rsync.ParseArgs(args, nil)
	if err != nil {
		return err
	}
	if err := l.w.WriteVersion(rsync.MaxProtocol); err != nil {
		return err
	}
	v, err := l.r.ReadVersion(rsync.MaxProtocol)
	if err != nil {
		return err
	}
	l.r.SetProtocol(v)
	l.w.SetProtocol(v)
	s, err := rsync.ServerSetup(l.r, l.w, a)
	if err != nil {
		return err
	}
	// There is no test in this process; a failure ends it, and the client tells.
	t := &testing.T{}
	if !a.Sender {
		return (&testReceiver{link: l, t: t, s: s, root: root, server: true}).receive()
	}
	if _, err := rsync.ReadFilters(l.r); err != nil {
		return err
	}
	return errors.Join((&testSender{link: l, t: t, s: s, root: root, server: true}).send(), conn.Flush())
}

func TestStockClientOverShell(t *testing.T) {
	src := makeTree(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, options := range []string{"-aHAX", "-a --protocol=29", "-as"} {
		for _, push := range []bool{false, true} {
			dst := t.TempDir()
			root, args := src, append(strings.Fields(options), "-e", self, "host:any/", dst)
			if push {
				root, args = dst, append(strings.Fields(options), "-e", self, src+"/", "host:any/")
			}
			cmd := exec.Command(stock(t), args...)
			cmd.Env = append(os.Environ(), serverRoot+"="+root)
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s, push %v: %v: %s", options, push, err, out)
			}
			if !push {
				same(t, "-rlpgoD", src, dst)
			}
		}
	}
}

// TestPullOverShell pulls from "rsync --server" on two pipes.
func TestPullOverShell(t *testing.T) {
	src := makeTree(t)
	for _, c := range []struct {
		protocol int
		secluded bool
	}{{32, false}, {32, true}, {30, false}, {29, false}} {
		a := archive("i")
		a.Sender, a.Secluded, a.Paths = true, c.secluded, []string{src + "/"}
		head, tail := a.Build(c.protocol)
		args := head
		if !c.secluded {
			args = append(args, tail...)
		}
		cmd := exec.Command(stock(t), args...)
		cmd.Stderr = os.Stderr
		out, err1 := cmd.StdoutPipe()
		in, err2 := cmd.StdinPipe()
		if err := errors.Join(err1, err2, cmd.Start()); err != nil {
			t.Fatal(err)
		}
		conn, err := wire.NewStream(out, in, wire.Options{Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		x := &testReceiver{link: &link{r: rsync.NewReader(conn, true), w: rsync.NewWriter(conn), c: conn}, t: t, root: t.TempDir()}
		if err := pullOverShell(x, &a, tail, c.protocol); err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		conn.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%+v: the server: %v", c, err)
		}
		checkTree(t, x, src)
	}
}

func pullOverShell(x *testReceiver, a *rsync.Args, tail []string, protocol int) error {
	if a.Secluded {
		if err := rsync.WriteSecluded(x.w, tail); err != nil {
			return err
		}
	}
	if err := x.w.WriteVersion(protocol); err != nil {
		return err
	}
	v, err := x.r.ReadVersion(protocol)
	if err != nil {
		return err
	}
	x.r.SetProtocol(v)
	x.w.SetProtocol(v)
	if x.s, err = rsync.ClientSetup(x.r, x.w, a); err != nil {
		return err
	}
	if err := errors.Join(rsync.WriteFilters(x.w, nil), x.w.Flush()); err != nil {
		return err
	}
	return x.receive()
}
