package config

import (
	"fmt"
	"strings"
)

// Key documents one key of the configuration.
type Key struct {
	Path    string // "log.level"; "modules[].name" for a key of each module
	Type    string // "string", "bool", "int", "duration", "list of strings"
	Default any    // nil if there is none; a duration as a string
	Values  []string
	Doc     string // lines of a comment
	example any    // what Example shows instead of the default
}

// Env returns the name of the environment variable that overrides the key, ""
// for the keys of modules.
func (k Key) Env() string {
	if strings.Contains(k.Path, "[]") {
		return ""
	}
	return "SYNCD_" + strings.ToUpper(strings.ReplaceAll(k.Path, ".", "_"))
}

const (
	typeString   = "string"
	typeBool     = "bool"
	typeInt      = "int"
	typeDuration = "duration"
	typeStrings  = "list of strings"
)

// Keys returns the definition of all keys, in the order of the reference.
func Keys() []Key {
	return []Key{
		{Path: "listen", Type: typeStrings, Default: []string{"127.0.0.1:8730"}, Doc: `
Addresses to listen on, host:port. Native peers and stock rsync use the same
port. In the environment, commas separate addresses.`},
		{Path: "insecure", Type: typeBool, Default: false, Doc: `
Allow addresses in "listen" that other hosts can reach, although nothing is
encrypted: whoever is on the way can read and change what is transferred.`},
		{Path: "log.file", Type: typeString, Default: "", Doc: `
The file to log to, as an absolute path; "syslog" for the system's log. Without
one the log goes to standard error. SIGHUP opens the file anew.`},
		{Path: "log.level", Type: typeString, Default: "info", Values: []string{"debug", "info", "warn", "error"}, Doc: `
The least important messages to log.`},
		{Path: "log.format", Type: typeString, Default: "text", Values: []string{"text", "json"}, Doc: `
The form of a message: key=value pairs or one JSON object a line.`},
		{Path: "timeout", Type: typeDuration, Default: "10m0s", Doc: `
How long a connection may be silent. 0s is for ever.`},
		{Path: "handshake_timeout", Type: typeDuration, Default: "1m0s", Doc: `
How long a peer may take from connecting to its first request.`},
		{Path: "shutdown_timeout", Type: typeDuration, Default: "30s", Doc: `
How long running transfers may go on after the daemon was told to stop.`},
		{Path: "max_connections", Type: typeInt, Default: 0, Doc: `
Sessions at a time; later ones are turned away. 0 is no limit.`},
		{Path: "max_streams", Type: typeInt, Default: 8, Doc: `
Connections that one session may share its work between, 1 to 64. A client that
asks for more gets as many as this.`},
		{Path: "transport", Type: typeString, Default: "splice", Values: []string{"splice", "sendfile", "mmap", "readwrite"}, Doc: `
How file bodies move.`},
		{Path: "digest", Type: typeString, Default: "xxh3-128", Values: []string{"xxh3-128", "blake3"}, Doc: `
The weakest digest that clients may have their transfers verified with: xxh3-128
finds accidents, blake3 attacks too.`},
		{Path: "fsync", Type: typeString, Default: "commit", Values: []string{"none", "commit", "file"}, Doc: `
When received files are forced to disk: never, before a transfer reports
success, or one by one.`},
		{Path: "cache.dir", Type: typeString, Default: CacheAuto, Doc: `
The directory of the file that digests and signatures are kept in, so that a
restart does not have everything hashed again: an absolute path; auto, which is
what systemd gives a service as its CacheDirectory, and no file without that;
or off. Nobody else may write to it. A reload does not change it.`},
		{Path: "cache.limit_mib", Type: typeInt, Default: 256, Doc: `
How large the file may become, in MiB. What nobody asked for is forgotten first.`},
		{Path: "motd_file", Type: typeString, Default: "", Doc: `
A file whose text stock clients show when they connect.`},
		{Path: "pid_file", Type: typeString, Default: "", Doc: `
A file for the daemon's process id, locked as long as it runs.`},
		{Path: "modules[].name", Type: typeString, example: "data", Doc: `
The module's name in URLs: without "/", "]" and control characters.`},
		{Path: "modules[].path", Type: typeString, example: "/srv/data", Doc: `
The directory, as an absolute path. %RSYNC_USER_NAME%, %RSYNC_MODULE_NAME%,
%RSYNC_HOST_ADDR% and %RSYNC_HOST_NAME% stand for what is known of a client,
here and in "uid" and "gid"; %% is a percent sign.`},
		{Path: "modules[].comment", Type: typeString, Default: "", example: "an example", Doc: `
Shown in the list of modules.`},
		{Path: "modules[].read_only", Type: typeBool, Default: true, Doc: `
Refuse to write. A rule of "auth_users" can decide otherwise.`},
		{Path: "modules[].write_only", Type: typeBool, Default: false, Doc: `
Refuse to read.`},
		{Path: "modules[].list", Type: typeBool, Default: true, Doc: `
Show the module in the list of modules.`},
		{Path: "modules[].max_connections", Type: typeInt, Default: 0, Doc: `
As above, for this module. A negative number closes the module.`},
		{Path: "modules[].timeout", Type: typeDuration, Default: "0s", Doc: `
As above, for this module. 0s is the daemon's.`},
		{Path: "modules[].log_file", Type: typeString, Default: "", Doc: `
As log.file, for the sessions of this module. Without one they are in the
daemon's log.`},
		{Path: "modules[].filter", Type: typeStrings, Default: []string{}, Doc: `
Filter rules for paths that peers neither see nor touch, as for --filter. The
first rule that matches decides: of these, then of "include_from", "include",
"exclude_from" and "exclude".`},
		{Path: "modules[].include_from", Type: typeString, Default: "", Doc: `
A file of patterns, as for --include-from.`},
		{Path: "modules[].include", Type: typeStrings, Default: []string{}, Doc: `
Patterns as for --include.`},
		{Path: "modules[].exclude_from", Type: typeString, Default: "", Doc: `
A file of patterns, as for --exclude-from.`},
		{Path: "modules[].exclude", Type: typeStrings, Default: []string{}, example: []string{"/lost+found/"}, Doc: `
Patterns as for --exclude.`},
		{Path: "modules[].uid", Type: typeString, Default: "", Doc: `
The user, by name or number, as whom files are read and written if the daemon
runs as root: each session then has a process of its own. Without one, the
daemon's own.`},
		{Path: "modules[].gid", Type: typeStrings, Default: []string{}, Doc: `
The group for that, and supplementary ones. "*" as the first stands for all
groups of the user. Without one, the group of "uid", which needs an account then.`},
		{Path: "modules[].numeric_ids", Type: typeBool, Default: false, Doc: `
Do not send names of users and groups, and do not look up those received.`},
		{Path: "modules[].incoming_chmod", Type: typeString, Default: "", Doc: `
Changes to the permissions of all that is received, as for --chmod.`},
		{Path: "modules[].outgoing_chmod", Type: typeString, Default: "", Doc: `
Changes to the permissions of all that is sent, as for --chmod.`},
		{Path: "modules[].munge_symlinks", Type: typeBool, Default: false, Doc: `
Put /rsyncd-munged/ in front of the targets of symlinks that are received, so
that other programs do not follow them, and take it away from those sent.`},
		{Path: "modules[].hosts_allow", Type: typeStrings, Default: []string{}, Doc: `
Clients that may connect: addresses, networks as address/bits or address/mask,
names of hosts, or patterns of names. Who is in neither list may connect, unless
there is only this one.`},
		{Path: "modules[].hosts_deny", Type: typeStrings, Default: []string{}, Doc: `
Clients that may not connect, unless "hosts_allow" has them. A name whose
addresses can't be found turns all others away.`},
		{Path: "modules[].reverse_lookup", Type: typeBool, Default: true, Doc: `
Look up the names of clients.`},
		{Path: "modules[].forward_lookup", Type: typeBool, Default: true, Doc: `
Look up the addresses of hosts named in "hosts_allow" and "hosts_deny".`},
		{Path: "modules[].auth_users", Type: typeStrings, Default: []string{}, Doc: `
Who has to give a password from "secrets_file": patterns of user names, or of
groups behind "@", each perhaps with ":ro", ":rw" or ":deny". The first that
matches decides. Without a rule nobody is asked. Only stock clients can answer
so far: native ones are refused.`},
		{Path: "modules[].secrets_file", Type: typeString, Default: "", Doc: `
A file of lines user:password and @group:password.`},
		{Path: "modules[].strict_modes", Type: typeBool, Default: true, Doc: `
Do not use a secrets file that others may read or write, or that is not root's
if the daemon runs as root.`},
		{Path: "modules[].auth_digest", Type: typeString, Default: "", Values: []string{"sha512", "sha256", "sha1", "md5", "md4"}, Doc: `
The weakest digest for passwords. Without one, whatever the client has.`},
		{Path: "modules[].refuse_options", Type: typeStrings, Default: []string{}, Doc: `
Options that clients may not use: names, letters, or patterns; a "!" in front
allows what an earlier one refuses. They are stock rsync's, and hold for native
clients as they do for stock ones.`},
		{Path: "modules[].dont_compress", Type: typeBool, Default: false, Doc: `
Send everything uncompressed, whatever the client asks for.`},
		{Path: "modules[].max_verbosity", Type: typeInt, Default: 1, Doc: `
How often a stock client's --verbose counts.`},
	}
}

