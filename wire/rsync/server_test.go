package rsync_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed9553035b/syncd/wire/rsync"
)

// A testDaemon serves one module "m" to stock clients.
type testDaemon struct {
	t        *testing.T
	root     string
	password string // of user "u"; "" for no authentication
	names    []string
	rules    []string
	result   chan error
	recv     *testReceiver
	args     *rsync.Args
	early    []byte
	link     *link
	s        *rsync.Session
}

// serve handles one connection.
func (d *testDaemon) serve(c *net.TCPConn) {
	l := newLink(d.t, c, false)
	d.link = l
	err := d.session(l)
	if len(l.text) > 0 {
		d.t.Errorf("the client says %q", l.text)
	}
	l.c.Close()
	d.result <- err
}

// newDaemon returns a daemon for connections one after the other, and its
// address.
func newDaemon(t *testing.T, d testDaemon) (*testDaemon, string) {
	t.Helper()
	d.t, d.result = t, make(chan error, 9)
	return &d, listen(t, d.serve)
}

func (d *testDaemon) session(l *link) error {
	h, err := rsync.DaemonHello(l.r, l.w, "welcome\n")
	if err != nil {
		return err
	}
	req, err := rsync.ReadRequest(l.r, l.w)
	if err != nil {
		return err
	}
	d.early = req.EarlyInput
	if req.List {
		return rsync.WriteModules(l.w, []rsync.Module{{Name: "m", Comment: "a module"}})
	}
	if req.Module != "m" {
		return rsync.Refuse(l.w, fmt.Sprintf("Unknown module '%s'", req.Module))
	}
	if d.password != "" {
		claim, err := h.Challenge(l.r, l.w)
		if err != nil {
			return err
		}
		if claim.User != "u" || !claim.Verify(d.password) {
			return errors.Join(errors.New("auth failed"), rsync.Refuse(l.w, "auth failed on module m"))
		}
	}
	if err := rsync.Accept(l.w); err != nil {
		return err
	}
	args, _, err := rsync.ReadArgs(l.r)
	if err != nil {
		return err
	}
	if d.args, err = rsync.ParseArgs(args, nil); err != nil {
		return err
	}
	s, err := rsync.ServerSetup(l.r, l.w, d.args)
	if err != nil {
		return err
	}
	d.s = s
	if d.args.SendsFilters(s.Protocol) {
		if d.rules, err = rsync.ReadFilters(l.r); err != nil {
			return err
		}
	}
	if d.args.Sender {
		return d.send(l, s)
	}
	return d.receive(l, s)
}

func (d *testDaemon) send(l *link, s *rsync.Session) error {
	if d.args.FilesFrom == "-" {
		err := rsync.ReadNames(l.r, func(name string) error {
			d.names = append(d.names, name)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return (&testSender{link: l, t: d.t, s: s, root: d.root, server: true}).send()
}

func (d *testDaemon) receive(l *link, s *rsync.Session) error {
	if d.args.FilesFrom != "" {
		list := slices.Clone(d.names)
		err := rsync.WriteNames(l.w, func() (string, bool) {
			if len(list) == 0 {
				return "", false
			}
			name := list[0]
			list = list[1:]
			return name, true
		})
		if err != nil {
			return err
		}
	}
	d.recv = &testReceiver{link: l, t: d.t, s: s, root: d.root, server: true}
	return d.recv.receive()
}

// client runs a stock client; TARGET in its arguments becomes the module.
func client(t *testing.T, addr string, args ...string) (string, error) {
	t.Helper()
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "TARGET", "rsync://u@"+addr+"/m/")
	}
	cmd := exec.Command(stock(t), append([]string{"--timeout=10"}, args...)...)
	cmd.Env = append(os.Environ(), "RSYNC_PASSWORD=secret")
	out, err := cmd.CombinedOutput()
	return strings.TrimPrefix(string(out), "welcome\n\n"), err
}

var clientOptions = []string{
	"-a", "-a --no-i-r", "-aHAXc", "-aHAXc --no-i-r", "-aHAXc --protocol=31", "-aHAXc --protocol=30",
	"-aHAXc --protocol=30 --no-i-r", "-aHc --protocol=29", "-aHc --protocol=28", "-aHc --protocol=27",
	"-az", "-az --zc=lz4", "-az --zc=zlibx", "-az --zc=zlib -B100000", "-az --protocol=30 -B100000", "-az --protocol=29",
	"-as", "-aU", "-a --numeric-ids", "-a --cc=none", "-a --cc=xxh64", "-a --cc=sha1",
}

func TestStockClientPulls(t *testing.T) {
	src := makeTree(t)
	for _, options := range clientOptions {
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			d, addr := newDaemon(t, testDaemon{root: src})
			dst := oldCopy(t, src)
			out, err := client(t, addr, append(strings.Fields(options), "TARGET", dst)...)
			if serr := <-d.result; err != nil || out != "" || serr != nil {
				t.Fatalf("%v, %v: %s", err, serr, out)
			}
			check := "-rlpgoD"
			if !strings.Contains(options, "protocol=") {
				check += "t"
			}
			if strings.Contains(options, "A") {
				check += "HAX"
			}
			same(t, check, src, dst)
		})
	}
}

