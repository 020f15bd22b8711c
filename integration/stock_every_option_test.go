package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// takenOptions are options of stock's client that our daemon does, or that do
// not concern it.
var takenOptions = []string{
	"-v", "--info=all", "--debug=none", "--stderr=all", "-q", "--no-motd", "-c", "-a", "--no-times", "-r", "--inc-recursive",
	"--no-inc-recursive", "--no-i-r", "--no-implied-dirs", "-u", "--inplace", "--append", "--append-verify", "-d", "--old-dirs", "-l",
	"--insecure-links", "--confine-root=/", "--munge-links", "-H", "-p", "-E", "--chmod=u+w", "-A", "-X", "-o", "-g", "--devices",
	"--specials", "--drop-D", "-D", "--no-D", "-t", "-O", "-J", "--super", "--fake-super", "-S", "-n", "-W", "--no-W",
	"--checksum-choice=md5", "-x", "-B1024", "--del", "--delete", "--delete-before", "--delete-during", "--delete-delay", "--delete-after",
	"--delete-excluded", "--max-delete=5", "--max-alloc=100m", "--partial", "--partial-dir=.p", "--numeric-ids", "--timeout=30",
	"--contimeout=30", "--modify-window=1", "-@-1", "-y", "-yy", "--compare-dest=../x", "--copy-dest=../x", "--link-dest=../x", "-z",
	"--compress-choice=zlib", "--new-compress", "--old-compress", "--compress-threads=2", "--skip-compress=gz/zip", "--filter=-_x",
	"--exclude=x", "--exclude-from=%D/list", "--include=x", "--include-from=%D/list", "-s", "--trust-sender", "--old-args",
	"--address=127.0.0.1", "--sockopts=TCP_NODELAY", "--blocking-io", "--outbuf=L", "--stats", "-8", "-h", "--progress", "-P", "-i",
	"--out-format=%n", "--log-file=%D/log", "--password-file=%D/password", "--list-only", "--bwlimit=10000", "--stop-after=10", "--fsync",
	"--write-batch=%D/batch", "--protocol=31", "--checksum-seed=5", "-4", "--early-input=%D/list", "--msgs2stderr", "--no-msgs2stderr",
	"--protect-args", "--time-limit=5", "--log-format=%n", "--copy-as=root", "--compress-level=3", "-z --compress-level=0",
	"--compress-level=0", "--zc=zlib --zl=0", "--zc=zlibx --zl=9", "--zc=zstd --zl=19", "--zc=lz4 --zl=0", "--zc=none --zl=3",
	"--zl=5 --protocol=29", "--zl=0 --protocol=29", "--existing", "--ignore-non-existing", "--ignore-existing", "--max-size=1m",
	"--min-size=1", "-I", "--size-only", "--ignore-errors", "--force", "-m",
	"--mkpath", "--safe-links", "--usermap=0:0", "--groupmap=0:0", "--chown=0:0", "--no-links --delete",
	"-b", "--backup --backup-dir=bak", "--backup --suffix=.old",
}

// refusedOptions are those that it refuses on a pull or on a push, each with the
// name that it says, "" where the option is the client's own business. What
// becomes of an option on its way is said by that name.
var refusedOptions = []struct{ option, pull, push string }{
	{"-R", "--relative", "--relative"},
	{"-L", "--copy-links", ""},
	{"--copy-unsafe-links", "--copy-unsafe-links", ""},
	{"-k", "--copy-dirlinks", ""},
	{"-K", "", "--keep-dirlinks"},
	{"--no-p -E", "", "--executability"},
	{"-A --no-p", "", "--acls without --perms"},
	{"-XX", "--xattrs given twice", "--xattrs given twice"},
	{"--copy-devices", "--copy-devices", ""},
	{"--write-devices", "", "--write-devices"},
	{"-U", "--atimes", "--atimes"},
	{"--open-noatime", "--open-noatime", ""},
	{"--preallocate", "", "--preallocate"},
	{"-xx", "--one-file-system given twice", "--one-file-system given twice"},
	{"--remove-source-files", "--remove-source-files", "--remove-source-files"},
	{"--ignore-missing-args", "--ignore-missing-args", ""},
	{"--delete-missing-args", "--delete-missing-args", "--delete-missing-args"},
	{"--partial-dir=/tmp/p", "", "partial-dir"},
	{"--delay-updates", "", "--delay-updates"},
	{"-T /tmp", "", "--temp-dir"},
	{"-C", "--cvs-exclude", "--cvs-exclude"},
	{"-F", "per-directory filter rules", ""},
	{"-FF", "per-directory filter rules", ""},
	{"--files-from=%D/list", "--files-from", "--relative"},
	{"--files-from=%D/list --from0", "--files-from", "--relative"},
	{"--only-write-batch=%D/batch2", "", "--only-write-batch"},
	{"--iconv=utf8,latin1", "--iconv", "--iconv"},
	{"--remove-sent-files", "--remove-source-files", "--remove-source-files"},
	{"-M--unknown", "--unknown", "--unknown"},
	{"-M-Y", "-Y", "-Y"},
	{"--remote-option=--fake-super", "--fake-super", "--fake-super"},
}

// TestEveryOption has stock clients pull and push with each of their options:
// our daemon does what it is told, or refuses by name, with the code for that,
// and then does nothing.
func TestEveryOption(t *testing.T) {
	dir := t.TempDir()
	src, in := filepath.Join(dir, "src"), filepath.Join(dir, "in")
	writeTree(t, src, map[string]string{"file": "content", "sub/file": "content"})
	check(t, os.Symlink("file", filepath.Join(src, "link")))
	check(t, os.Mkdir(in, 0o755))
	writeTree(t, dir, map[string]string{"list": "file\n", "password": "x\n"})
	check(t, os.Chmod(filepath.Join(dir, "password"), 0o600))
	d := serve(t, daemonConfig{modules: []module{{name: "src", path: src}, {name: "in", path: in, writable: true}}})
	n := 0
	try := func(option, from, to, refusal string) {
		args := append([]string{"rsync", "-a"}, strings.Fields(strings.ReplaceAll(option, "%D", dir))...)
		r := run(t, append(args, from, to)...)
		switch {
		case refusal == "" && r.code != 0:
			t.Errorf("%s to %s: exit %d\n%s", option, to, r.code, r.stderr)
		case refusal != "" && (r.code != 4 || !strings.Contains(r.stderr, refusal)):
			t.Errorf("%s to %s: exit %d, wanted is a refusal of %s\n%s", option, to, r.code, refusal, r.stderr)
		}
	}
	// Stock spends most of its time asleep.
	var tries sync.WaitGroup
	slots := make(chan struct{}, 10)
	both := func(option, pull, push string) {
		n++
		name := fmt.Sprint(n)
		slots <- struct{}{}
		tries.Go(func() {
			defer func() { <-slots }()
			try(option, stockURL(d.addr, "src/"), filepath.Join(dir, name)+"/", pull)
			try(option, src+"/", stockURL(d.addr, "in/"+name+"/"), push)
			if _, err := os.Lstat(filepath.Join(in, name)); push != "" && err == nil {
				t.Errorf("%s: something was made in spite of the refusal", option)
			}
		})
	}
	for _, o := range takenOptions {
		both(o, "", "")
	}
	for _, o := range refusedOptions {
		both(o.option, o.pull, o.push)
	}
	tries.Wait()
	t.Logf("%d options taken, %d refused", len(takenOptions), len(refusedOptions))
	d.alive()
}
