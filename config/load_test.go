package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// write makes a file in a directory of the test.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

const completeYAML = `
listen: ["127.0.0.1:8730", "[::1]:8731", "0.0.0.0:873"]
insecure: true
log: {level: debug, format: json, file: syslog}
motd_file: /etc/motd
pid_file: /run/syncd.pid
timeout: 90s
handshake_timeout: 5s
shutdown_timeout: 1h30m
max_connections: 100
max_streams: 4
transport: sendfile
digest: blake3
fsync: none
cache: {dir: /var/cache/syncd, limit_mib: 1000}
modules:
  - name: data
    path: /srv/data
    comment: "the data"
    read_only: false
    list: false
    write_only: true
    max_connections: 3
    timeout: 5m
    log_file: /var/log/data
    filter: ["- *.bak"]
    include_from: /etc/in
    include: ["x"]
    exclude_from: /etc/out
    exclude: ["/lost+found/", "*.tmp"]
    uid: backup
    gid: ["*", adm]
    numeric_ids: true
    incoming_chmod: "D755"
    outgoing_chmod: "a+r"
    munge_symlinks: true
    hosts_allow: [10.0.0.0/8]
    hosts_deny: ["*"]
    reverse_lookup: false
    forward_lookup: false
    auth_users: ["joe:rw", "@adm"]
    secrets_file: /etc/secrets
    strict_modes: false
    auth_digest: sha256
    refuse_options: [delete]
    dont_compress: true
    max_verbosity: 3
  - {name: pub, path: /srv/pub}
`

const completeTOML = `
listen = ["127.0.0.1:8730", "[::1]:8731", "0.0.0.0:873"]
insecure = true
log.level = "debug"
log.file = "syslog"
motd_file = "/etc/motd"
pid_file = "/run/syncd.pid"
timeout = "90s"
handshake_timeout = "5s"
shutdown_timeout = "1h30m"
max_connections = 100
max_streams = 4
transport = "sendfile"
digest = "blake3"
fsync = "none"
log.format = "json"
cache.dir = "/var/cache/syncd"
cache.limit_mib = 1000

[[modules]]
name = "data"
path = "/srv/data"
comment = "the data"
read_only = false
list = false
write_only = true
max_connections = 3
timeout = "5m"
log_file = "/var/log/data"
filter = ["- *.bak"]
include_from = "/etc/in"
include = ["x"]
exclude_from = "/etc/out"
exclude = ["/lost+found/", "*.tmp"]
uid = "backup"
gid = ["*", "adm"]
numeric_ids = true
incoming_chmod = "D755"
outgoing_chmod = "a+r"
munge_symlinks = true
hosts_allow = ["10.0.0.0/8"]
hosts_deny = ["*"]
reverse_lookup = false
forward_lookup = false
auth_users = ["joe:rw", "@adm"]
secrets_file = "/etc/secrets"
strict_modes = false
auth_digest = "sha256"
refuse_options = ["delete"]
dont_compress = true
max_verbosity = 3

[[modules]]
name = "pub"
path = "/srv/pub"
`

// complete is what completeYAML and completeTOML say.
func complete() *Config {
	no := false
	pub := Module{Name: "pub", Path: "/srv/pub"}
	pub.setDefaults()
	return &Config{
		Listen:           []string{"127.0.0.1:8730", "[::1]:8731", "0.0.0.0:873"},
		Insecure:         true,
		Log:              Log{File: LogSyslog, Level: "debug", Format: "json"},
		Timeout:          90 * time.Second,
		HandshakeTimeout: 5 * time.Second,
		ShutdownTimeout:  90 * time.Minute,
		MaxConnections:   100,
		MaxStreams:       4,
		Transport:        "sendfile",
		Digest:           "blake3",
		Fsync:            "none",
		Cache:            Cache{Dir: "/var/cache/syncd", Limit: 1000},
		MotdFile:         "/etc/motd",
		PidFile:          "/run/syncd.pid",
		Modules: []Module{
			{
				Name: "data", Path: "/srv/data", Comment: "the data", ReadOnly: &no, WriteOnly: true, List: &no,
				MaxConnections: 3, Timeout: 5 * time.Minute, LogFile: "/var/log/data",
				Filter: []string{"- *.bak"}, IncludeFrom: "/etc/in", Include: []string{"x"},
				ExcludeFrom: "/etc/out", Exclude: []string{"/lost+found/", "*.tmp"},
				UID: "backup", GID: []string{"*", "adm"}, NumericIDs: true,
				IncomingChmod: "D755", OutgoingChmod: "a+r", MungeSymlinks: true,
				HostsAllow: []string{"10.0.0.0/8"}, HostsDeny: []string{"*"}, ReverseLookup: &no, ForwardLookup: &no,
				AuthUsers: []string{"joe:rw", "@adm"}, SecretsFile: "/etc/secrets", StrictModes: &no, AuthDigest: "sha256",
				RefuseOptions: []string{"delete"}, DontCompress: true, MaxVerbosity: new(3),
			},
			pub,
		},
	}
}

