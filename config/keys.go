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
		{Path: "modules[].name", Type: typeString, example: "data", Doc: `
The module's name in URLs: letters, digits, ".", "_" and "-".`},
		{Path: "modules[].path", Type: typeString, example: "/srv/data", Doc: `
The directory, as an absolute path.`},
		{Path: "modules[].comment", Type: typeString, Default: "", example: "an example", Doc: `
Shown in the list of modules.`},
		{Path: "modules[].read_only", Type: typeBool, Default: true, Doc: `
Refuse to write.`},
		{Path: "modules[].list", Type: typeBool, Default: true, Doc: `
Show the module in the list of modules.`},
		{Path: "modules[].max_connections", Type: typeInt, Default: 0, Doc: `
As above, for this module.`},
		{Path: "modules[].exclude", Type: typeStrings, Default: []string{}, example: []string{"/lost+found/"}, Doc: `
Patterns of paths that peers neither see nor touch, as for --exclude.`},
		{Path: "modules[].numeric_ids", Type: typeBool, Default: false, Doc: `
Do not send names of users and groups, and do not look up those received.`},
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
