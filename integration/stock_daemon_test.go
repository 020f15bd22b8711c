package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ourMatrix are options of our client under which everything is to come out
// right with a stock daemon at the other end.
var ourMatrix = []string{"-HAX", "-HAXS", "-HAXc", "-HAXW", "-HAXz", "-HAX --numeric-ids -B 4096", "-HAX --inplace",
	"-HAX --fsync commit", "-HAX --fuzzy", "-HAX --partial"}

// TestPullsFromStockDaemon has our client pull from a stock daemon.
func TestPullsFromStockDaemon(t *testing.T) {
	dir := t.TempDir()
	small, large := oddTree(t, filepath.Join(dir, "small")), goTree(t, filepath.Join(dir, "large"))
	addr := stockDaemon(t, module{name: "small", path: small}, module{name: "large", path: large})
	t.Run("large", func(t *testing.T) {
		dst := filepath.Join(dir, "pulled")
		pull := []string{"-HAX", "--delete", stockURL(addr, "large/"), dst + "/"}
		first := mustSync(t, pull...)
		judge(t, large, dst)
		noStagingNames(t, dst)
		if again := mustSync(t, pull...); again.Transferred != 0 || again.LiteralBytes != 0 || again.Deleted != 0 {
			t.Errorf("the second run did something: %+v", again)
		}
		t.Logf("%d entries, %d files, %d bytes, %+v", first.Entries, first.Transferred, first.LiteralBytes, first.PathBytes)
		t.Logf("churn: %v", churn(t, large, 200, 20261124))
		mustSync(t, pull...)
		judge(t, large, dst)
	})
	for _, options := range ourMatrix {
		t.Run(options, func(t *testing.T) {
			dst := filepath.Join(t.TempDir(), "dst")
			age(t, small, dst)
			mustSync(t, append(strings.Fields(options), "--delete", stockURL(addr, "small/"), dst+"/")...)
			judge(t, small, dst)
			noStagingNames(t, dst)
		})
	}
}

// stockDaemon starts a stock daemon with writable modules and returns its
// address. It changes its root: else it would change the targets of symlinks.
func stockDaemon(t testing.TB, modules ...module) string {
	t.Helper()
	var conf strings.Builder
	conf.WriteString("use chroot = yes\nuid = root\ngid = root\naddress = 127.0.0.1\nread only = no\n")
	for _, m := range modules {
		fmt.Fprintf(&conf, "[%s]\npath = %s\n%s\n", m.name, m.path, m.keys)
	}
	file := filepath.Join(t.TempDir(), "rsyncd.conf")
	writeFile(t, file, conf.String())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	addr := l.Addr().String()
	check(t, l.Close())
	_, port, err := net.SplitHostPort(addr)
	check(t, err)
	c := exec.Command("rsync", "--daemon", "--no-detach", "--port="+port, "--config="+file)
	check(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	eventually(t, "the stock daemon listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return addr
}

// TestPushesToStockDaemon has our client push to a stock daemon.
func TestPushesToStockDaemon(t *testing.T) {
	dir := t.TempDir()
	small, large := oddTree(t, filepath.Join(dir, "small")), goTree(t, filepath.Join(dir, "large"))
	in := filepath.Join(dir, "in")
	check(t, os.Mkdir(in, 0o755))
	addr := stockDaemon(t, module{name: "in", path: in})
	t.Run("large", func(t *testing.T) {
		push := []string{"-HAX", "--delete", large + "/", stockURL(addr, "in/large/")}
		mustSync(t, push...)
		judge(t, large, filepath.Join(in, "large"), "--modify-window=0") // the receiver compares seconds
		if again := mustSync(t, push...); again.Transferred != 0 || again.LiteralBytes != 0 || again.Deleted != 0 {
			t.Errorf("the second run did something: %+v", again)
		}
		t.Logf("churn: %v", churn(t, large, 200, 20261125))
		mustSync(t, push...)
		judge(t, large, filepath.Join(in, "large"), "--modify-window=0")
	})
	for i, options := range ourMatrix {
		t.Run(options, func(t *testing.T) {
			name := fmt.Sprint(i)
			age(t, small, filepath.Join(in, name))
			mustSync(t, append(strings.Fields(options), "--delete", small+"/", stockURL(addr, "in/"+name+"/"))...)
			judge(t, small, filepath.Join(in, name), "--modify-window=0")
		})
	}
}
