package integration

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var wholeTree = flag.Bool("stock.whole", false, "try stock peers with all of the Go toolchain, not its sources alone")

// goTree copies the sources of the Go toolchain to dir and puts the oddities
// beside them.
func goTree(t testing.TB, dir string) string {
	t.Helper()
	from := strings.TrimSpace(mustRun(t, "go", "env", "GOROOT"))
	if !*wholeTree {
		from = filepath.Join(from, "src")
	}
	mustRun(t, "cp", "-a", from, dir)
	addOddities(t, dir)
	return dir
}

// oddTree is a small tree that has one of everything.
func oddTree(t testing.TB, dir string) string {
	t.Helper()
	addOddities(t, dir)
	randomFile(t, filepath.Join(dir, "large"), 3<<20+17, 1)
	writeFile(t, filepath.Join(dir, "text"), strings.Repeat("all work and no play\n", 1<<14))
	writeFile(t, filepath.Join(dir, "empty"), "")
	check(t, os.Mkdir(filepath.Join(dir, "empty.d"), 0o755))
	// The order of directories: "a/" comes behind "a.b/" and "a-b/".
	for _, name := range []string{"a", "a.b", "a-b", "a0", "a b"} {
		writeFile(t, filepath.Join(dir, "order", name, "in", name), name)
		writeFile(t, filepath.Join(dir, "order", name+".file"), name)
	}
	return dir
}

// anyTree is an oddTree, with the whole toolchain in it if that is asked for.
func anyTree(t testing.TB, dir string) string {
	t.Helper()
	oddTree(t, dir)
	if *wholeTree {
		goTree(t, filepath.Join(dir, "go"))
	}
	return dir
}

// age makes dst an older copy of src: some files differ, some are missing, some
// are too many.
func age(t testing.TB, src, dst string) {
	t.Helper()
	mustRun(t, "rsync", "-aHAX", src+"/", dst+"/")
	edit(t, filepath.Join(dst, "large"))
	check(t, os.RemoveAll(filepath.Join(dst, "odd", "links")))
	check(t, os.Remove(filepath.Join(dst, "odd", "attributes", "file")))
	writeFile(t, filepath.Join(dst, "odd", "extraneous", "file"), "extraneous")
	writeFile(t, filepath.Join(dst, "text"), "short")
	writeFile(t, filepath.Join(dst, "empty"), "not empty")
	check(t, os.Chmod(filepath.Join(dst, "order", "a.b"), 0o700))
}

// edit changes one byte in a hundred blocks or so of a file, and its length.
func edit(t testing.TB, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, err)
	for at := 1000; at < len(b); at += 100_000 {
		b[at] ^= 1
	}
	check(t, os.WriteFile(path, append([]byte("inserted"), b...), 0o644))
}

// stockURL names a path of a daemon, of either kind.
func stockURL(addr, modulePath string) string { return "rsync://" + addr + "/" + modulePath }

// stockMatrix are options of a stock client under which everything is to come
// out right. What older protocols can't say is left out of the judgement.
var stockMatrix = []struct{ options, judge string }{
	{"-aHAXSi", ""},
	{"-aHAXSi --no-i-r", ""},
	{"-aHAXc", ""},
	{"-aHAXz --zc=zstd", ""},
	{"-aHAXz --zc=lz4 --no-i-r", ""},
	{"-aHAXz --zc=zlibx", ""},
	{"-aHAXz --zc=zlib --cc=sha1", ""},
	{"-aHAX --cc=md5 -B8192", ""},
	{"-aHAX --cc=xxh64 --numeric-ids", ""},
	{"-aHAXW --cc=none", ""},
	{"-aHAXs --inplace", ""},
	{"-aHAXc --protocol=31", ""},
	{"-aHAXi --protocol=30", "--modify-window=1"},
	{"-aHAXz --protocol=30 --no-i-r", "--modify-window=1"},
	{"-aHi --protocol=29", "--no-times --no-acls --no-xattrs"},
	{"-aHcz --protocol=29", "--no-times --no-acls --no-xattrs"},
}

// TestStockClientPulls has stock rsync pull from our daemon.
func TestStockClientPulls(t *testing.T) {
	dir := t.TempDir()
	small, large := oddTree(t, filepath.Join(dir, "small")), goTree(t, filepath.Join(dir, "large"))
	d := serve(t, daemonConfig{modules: []module{{name: "small", path: small}, {name: "large", path: large}}})
	t.Run("large", func(t *testing.T) {
		dst := filepath.Join(dir, "pulled")
		pull := []string{"rsync", "-aHAXSi", "--delete", "--modify-window=-1", stockURL(d.addr, "large/"), dst + "/"}
		mustRun(t, pull...)
		judge(t, large, dst)
		if again := mustRun(t, pull...); again != "" {
			t.Errorf("the second run did something:\n%s", again)
		}
		t.Logf("churn: %v", churn(t, large, 200, 20261123))
		mustRun(t, pull...)
		judge(t, large, dst)
	})
	for _, m := range stockMatrix {
		t.Run(m.options, func(t *testing.T) {
			dst := filepath.Join(t.TempDir(), "dst")
			age(t, small, dst)
			args := append([]string{"rsync", "--delete"}, strings.Fields(m.options)...)
			mustRun(t, append(args, stockURL(d.addr, "small/"), dst+"/")...)
			judge(t, small, dst, strings.Fields("--modify-window=0 "+m.judge)...)
		})
	}
}
