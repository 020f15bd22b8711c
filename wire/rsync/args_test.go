package rsync_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seed9553035b/syncd/wire/rsync"
)

func ptr[T any](v T) *T { return &v }

// stockArgs are what stock 3.5.0 sends, one case for each command line.
var stockArgs = []struct {
	name, args string
	want       rsync.Args
}{
	{"pull -a", "--server --sender -logDtpre.iLsfxCIvu . m/", rsync.Args{Sender: true, Links: true, Owner: true, Group: true,
		Devices: true, Specials: true, Times: true, Perms: true, Recursive: true, Capabilities: "iLsfxCIvu", Paths: []string{"m/"}}},
	{"push -aHAXz -vvi --delete --max-delete=0", "--server -vvlHogDtpAXrze.iLsfxCIvu --log-format=%i --max-delete=-1 --delete . m/",
		rsync.Args{Verbose: 2, Links: true, HardLinks: 1, Owner: true, Group: true, Devices: true, Specials: true, Times: true, Perms: true,
			ACLs: true, Xattrs: 1, Recursive: true, Compress: true, Capabilities: "iLsfxCIvu", LogFormat: "%i", MaxDelete: ptr(0),
			Delete: rsync.DeleteDefault, Paths: []string{"m/"}}},
	{"list", "--server --sender -de.LsfxCIvu --list-only . m/",
		rsync.Args{Sender: true, Dirs: true, Capabilities: "LsfxCIvu", ListOnly: true, Paths: []string{"m/"}}},
	{"push with many flags", "--server -bunlKmJogtprcCIRe.iLsfxCIvu --specials --delete-delay --delete-excluded --force . m/",
		rsync.Args{Backup: true, Update: true, DryRun: true, Links: true, KeepDirlinks: true, PruneEmptyDirs: true, OmitLinkTimes: true,
			Owner: true, Group: true, Times: true, Perms: true, Recursive: true, Checksum: true, CVSExclude: true, IgnoreTimes: true,
			Relative: true, Capabilities: "iLsfxCIvu", Specials: true, Delete: rsync.DeleteDelay, DeleteExcluded: true, Force: true,
			Paths: []string{"m/"}}},
	{"pull with -zz", "--server --sender -lLkogDtprRe.iLsfxCIvu --new-compress --copy-unsafe-links --safe-links --inplace --no-implied-dirs --copy-devices . m/",
		rsync.Args{Sender: true, Links: true, CopyLinks: true, CopyDirlinks: true, Owner: true, Group: true, Devices: true, Specials: true,
			Times: true, Perms: true, Recursive: true, Relative: true, Capabilities: "iLsfxCIvu", Compress: true, CompressChoice: "zlibx",
			CopyUnsafeLinks: true, SafeLinks: true, Inplace: true, NoImpliedDirs: true, CopyDevices: true, Paths: []string{"m/"}}},
	{"doubled flags", "--server --sender -HHogUUXXrRxxSze.iLsfxCIvu -B800 --timeout=9 --suffix=~x --old-compress --skip-compress=gz/jpg --append --append --files-from=- --from0 . m/",
		rsync.Args{Sender: true, HardLinks: 2, Owner: true, Group: true, AccessTimes: 2, Xattrs: 2, Recursive: true, Relative: true,
			OneFileSystem: 2, Sparse: true, Compress: true, CompressChoice: "zlib", Capabilities: "iLsfxCIvu", BlockSize: 800, Timeout: 9,
			Suffix: "~x", SkipCompress: "gz/jpg", Append: 2, FilesFrom: "-", From0: true, Paths: []string{"m/"}}},
	{"choices and copies", `--server -lyogDtpre.LsfxCIvu --checksum-choice=md5,xxh64 --compress-choice=zstd --delete-missing-args --groupmap=*:3 --copy-dest 1 --copy-dest 2 . m/`,
		rsync.Args{Links: true, Fuzzy: 1, Owner: true, Group: true, Devices: true, Specials: true, Times: true, Perms: true, Recursive: true,
			Capabilities: "LsfxCIvu", ChecksumChoice: "md5,xxh64", Compress: true, CompressChoice: "zstd", DeleteMissing: true,
			GroupMap: "*:3", CopyDest: []string{"1", "2"}, Paths: []string{"m/"}}},
	{"devices only", "--server -DEre.iLsfxCIvu --list-only --no-specials --log-format=%i --max-delete=5 --delete-after . m/",
		rsync.Args{Devices: true, Executability: true, Recursive: true, Capabilities: "iLsfxCIvu", ListOnly: true, LogFormat: "%i",
			MaxDelete: ptr(5), Delete: rsync.DeleteAfter, Paths: []string{"m/"}}},
	{"odd ones", "--server -Wgrze.iLsfxCIvu --iconv=. --checksum-choice=none --usermap=*:x --remove-sent-files --no-msgs2stderr --only-write-batch=X -@-1 --no-W --max-size=10M --min-size=1k . m/",
		rsync.Args{WholeFile: rsync.Off, Group: true, Recursive: true, Compress: true, Capabilities: "iLsfxCIvu", Iconv: ".",
			ChecksumChoice: "none", UserMap: "*:x", RemoveSource: true, MsgsToStderr: rsync.Off, OnlyWriteBatch: "X", ModifyWindow: -1,
			MaxSize: ptr(int64(10 << 20)), MinSize: 1 << 10, Paths: []string{"m/"}}},
	{"protocol 29", "--server --sender -ldogDtp . m/", rsync.Args{Sender: true, Links: true, Dirs: true, Owner: true, Group: true,
		Devices: true, Specials: true, Times: true, Perms: true, Paths: []string{"m/"}}},
	{"one by one, as other clients do", "--server --sender -v -l -t --recursive --hard-links --no-perms -e.Lsf --checksum-seed=-3 --compress-level=9 . a -b",
		rsync.Args{Sender: true, Verbose: 1, Links: true, Times: true, Recursive: true, HardLinks: 1, Capabilities: "Lsf", ChecksumSeed: -3,
			Compress: true, CompressLevel: ptr(9), Paths: []string{"a", "-b"}}},
}