func TestStockClientPushes(t *testing.T) {
	src := makeTree(t)
	for _, options := range clientOptions {
		t.Run(options, func(t *testing.T) {
			t.Parallel()
			d, addr := newDaemon(t, testDaemon{root: oldCopy(t, src)})
			out, err := client(t, addr, append(strings.Fields(options), src+"/", "TARGET")...)
			if serr := <-d.result; err != nil || out != "" || serr != nil {
				t.Fatalf("%v, %v: %s", err, serr, out)
			}
			checkTree(t, d.recv, src)
		})
	}
}

func TestStockClientListsModules(t *testing.T) {
	d, addr := newDaemon(t, testDaemon{})
	out, err := exec.Command(stock(t), "rsync://"+addr+"/").CombinedOutput()
	if want := "welcome\n\nm              \ta module\n"; string(out) != want || err != nil {
		t.Errorf("got %q, %v; want %q", out, err, want)
	}
	if err := <-d.result; err != nil {
		t.Error(err)
	}
	out, err = exec.Command(stock(t), "rsync://"+addr+"/other/").CombinedOutput()
	if !strings.Contains(string(out), "@ERROR: Unknown module 'other'") || exitCode(err) != rsync.ExitStart {
		t.Errorf("got %q, %v", out, err)
	}
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

func TestStockClientAuthenticates(t *testing.T) {
	src := t.TempDir()
	for _, options := range []string{"-r", "-r --protocol=30", "-r --protocol=29"} {
		for password, code := range map[string]int{"secret": 0, "wrong": rsync.ExitStart} {
			d, addr := newDaemon(t, testDaemon{root: src, password: password})
			early := filepath.Join(t.TempDir(), "early")
			if err := os.WriteFile(early, []byte("early\n\x00bird"), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := client(t, addr, append(strings.Fields(options), "--early-input="+early, "TARGET", t.TempDir())...)
			if serr := <-d.result; exitCode(err) != code || (serr != nil) != (code != 0) {
				t.Errorf("%s with password %q: %v: %s", options, password, err, out)
			}
			if string(d.early) != "early\n\x00bird" {
				t.Errorf("early input %q", d.early)
			}
		}
	}
}

func TestStockClientSendsFiltersAndNames(t *testing.T) {
	for _, protocol := range []string{"32", "31", "30", "29"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			d, addr := newDaemon(t, testDaemon{root: t.TempDir()})
			list := filepath.Join(t.TempDir(), "list")
			if err := os.WriteFile(list, []byte("a\nb/c\nd e\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := client(t, addr, "-r", "--protocol="+protocol, "--files-from="+list, "--exclude=/x", "-f", "+s keep/", "-f", "P prot",
				"-f", ": .rules", "TARGET", t.TempDir())
			if serr := <-d.result; err != nil || out != "" || serr != nil {
				t.Fatalf("%v, %v: %s", err, serr, out)
			}
			if want := []string{"a", "b/c", "d e"}; !slices.Equal(d.names, want) {
				t.Errorf("names %q, want %q", d.names, want)
			}
			if want := []string{"- /x", "+s keep/", ": .rules"}; !slices.Equal(d.rules, want) {
				t.Errorf("rules %q, want %q", d.rules, want)
			}
		})
	}
}

func TestStockClientTakesNames(t *testing.T) {
	src := makeTree(t)
	for _, protocol := range []string{"32", "30", "29"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			d, addr := newDaemon(t, testDaemon{root: t.TempDir(), names: []string{"one", "d1/a"}})
			out, err := client(t, addr, "-a", "--protocol="+protocol, "--files-from=:list", src, "TARGET")
			if serr := <-d.result; err != nil || out != "" || serr != nil {
				t.Fatalf("%v, %v: %s", err, serr, out)
			}
			for _, name := range d.names {
				got, err := os.ReadFile(filepath.Join(d.root, name))
				want, _ := os.ReadFile(filepath.Join(src, name))
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}