// Example returns a configuration file in YAML that sets each key to its
// default and explains it, with one module.
func Example() string {
	var b strings.Builder
	b.WriteString(`# The configuration of syncd. A value that is left out is the one given here.
# Durations need a unit: 90s, 10m, 1h30m.
`)
	section := ""
	for _, k := range Keys() {
		indent, name := "", k.Path
		if of, rest, ok := strings.Cut(k.Path, "."); ok {
			indent, name = "  ", rest
			list := strings.HasSuffix(of, "[]")
			if of != section {
				fmt.Fprintf(&b, "\n%s:\n", strings.TrimSuffix(of, "[]"))
			}
			if list {
				indent = "    "
			}
			if list && of != section {
				b.WriteString("  -\n")
			}
			section = of
		}
		b.WriteString(k.yaml(indent, name))
	}
	return b.String()
}

// yaml returns the key with its documentation as lines of YAML.
func (k Key) yaml(indent, name string) string {
	var b strings.Builder
	if indent == "" {
		b.WriteString("\n")
	}
	doc := strings.TrimPrefix(k.Doc, "\n")
	if len(k.Values) > 0 {
		doc += "\nOne of: " + strings.Join(k.Values, ", ") + "."
	}
	if env := k.Env(); env != "" {
		doc += "\nEnvironment: " + env
	}
	for line := range strings.SplitSeq(doc, "\n") {
		fmt.Fprintf(&b, "%s# %s\n", indent, line)
	}
	value := k.example
	if value == nil {
		value = k.Default
	}
	fmt.Fprintf(&b, "%s%s: %s\n", indent, name, flow(value))
	return b.String()
}

// flow returns a value of the table in YAML, on one line.
func flow(value any) string {
	switch v := value.(type) {
	case []string:
		quoted := make([]string, len(v))
		for i, s := range v {
			quoted[i] = fmt.Sprintf("%q", s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case string:
		if strings.ContainsAny(v, ": ") || v == "" {
			return fmt.Sprintf("%q", v)
		}
	}
	return fmt.Sprint(value)
}