func TestLoad(t *testing.T) {
	oneModule := Default()
	oneModule.Modules = []Module{{Name: "a", Path: "/a"}}
	oneModule.setModuleDefaults()
	tests := []struct {
		name, file, text string
		want             *Config
	}{
		{"everything in YAML", "c.yaml", completeYAML, complete()},
		{"everything in TOML", "c.toml", completeTOML, complete()},
		{"an empty file", "c.yml", "", Default()},
		{"an empty TOML file", "c.toml", "", Default()},
		{"only comments", "c.yaml", "# nothing\n", Default()},
		{"an empty document", "c.yaml", "---\n", Default()},
		{"keys without values", "c.yaml", "log:\ntimeout:\nmodules:\n", Default()},
		{"an empty list of modules", "c.yaml", "modules: []\n", Default()},
		{"one module", "c.yaml", "modules: [{name: a, path: /a, exclude: []}]\n", oneModule},
		{"one module in a line of TOML", "c.toml", `modules = [{name = "a", path = "/a"}]`, oneModule},
		{"an anchor", "c.yaml", "modules: [{name: &x a, path: /a}]\nlog: {level: info}\n", oneModule},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Load(write(t, test.file, test.text))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
}

func TestLoadErrors(t *testing.T) {
	tests := []struct {
		name, file, text string
		want             string // FILE stands for the path
	}{
		{"an unknown key", "c.yaml", "\nlisten: ['127.0.0.1:1']\ntimout: 30s\n",
			`FILE:3: timout: unknown key; is it timeout?`},
		{"an unknown key like no other", "c.yaml", "quux: 1\n",
			`FILE:1: quux: unknown key`},
		{"a key in capitals", "c.yaml", "Timeout: 30s\n",
			`FILE:1: Timeout: unknown key; is it timeout?`},
		{"a dotted key", "c.yaml", "log.level: debug\n",
			`FILE:1: log.level: unknown key`},
		{"an unknown key of a section", "c.yaml", "log:\n  leve: debug\n",
			`FILE:2: log.leve: unknown key; is it level?`},
		{"an unknown key of a module", "c.yaml", "modules:\n- name: a\n  path: /a\n- name: b\n  path: /b\n  read-only: true\n",
			`FILE:6: modules[1].read-only: unknown key; is it read_only?`},
		{"a key that is given twice", "c.yaml", "timeout: 1s\ninsecure: true\ntimeout: 2s\n",
			`FILE:3: timeout: the key is in line 1 too`},
		{"a merge key", "c.yaml", "log: &l {level: info}\nmodules: [{<<: *l, name: a, path: /a}]\n",
			`FILE:2: modules[0].<<: unknown key`},
		{"two documents", "c.yaml", "timeout: 1s\n---\ntimeout: 2s\n",
			`FILE:2: a second document begins here; a configuration has one`},
		{"no keys", "c.yaml", "- a\n- b\n",
			`FILE:1: a configuration is keys and values`},
		{"bad YAML", "c.yaml", "log:\n  level: info\n bad\n",
			`FILE:2: did not find expected key`},
		{"a number as duration", "c.yaml", "timeout: 30\n",
			`FILE:1: timeout: give the duration a unit, such as 30s`},
		{"a number in quotes as duration", "c.yaml", "timeout: '30'\n",
			`FILE:1: timeout: give the duration a unit, such as 30s`},
		{"zero without unit", "c.yaml", "timeout: 0\n",
			`FILE:1: timeout: give the duration a unit, such as 0s`},
		{"a duration in days", "c.yaml", "timeout: 1d\n",
			`FILE:1: timeout: "1d" is not a duration such as 30s, 10m or 1h30m; h is the longest unit`},
		{"a list as duration", "c.yaml", "timeout: [1s]\n",
			`FILE:1: timeout: give a duration, such as 30s`},
		{"a negative duration", "c.yaml", "shutdown_timeout: -1s\n",
			`FILE:1: shutdown_timeout: -1s is negative`},
		{"no time for the handshake", "c.yaml", "handshake_timeout: 0s\n",
			`FILE:1: handshake_timeout: 0s is no time at all; use one such as 60s`},
		{"text as number", "c.yaml", "max_connections: many\n",
			`FILE:1: max_connections: give a whole number`},
		{"a fraction as number", "c.yaml", "max_connections: 1.5\n",
			`FILE:1: max_connections: give a whole number`},
		{"a negative number", "c.yaml", "max_connections: -1\n",
			`FILE:1: max_connections: use 0 for no limit, not -1`},
		{"text as truth", "c.yaml", "insecure: 'true'\n",
			`FILE:1: insecure: give true or false`},
		{"a number as text", "c.yaml", "modules:\n- name: 5\n  path: /a\n",
			`FILE:2: modules[0].name: give text; numbers and the like need quotes`},
		{"text as list", "c.yaml", "listen: 127.0.0.1:8730\n",
			`FILE:1: listen: give a list`},
		{"text as section", "c.yaml", "log: debug\n",
			`FILE:1: log: give keys and values, indented below it`},
		{"modules by name", "c.yaml", "modules:\n  a:\n    path: /a\n",
			`FILE:1: modules: give a list
FILE:2: modules.a: unknown key`},
		{"text as module", "c.yaml", "modules:\n- /a\n",
			`FILE:2: modules[0]: give keys and values, indented below it`},
		{"an unknown value", "c.yaml", "log:\n  level: loud\n",
			`FILE:2: log.level: "loud" is not one of debug, info, warn, error`},
		{"nowhere to listen", "c.yaml", "listen: []\n",
			`FILE:1: listen: give at least one address, such as [127.0.0.1:8730]`},
		{"an address for everybody", "c.yaml", "listen:\n- 127.0.0.1:1\n- :8730\n",
			`FILE:3: listen[1]: :8730 is reachable from other hosts and there is no encryption; listen on a loopback address, or set insecure: true`},
		{"an address by name", "c.yaml", "listen: ['example.org:1']\n",
			`FILE:1: listen[0]: example.org:1 is reachable from other hosts and there is no encryption; listen on a loopback address, or set insecure: true`},
		{"an address without port", "c.yaml", "listen: [localhost]\n",
			`FILE:1: listen[0]: "localhost" is not host:port, such as 127.0.0.1:8730 or [::1]:8730`},
		{"a port that is too high", "c.yaml", "listen: ['localhost:65536']\n",
			`FILE:1: listen[0]: "localhost:65536" has no port between 0 and 65535`},
		{"a module without anything", "c.yaml", "modules:\n- comment: x\n",
			`FILE:2: modules[0].name: give the module a name
FILE:2: modules[0].path: give the directory to serve`},
		{"a module with a bad name", "c.yaml", "modules:\n- name: a/b\n  path: /a\n",
			`FILE:2: modules[0].name: "a/b" has "/", "]" or a control character`},
		{"two modules of one name", "c.yaml", "modules:\n- name: a\n  path: /a\n- path: /b\n  name: a\n",
			`FILE:5: modules[1].name: "a" is also the name of modules[0]`},
		{"a relative path", "c.yaml", "modules:\n- name: a\n  path: srv/a\n",
			`FILE:3: modules[0].path: "srv/a" is not an absolute path`},
		{"a comment of two lines", "c.yaml", "modules:\n- name: a\n  path: /a\n  comment: \"x\\ny\"\n",
			`FILE:4: modules[0].comment: "x\ny" is more than one line of text`},
		{"an empty pattern", "c.yaml", "modules:\n- name: a\n  path: /a\n  exclude:\n  - x\n  - ''\n",
			`FILE:6: modules[0].exclude[1]: it is empty`},
		{"too many streams", "c.yaml", "max_streams: 65\n",
			`FILE:1: max_streams: 65 is not in 1..64`},
		{"no stream", "c.yaml", "max_streams: 0\n",
			`FILE:1: max_streams: 0 is not in 1..64`},
		{"users without passwords, a group out of place", "c.yaml", "modules:\n- name: a\n  path: /a\n  auth_users: [x]\n  gid: [a, '*']\n  auth_digest: crc\n",
			`FILE:2: modules[0].secrets_file: auth_users needs a file of passwords
FILE:5: modules[0].gid: "*" has to be the first
FILE:6: modules[0].auth_digest: "crc" is not one of sha512, sha256, sha1, md5, md4`},
		{"relative files", "c.yaml", "log: {file: x}\nmotd_file: m\nmodules:\n- {name: a, path: /a, log_file: l}\n",
			`FILE:1: log.file: "x" is not an absolute path
FILE:2: motd_file: "m" is not an absolute path
FILE:4: modules[0].log_file: "l" is not an absolute path`},
		{"several at once, in the order of lines", "c.yaml", "modules:\n- name: a\n  path: a\n  max_connections: -2\n  timeout: 5\nfsync: often\nfoo: 1\n",
			`FILE:3: modules[0].path: "a" is not an absolute path
FILE:5: modules[0].timeout: give the duration a unit, such as 5s
FILE:6: fsync: "often" is not one of none, commit, file
FILE:7: foo: unknown key`},
		{"a relative cache", "c.yaml", "cache:\n  dir: var/cache\n",
			`FILE:2: cache.dir: "var/cache" is neither an absolute path nor auto or off`},
		{"a cache too small", "c.yaml", "cache:\n  dir: off\n  limit_mib: 1\n",
			`FILE:3: cache.limit_mib: 1 is not between 4 and 1048576`},
		{"another ending", "c.json", "{}",
			`FILE: the name of a configuration ends in .yaml, .yml or .toml`},

		{"TOML: an unknown key", "c.toml", "\n[log]\nlevel = \"info\"\nformt = \"text\"\n",
			`FILE:4: log.formt: unknown key; is it format?`},
		{"TOML: an unknown table", "c.toml", "[logs]\nlevel = \"info\"\n[log]\nlevel = \"x\"\n",
			`FILE:1: logs: unknown key; is it log?
FILE:4: log.level: "x" is not one of debug, info, warn, error`},
		{"TOML: an unknown key of a module", "c.toml", "[[modules]]\nname = \"a\"\npath = \"/a\"\n[[modules]]\nname = \"b\"\npath = \"b\"\nlisted = true\n",
			`FILE:6: modules[1].path: "b" is not an absolute path
FILE:7: modules[1].listed: unknown key; is it list?`},
		{"TOML: a quoted dotted key", "c.toml", "\"log.level\" = \"info\"\n",
			`FILE:1: log.level: unknown key`},
		{"TOML: a table inside a module", "c.toml", "[[modules]]\nname = \"a\"\npath = \"/a\"\n[modules.auth]\nuser = \"x\"\n",
			`FILE:4: modules[0].auth: unknown key`},
		{"TOML: a module in one line", "c.toml", "modules = [\n {name = \"a\", path = \"/a\"},\n {name = \"b\", pat = \"/b\"},\n]\n",
			`FILE:3: modules[1].pat: unknown key; is it path?
FILE:3: modules[1].path: give the directory to serve`},
		{"TOML: a number as duration", "c.toml", "timeout = 30\n",
			`FILE:1: timeout: give the duration a unit, such as 30s`},
		{"TOML: a date", "c.toml", "fsync = 2026-01-01\n",
			`FILE:1: fsync: give text; numbers and the like need quotes`},
		{"TOML: an element of a list", "c.toml", "listen = [\n  \"127.0.0.1:1\",\n  \"127.0.0.1\",\n]\n",
			`FILE:3: listen[1]: "127.0.0.1" is not host:port, such as 127.0.0.1:8730 or [::1]:8730`},
		{"TOML: bad syntax", "c.toml", "timeout = \n",
			`FILE:1: incomplete number`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := write(t, test.file, test.text)
			c, err := Load(path)
			if c != nil || err == nil {
				t.Fatalf("got %+v, %v", c, err)
			}
			if !errors.As(err, new(Error)) {
				t.Errorf("not an Error: %T", err)
			}
			want := strings.ReplaceAll(test.want, "FILE", path)
			if err.Error() != want {
				t.Errorf("got\n%v\nwant\n%s", err, want)
			}
		})
	}
}

func TestLoadMissingFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "c.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestAliasesThatNestEnd(t *testing.T) {
	bomb := "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*c, *b]\n"
	if _, err := Load(write(t, "c.yaml", bomb)); err == nil {
		t.Error("loaded")
	}
}

func TestEnvironmentOverrides(t *testing.T) {
	file := "listen: ['127.0.0.1:1']\nlog: {level: warn}\nmax_connections: 5\n"
	for name, value := range map[string]string{
		"SYNCD_LISTEN": "127.0.0.1:2,[::1]:2", "SYNCD_LOG_LEVEL": "debug", "SYNCD_TIMEOUT": "7s",
		"SYNCD_MAX_CONNECTIONS": "9", "SYNCD_INSECURE": "true",
	} {
		t.Setenv(name, value)
	}
	want := Default()
	want.Listen, want.Log.Level, want.Timeout = []string{"127.0.0.1:2", "[::1]:2"}, "debug", 7*time.Second
	want.MaxConnections, want.Insecure = 9, true
	got, err := Load(write(t, "c.yaml", file))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
}

// TestEnvironmentAlone has no file, and the environment count all the same.
func TestEnvironmentAlone(t *testing.T) {
	plain := Default()
	t.Setenv("SYNCD_LISTEN", "127.0.0.1:2")
	t.Setenv("SYNCD_TIMEOUT", "7s")
	want := Default()
	if d := cmp.Diff(plain, want); d != "" {
		t.Errorf("the defaults depend on the environment: want -, got +\n%s", d)
	}
	want.Listen, want.Timeout = []string{"127.0.0.1:2"}, 7*time.Second
	got, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	t.Setenv("SYNCD_TIMEOUT", "30")
	if _, err := Load(""); err == nil || err.Error() != "SYNCD_TIMEOUT: timeout: give the duration a unit, such as 30s" {
		t.Errorf("got %v", err)
	}
}

func TestEnvironmentErrors(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"SYNCD_TIMEOUT", "30", `SYNCD_TIMEOUT: timeout: give the duration a unit, such as 30s`},
		{"SYNCD_INSECURE", "yes", `SYNCD_INSECURE: insecure: give true or false, not "yes"`},
		{"SYNCD_MAX_CONNECTIONS", "x", `SYNCD_MAX_CONNECTIONS: max_connections: give a whole number, not "x"`},
		{"SYNCD_LOG_FORMAT", "", `SYNCD_LOG_FORMAT: log.format: "" is not one of text, json`},
		{"SYNCD_LISTEN", "", `SYNCD_LISTEN: listen: give at least one address, such as [127.0.0.1:8730]`},
		{"SYNCD_LISTEN", "127.0.0.1:1,x", `SYNCD_LISTEN: listen[1]: "x" is not host:port, such as 127.0.0.1:8730 or [::1]:8730`},
	}
	for _, test := range tests {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			t.Setenv(test.name, test.value)
			_, err := Load(write(t, "c.yaml", "timeout: 1s\nlisten: ['127.0.0.1:1']\n"))
			if err == nil || err.Error() != test.want {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}