func TestArgsOfStockClients(t *testing.T) {
	for _, c := range stockArgs {
		got, err := rsync.ParseArgs(strings.Fields(c.args), nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(&c.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
		// What we would send for the same reads the same. Some options go one
		// way only.
		head, tail := got.Build(32)
		again, err := rsync.ParseArgs(append(head, tail...), nil)
		if err != nil {
			t.Errorf("%s: built %q: %v", c.name, append(head, tail...), err)
			continue
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Errorf("%s: built %q: -parsed +again\n%s", c.name, append(head, tail...), diff)
		}
	}
}

func TestBadArgs(t *testing.T) {
	for _, c := range []struct{ args, option string }{
		{"--sender .", "--server"}, {"", "--server"}, {"--server -a", "-a"}, {"--server --sender -lr", "."},
		{"--server --bogus . m", "--bogus"}, {"--server --bogus=1 . m", "--bogus"}, {"--server -lQr . m", "-Q"},
		{"--server --timeout=x . m", "--timeout"}, {"--server --timeout", "--timeout"}, {"--server -B", "-B"},
		{"--server -Bx . m", "-B"}, {"--server --delete=yes . m", "--delete"}, {"--server --no-bogus . m", "--no-bogus"},
		{"--server --no-timeout . m", "--no-timeout"}, {"--server --no-delete=1 . m", "--no-delete"}, {"--server path", "path"},
		{"--server --max-size=5Q . m", "--max-size"}, {"--server - . m", "-"}, {"--server -- . m", "--"},
	} {
		a, err := rsync.ParseArgs(strings.Fields(c.args), nil)
		var bad *rsync.ArgError
		if !errors.As(err, &bad) || bad.Option != c.option || a == nil {
			t.Errorf("%q: %v", c.args, err)
		}
		if rsync.ExitCode(err) != rsync.ExitUsage {
			t.Errorf("%q: exit code %d", c.args, rsync.ExitCode(err))
		}
	}
	a, err := rsync.ParseArgs(strings.Fields("--server --sender -lre.vu --bogus . m"), nil)
	if err == nil || a.Capabilities != "vu" || !a.Recursive || !slices.Equal(a.Paths, []string{"m"}) {
		t.Errorf("what was understood around an unknown option: %+v, %v", a, err)
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "700": 700, "1k": 1024, "1K": 1024, "1KiB": 1024, "1KB": 1000, "1.5M": 3 << 19,
		"2g": 2 << 30, "1M-1": 1<<20 - 1, "1m+1": 1<<20 + 1, "3b": 3, "1tb": 1e12, "1P": 1 << 50} {
		if got, err := rsync.ParseSize(s); got != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "x", "k", "1kx", "1bb", "-1", "1.2.3", "9999999P", "99999999999999999999", "1ib"} {
		if v, err := rsync.ParseSize(s); err == nil {
			t.Errorf("%q is %d", s, v)
		}
	}
}

func TestSendsFilters(t *testing.T) {
	for _, c := range []struct {
		a        rsync.Args
		protocol int
		want     bool
	}{
		{rsync.Args{Sender: true}, 32, true}, {rsync.Args{}, 32, false}, {rsync.Args{PruneEmptyDirs: true}, 32, true},
		{rsync.Args{Delete: rsync.DeleteAfter}, 32, true}, {rsync.Args{DeleteExcluded: true}, 29, true},
		{rsync.Args{DeleteExcluded: true}, 28, false}, {rsync.Args{Delete: rsync.DeleteDefault, DeleteExcluded: true}, 28, false},
	} {
		if got := c.a.SendsFilters(c.protocol); got != c.want {
			t.Errorf("%+v in %d: %v", c.a, c.protocol, got)
		}
	}
}

func TestIncRecurseConditions(t *testing.T) {
	for _, c := range []struct {
		a            rsync.Args
		offer, allow bool
	}{
		{rsync.Args{Recursive: true, Sender: true, Capabilities: "i"}, true, true},
		{rsync.Args{Sender: true, Capabilities: "i"}, false, false},
		{rsync.Args{Recursive: true}, true, false},
		{rsync.Args{Recursive: true, QSort: true, Capabilities: "i"}, false, false},
		{rsync.Args{Recursive: true, Sender: true, DelayUpdates: true, Capabilities: "i"}, false, true},
		{rsync.Args{Recursive: true, Delete: rsync.DeleteAfter, Capabilities: "i"}, true, false},
		{rsync.Args{Recursive: true, Delete: rsync.DeleteDuring, Capabilities: "i"}, true, true},
	} {
		if c.a.OfferIncRecurse() != c.offer || c.a.AllowIncRecurse() != c.allow {
			t.Errorf("%+v: %v, %v", c.a, c.a.OfferIncRecurse(), c.a.AllowIncRecurse())
		}
	}
}

func TestArgLists(t *testing.T) {
	for _, protocol := range []int{29, 32} {
		for _, a := range []rsync.Args{{Sender: true, Paths: []string{"m/a b", "m/c"}}, {Secluded: true, Paths: []string{"m/", "x"}, BackupDir: "b c"}} {
			head, tail := a.Build(protocol)
			b := encoded(protocol, func(w *rsync.Writer) {
				if err := rsync.WriteArgs(w, head, tail, a.Secluded); err != nil {
					t.Error(err)
				}
			})
			got, secluded, err := rsync.ReadArgs(reader(b, protocol))
			if want := append(head, tail...); !slices.Equal(got, want) || secluded != a.Secluded || err != nil {
				t.Errorf("%d: %q, %v; want %q", protocol, got, err, want)
			}
		}
	}
	// Stock's own bytes, the first with the slip of old protocols.
	for in, want := range map[string][]string{
		"--server\n--sender\n-slogDtpr\n(null)\n.\nm/\n\nrsync\x00.\x00m/\x00\x00":                       {"--server", "--sender", "-slogDtpr", ".", "m/"},
		"--server\x00-svve.iLsfxCIvu\x00\x00rsync\x00--log-format=%i\x00--delete\x00.\x00m/a b*\x00\x00": {"--server", "-svve.iLsfxCIvu", "--log-format=%i", "--delete", ".", "m/a b*"},
	} {
		protocol := 32
		if strings.Contains(in, "\n") {
			protocol = 29
		}
		got, secluded, err := rsync.ReadArgs(reader([]byte(in), protocol))
		if !slices.Equal(got, want) || !secluded || err != nil {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestArgListLimits(t *testing.T) {
	for n, want := range map[int]error{16000: nil, 16001: rsync.ErrProtocol} {
		in := strings.Repeat("a\x00", n) + "\x00"
		if got, _, err := rsync.ReadArgs(reader([]byte(in), 32)); !errors.Is(err, want) || want == nil && len(got) != n {
			t.Errorf("%d arguments: %d, %v", n, len(got), err)
		}
	}
	for n, want := range map[int]error{5119: nil, 5120: rsync.ErrProtocol} {
		if _, _, err := rsync.ReadArgs(reader([]byte(strings.Repeat("a", n)+"\x00\x00"), 32)); !errors.Is(err, want) {
			t.Errorf("an argument of %d bytes: %v", n, err)
		}
	}
	if _, _, err := rsync.ReadArgs(reader([]byte(strings.Repeat(strings.Repeat("a", 5000)+"\x00", 1000)+"\x00"), 32)); !errors.Is(err, rsync.ErrProtocol) {
		t.Errorf("5 MB of arguments: %v", err)
	}
}

func TestEscapes(t *testing.T) {
	for _, s := range []string{"plain", "a b", `back\slash`, "star*[x]?", "q'\"", "$(x);&|"} {
		if got := rsync.UnescapeArg(rsync.EscapeArg(s, false)); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
	// What stock makes of --groupmap=*:3.
	if got := rsync.EscapeArg("--groupmap=*:3", false); got != `--groupmap=\*:3` {
		t.Errorf("got %s", got)
	}
	if got := rsync.EscapeArg("a *", true); got != `a\ *` {
		t.Errorf("a path's wildcards are the server's: %s", got)
	}
}

func TestModulePaths(t *testing.T) {
	for _, c := range []struct {
		args     []string
		secluded bool
		want     []string
	}{
		{[]string{"m/"}, false, []string{""}}, {[]string{"m"}, false, []string{""}}, {[]string{"m/a", "m/b/"}, false, []string{"a", "b/"}},
		{[]string{"m/a m/b"}, false, []string{"a", "b"}}, {[]string{"m/a m/b"}, true, []string{"a m/b"}},
		{[]string{"mm/a"}, false, []string{"mm/a"}},
	} {
		if got := rsync.ModulePaths("m", c.args, c.secluded); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
}
