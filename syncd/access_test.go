package syncd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// TestHosts covers hosts_allow and hosts_deny.
func TestHosts(t *testing.T) {
	known := map[string]string{"a.example": "192.0.2.1", "six.example": "2001:db8::1"}
	for _, c := range []struct {
		name, allow, deny, addr, host string
		noReverse, noForward          bool
		want                          bool
	}{
		{name: "no lists", addr: "192.0.2.1", want: true},
		{name: "an address", allow: "192.0.2.1", addr: "192.0.2.1", want: true},
		{name: "another address", allow: "192.0.2.1", addr: "192.0.2.2"},
		{name: "a network", allow: "192.0.2.0/24", addr: "192.0.2.200", want: true},
		{name: "a network with host bits", allow: "192.0.2.9/24", addr: "192.0.2.200", want: true},
		{name: "a mask", allow: "192.0.2.0/255.255.255.0", addr: "192.0.3.1"},
		{name: "a mask with a hole", allow: "10.0.0.1/255.0.0.255", addr: "10.9.9.1", want: true},
		{name: "everything of a version", allow: "0.0.0.0/0", addr: "2001:db8::1"},
		{name: "IPv6", allow: "2001:db8::/32", addr: "2001:db8:1::1", want: true},
		{name: "an IPv6 mask", allow: "2001:db8::/ffff:ffff::", addr: "2001:db9::1"},
		{name: "a zone", allow: "fe80::1%eth0", addr: "fe80::1%eth1"},
		{name: "the same zone", allow: "fe80::%eth0/10", addr: "fe80::1%eth0", want: true},
		{name: "IPv4 in IPv6", allow: "192.0.2.1", addr: "::ffff:192.0.2.1", want: true},
		{name: "denied", deny: "192.0.2.1", addr: "192.0.2.1"},
		{name: "denied but allowed", allow: "192.0.2.1", deny: "*", addr: "192.0.2.1", want: true},
		{name: "in neither list", allow: "192.0.2.1", deny: "192.0.2.2", addr: "192.0.2.3", want: true},
		{name: "a pattern", allow: "*.Example", addr: "192.0.2.9", host: "b.example", want: true},
		{name: "a class that is negated", deny: "[!b]*.example", addr: "192.0.2.9", host: "b.example", want: true},
		{name: "a class that is negated, of another name", deny: "[!b]*.example", addr: "192.0.2.9", host: "c.example"},
		{name: "a pattern without lookups", allow: "*.example", addr: "192.0.2.9", host: "b.example", noReverse: true},
		{name: "a name", allow: "a.example", addr: "192.0.2.1", want: true},
		{name: "a name without lookups", allow: "a.example", addr: "192.0.2.1", noForward: true},
		{name: "a name that is not there", allow: "none.example", addr: "192.0.2.1"},
		{name: "a denied name that is not there", deny: "none.example", addr: "192.0.2.1"},
		{name: "a denied name that is not there, without lookups", deny: "none.example", addr: "192.0.2.1", noForward: true, want: true},
		{name: "half an address", deny: "192.0", addr: "192.0.2.1", want: true},
		{name: "half an IPv6 address", deny: "2001:db8", addr: "192.0.2.1", want: true},
		{name: "a name when there is no name server", allow: "down.example", addr: "192.0.2.1"},
		{name: "a denied name when there is no name server", deny: "down.example", addr: "192.0.2.1"},
		{name: "an IPv6 name", deny: "six.example", addr: "2001:db8::1"},
		{name: "a remote shell", deny: "*", addr: "0.0.0.0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			reverse, forward := !c.noReverse, !c.noForward
			m, err := newModule(&config.Module{Name: "m", Path: "/m", HostsAllow: strings.Fields(c.allow), HostsDeny: strings.Fields(c.deny),
				ReverseLookup: &reverse, ForwardLookup: &forward}, openFile)
			if err != nil {
				t.Fatal(err)
			}
			h := &host{addr: netip.MustParseAddr(c.addr).Unmap(),
				resolve: func(context.Context, netip.Addr) string { return c.host },
				forward: func(_ context.Context, name string) ([]netip.Addr, error) {
					if a, ok := known[name]; ok {
						return []netip.Addr{netip.MustParseAddr(a)}, nil
					}
					return nil, &net.DNSError{IsNotFound: name != "down.example"}
				}}
			if got := m.allowed(context.Background(), h); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
	for _, bad := range []string{"@group", "1.2.3.4/33", "1.2.3.4/x", "1.2.3.4/-1", "a/b", "[", "[[:alpha:]]*", "::1/255.0.0.0"} {
		if _, err := parseHosts([]string{bad}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func FuzzHost(f *testing.F) {
	for _, item := range []string{"10.0.0.0/8", "fe80::%eth0/ffff::", "*.example", "@x"} {
		f.Add(item)
	}
	f.Fuzz(func(t *testing.T, item string) {
		h, err := parseHost(item)
		if err == nil && h.mask.IsValid() && !h.contains(h.addr) {
			t.Errorf("%s does not contain its own address", item)
		}
	})
}

// TestVariables covers what clients can put into paths.
func TestVariables(t *testing.T) {
	user := ""
	variables := map[string]func() string{"RSYNC_USER_NAME": func() string { return user }}
	for _, c := range []struct{ text, user, want string }{
		{"/a/b", "", "/a/b"},
		{"/home/%RSYNC_USER_NAME%/in", "joe", "/home/joe/in"},
		{"/%%RSYNC_USER_NAME%%", "joe", "/%RSYNC_USER_NAME%"},
		{"/100%", "", "/100%"},
		{"/%OTHER%/%RSYNC_USER_NAME%", "joe", "/%OTHER%/joe"},
		{"/home/%RSYNC_USER_NAME%", "", ""},
		{"/home/%RSYNC_USER_NAME%", "..", ""},
		{"/home/%RSYNC_USER_NAME%", "a/../../etc", ""},
		{"/home/%RSYNC_USER_NAME%", "%RSYNC_USER_NAME%", "/home/%RSYNC_USER_NAME%"},
	} {
		user = c.user
		got, err := expandVariables(c.text, variables)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%s for %q: got %q, %v", c.text, c.user, got, err)
		}
	}
}

// TestSecrets covers when a secrets file is not used.
func TestSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	for _, c := range []struct {
		mode   os.FileMode
		strict bool
		ok     bool
	}{{0o600, true, true}, {0o640, true, true}, {0o644, true, false}, {0o602, true, false}, {0o666, false, true}} {
		if err := errors.Join(os.WriteFile(path, []byte("a:b\n"), 0o600), os.Chmod(path, c.mode)); err != nil {
			t.Fatal(err)
		}
		if _, err := readSecrets(path, c.strict); (err == nil) != c.ok {
			t.Errorf("%v, strict %v: %v", c.mode, c.strict, err)
		}
	}
	if err := os.WriteFile(path, make([]byte, maxSecrets+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readSecrets(path, false); err == nil {
		t.Error("a file of any size is read")
	}
}

// TestAuthRules covers which rule decides about a user.
func TestAuthRules(t *testing.T) {
	rules, err := parseAuthRules([]string{"joe:deny", "@root:rw", "j*:RO", "ann"})
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]string{"joe": "joe deny ", "jim": "j* ro ", "ann": "ann  ", "root": "root rw root", "bob": ""} {
		got := ""
		if r, group := match(rules, user); r != nil {
			got = r.pattern + " " + r.access + " " + group
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", user, got, want)
		}
	}
	for _, bad := range []string{"joe:admin", "@", ":ro", "[x", "[[:alpha:]]*"} {
		if _, err := parseAuthRules([]string{bad}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestNativeRefusals covers refuse_options for native clients.
func TestNativeRefusals(t *testing.T) {
	none := int64(0)
	all := Options{HardLinks: true, ACLs: true, Xattrs: true, Sparse: true, NumericIDs: true, OneFS: true, Timeout: 5, DryRun: true, Checksum: true,
		Update: true, Delete: true, MaxDelete: &none, Fsync: FsyncFile, Inplace: true, AppendVerify: true, Partial: true, PartialDir: []byte("."),
		Fuzzy: true, AltDests: []AltDest{{LinkDest, []byte(".")}, {CopyDest, []byte("--server")}}, Compress: CompressAuto, Level: 22, WholeFile: true,
		BlockSize: 1 << 20, Itemize: true}
	for _, c := range []struct {
		name, refuse string
		pull         bool
		opt          Options
		want         string // behind the stock text, "" if nothing is refused
	}{
		{"nothing, push", "", false, all, ""},
		{"nothing, pull", "", true, all, ""},
		{"deletion", "delete", false, Options{Delete: true}, "--delete"},
		{"deletion at the client", "delete", true, Options{Delete: true}, ""},
		{"another option", "delete", false, Options{Checksum: true}, ""},
		{"checksum of a pull", "c", true, Options{Checksum: true}, "--checksum (-c)"},
		{"dry run of a pull", "dry-run", true, Options{DryRun: true}, "--dry-run (-n)"},
		{"compression", "compress", true, Options{Compress: CompressAuto}, "--compress (-z)"},
		{"a level alone", "compress", true, Options{Level: 3}, ""},
		{"writing in place as partial files", "partial", false, Options{Inplace: true}, "--partial"},
		{"appending", "append", false, Options{AppendVerify: true}, "--append"},
		{"a name as a partial directory", "partial-dir", false, Options{PartialDir: []byte(".p")}, "--partial-dir"},
		{"links to other trees", "link-dest", false, all, "--link-dest"},
		{"syncing", "fsync", false, Options{Fsync: FsyncCommit}, "--fsync"},
		{"everything", "*", true, Options{}, "--links (-l)"},
		{"everything but -a", "* !a", true, Options{}, ""},
		{"everything but -a, and more", "* !a", true, Options{Xattrs: true}, "--xattrs (-X)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.opt.refusedBy(append(rsync.Refusals{}, strings.Fields(c.refuse)...), c.pull)
			if (err == nil) != (c.want == "") || err != nil && err.Error() != "The server is configured to refuse "+c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// TestCredential covers the ids of modules.
func TestCredential(t *testing.T) {
	const nobody = "54321" // without an account
	for _, c := range []struct {
		name, uid string
		gids      []string
		want      string // of the error
	}{
		{"neither", "", nil, ""},
		{"a number without an account", nobody, nil, "give a gid"},
		{"all groups of a number without an account", nobody, []string{"*"}, "invalid gid *"},
		{"a number without an account, and a group", nobody, []string{"54322", "54323"}, ""},
		{"an account", "nobody", nil, ""},
		{"one's own", fmt.Sprint(os.Geteuid()), nil, ""},
		{"no such user", "nosuchuser", nil, "invalid uid nosuchuser"},
		{"no such group", "", []string{"nosuchgroup"}, "invalid gid nosuchgroup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := credential(c.uid, c.gids)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if got != nil && got.Uid != 0 && got.Gid == 0 {
				t.Errorf("the group of root: %+v", got)
			}
		})
	}
}

// TestStockTimeout covers which timeout is in force for a stock client.
func TestStockTimeout(t *testing.T) {
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := wire.NewStream(in, out, wire.Options{Stats: &NewStats().Stats})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, c := range []struct {
		name            string
		module, daemon  time.Duration
		client, inForce int
		lowered         bool
	}{
		{"the client's", 0, 0, 5, 5, false},
		{"the client's, which is shorter", time.Minute, time.Minute, 5, 5, false},
		{"the module's", time.Minute, time.Hour, 61, 60, true},
		{"the module's, which is longer than the daemon's", time.Hour, time.Minute, 61, 61, false},
		{"the module's, of a client without one", time.Minute, time.Hour, 0, 60, true},
		{"the daemon's", 0, time.Minute, 86400, 60, true},
		{"the daemon's, which is short", 0, time.Second / 2, 86400, 1, true},
		{"the connection's, of a client without one", 0, time.Minute, 0, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := &session{cfg: &config.Config{Timeout: c.daemon}, module: &module{Module: config.Module{Timeout: c.module}}, conn: conn}
			a := &rsync.Args{Timeout: c.client}
			n.setTimeout(a)
			if a.Timeout != c.inForce || n.lowered != c.lowered {
				t.Errorf("got %d seconds, lowered %v", a.Timeout, n.lowered)
			}
		})
	}
}
