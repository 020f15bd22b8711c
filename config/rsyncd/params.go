package rsyncd

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/seed9553035b/syncd/config"
)

// aliases are second names of parameters.
var aliases = map[string]string{"bindaddress": "address", "rsyncport": "port", "hostallow": "hostsallow", "hostdeny": "hostsdeny"}

// daemonParams are the parameters of the daemon that have a counterpart, by
// their canonical names.
var daemonParams = map[string]func(l *loader, v string) error{
	"address":  func(l *loader, v string) error { l.address = v; return nil },
	"port":     func(l *loader, v string) error { return number(v, &l.port) },
	"motdfile": func(l *loader, v string) error { l.c.MotdFile = v; return nil },
	"pidfile":  func(l *loader, v string) error { l.c.PidFile = v; return nil },
}

// moduleParams are those of modules. Each stores an expanded value.
var moduleParams = map[string]func(l *loader, m *config.Module, v string) error{
	"path":           func(l *loader, m *config.Module, v string) error { l.path = v; return nil },
	"comment":        func(_ *loader, m *config.Module, v string) error { m.Comment = oneLine(v); return nil },
	"readonly":       func(_ *loader, m *config.Module, v string) error { return boolean(v, &m.ReadOnly) },
	"writeonly":      func(_ *loader, m *config.Module, v string) error { return flag(v, &m.WriteOnly) },
	"list":           func(_ *loader, m *config.Module, v string) error { return boolean(v, &m.List) },
	"maxconnections": func(_ *loader, m *config.Module, v string) error { return number(v, &m.MaxConnections) },
	"timeout": func(_ *loader, m *config.Module, v string) error {
		var seconds int
		err := number(v, &seconds)
		m.Timeout = time.Duration(seconds) * time.Second
		return err
	},
	"logfile":       func(_ *loader, m *config.Module, v string) error { m.LogFile = v; return nil },
	"filter":        func(_ *loader, m *config.Module, v string) error { m.Filter = rules(v); return nil },
	"includefrom":   func(_ *loader, m *config.Module, v string) error { m.IncludeFrom = v; return nil },
	"include":       func(_ *loader, m *config.Module, v string) error { m.Include = patterns(v); return nil },
	"excludefrom":   func(_ *loader, m *config.Module, v string) error { m.ExcludeFrom = v; return nil },
	"exclude":       func(_ *loader, m *config.Module, v string) error { m.Exclude = patterns(v); return nil },
	"uid":           func(_ *loader, m *config.Module, v string) error { m.UID = v; return nil },
	"gid":           func(_ *loader, m *config.Module, v string) error { m.GID = list(v); return nil },
	"numericids":    func(l *loader, _ *config.Module, v string) error { return boolean3(v, &l.numeric) },
	"usechroot":     func(l *loader, _ *config.Module, v string) error { return boolean3(v, &l.chroot) },
	"mungesymlinks": func(l *loader, _ *config.Module, v string) error { return boolean3(v, &l.munge) },
	"incomingchmod": func(_ *loader, m *config.Module, v string) error { m.IncomingChmod = v; return nil },
	"outgoingchmod": func(_ *loader, m *config.Module, v string) error { m.OutgoingChmod = v; return nil },
	"hostsallow":    func(_ *loader, m *config.Module, v string) error { m.HostsAllow = list(v); return nil },
	"hostsdeny":     func(_ *loader, m *config.Module, v string) error { m.HostsDeny = list(v); return nil },
	"reverselookup": func(_ *loader, m *config.Module, v string) error { return boolean(v, &m.ReverseLookup) },
	"forwardlookup": func(_ *loader, m *config.Module, v string) error { return boolean(v, &m.ForwardLookup) },
	"authusers":     func(_ *loader, m *config.Module, v string) error { m.AuthUsers = list(v); return nil },
	"secretsfile":   func(_ *loader, m *config.Module, v string) error { m.SecretsFile = v; return nil },
	"strictmodes":   func(_ *loader, m *config.Module, v string) error { return boolean(v, &m.StrictModes) },
	"authdigest":    func(_ *loader, m *config.Module, v string) error { m.AuthDigest = v; return nil },
	"refuseoptions": func(_ *loader, m *config.Module, v string) error { m.RefuseOptions = strings.Fields(v); return nil },
	"dontcompress": func(_ *loader, m *config.Module, v string) error {
		m.DontCompress = slices.Contains(strings.Fields(v), "*")
		return nil
	},
	"maxverbosity": func(_ *loader, m *config.Module, v string) error {
		m.MaxVerbosity = new(int)
		return number(v, m.MaxVerbosity)
	},
}

// lateParams are those whose value may depend on the client.
var lateParams = []string{"path", "uid", "gid"}

// An unsupported parameter is one without a counterpart.
type unsupported struct {
	global bool
	// off are values, in lower case, with which there is nothing to say.
	off    []string
	unsafe bool
	text   string
}

var no = []string{"", "no", "false", "0", "unset", "-1"}

var unsupportedParams = map[string]unsupported{
	"daemonchroot":       {global: true, off: []string{""}, unsafe: true, text: "the daemon does not change its root"},
	"daemonuid":          {global: true, off: []string{""}, unsafe: true, text: "start the daemon as that user instead"},
	"daemongid":          {global: true, off: []string{""}, unsafe: true, text: "start the daemon with that group instead"},
	"proxyprotocol":      {global: true, off: no, unsafe: true, text: "the addresses of clients behind a proxy can't be known"},
	"proxyprotocolhosts": {global: true, off: []string{""}, text: "there is no proxy protocol"},
	"socketoptions":      {global: true, off: []string{""}, text: "the kernel's defaults are used"},
	"listenbacklog":      {global: true, text: "the kernel's limit is used"},

	"earlyexec":         {off: []string{""}, unsafe: true, text: "no program is run"},
	"pre-xferexec":      {off: []string{""}, unsafe: true, text: "no program is run before a transfer, so that none can refuse it"},
	"post-xferexec":     {off: []string{""}, unsafe: true, text: "no program is run after a transfer"},
	"nameconverter":     {off: []string{""}, unsafe: true, text: "owners are looked up in the system only"},
	"fakesuper":         {off: no, unsafe: true, text: "owners and devices can't be kept in attributes"},
	"charset":           {off: []string{""}, text: "names are sent as they are; --iconv is refused"},
	"ignoreerrors":      {off: no, text: "after errors of the source nothing is deleted"},
	"ignorenonreadable": {off: no, text: "what can't be read is listed, and reported when it is asked for"},
	"insecurelinks":     {off: no, text: "symlinks of clients are never followed"},
	"lockfile":          {text: "connections are counted without a file"},
	"logformat":         {text: "there is one log line for each session"},
	"opennoatime":       {off: no, text: "access times follow the mount options"},
	"syslogfacility":    {off: []string{"", "daemon"}, text: "the facility is daemon"},
	"syslogtag":         {off: []string{"", "rsyncd"}, text: "the tag is rsyncd"},
	"tempdir":           {off: []string{""}, text: "new files are built beside the old ones"},
	"transferlogging":   {off: no, text: "there is one log line for each session"},
}

// known reports whether there is a parameter of that canonical name, and
// whether it is one of the daemon.
func known(name string) (global, known bool) {
	if _, ok := daemonParams[name]; ok {
		return true, true
	}
	if u, ok := unsupportedParams[name]; ok {
		return u.global, true
	}
	_, ok := moduleParams[name]
	return false, ok
}

// boolean3 parses a switch that may be unset.
func boolean3(v string, to **bool) error {
	switch strings.ToLower(v) {
	case "unset", "-1":
		*to = nil
		return nil
	}
	return boolean(v, to)
}

func boolean(v string, to **bool) error {
	*to = new(bool)
	return flag(v, *to)
}

func flag(v string, to *bool) error {
	switch strings.ToLower(v) {
	case "yes", "true", "1":
		*to = true
	case "no", "false", "0":
		*to = false
	default:
		return fmt.Errorf("%q is neither yes nor no", v)
	}
	return nil
}

func number(v string, to *int) error {
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil {
		return fmt.Errorf("%q is no whole number", v)
	}
	*to = int(n)
	return nil
}

// list cuts a list at commas and blanks, or only at commas if it begins with
// one (loadparm.c:conf_strtok).
func list(v string) []string {
	between := func(r rune) bool { return r == ',' || strings.ContainsRune(blanks, r) }
	if strings.HasPrefix(v, ",") {
		between = func(r rune) bool { return r == ',' }
	}
	var out []string
	for _, item := range strings.FieldsFunc(v, between) {
		if item = strings.Trim(item, blanks); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// oneLine replaces tabs and the like by spaces.
func oneLine(v string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, v)
}

// ruleNames are the long names of filter rules that are followed by a pattern.
var ruleNames = []string{"exclude", "include", "hide", "show", "protect", "risk", "merge", "dir-merge"}

// rules cuts a list of filter rules at blanks, but not between a rule's name
// and its pattern: "- /foo - /bar" is two rules.
func rules(v string) []string { return cut(v, wantsPattern) }

// patterns cuts a list of include or exclude. It knows no names of rules but "-"
// and "+": any other word is a pattern (exclude.c: XFLG_OLD_PREFIXES).
func patterns(v string) []string {
	return cut(v, func(word string) bool { return word == "-" || word == "+" })
}

// cut cuts a list at blanks, but not behind a word that opens a rule.
func cut(v string, opens func(word string) bool) []string {
	var out []string
	words := strings.Fields(v)
	for i := 0; i < len(words); i++ {
		if rule := words[i]; i+1 < len(words) && opens(rule) {
			out = append(out, rule+" "+words[i+1])
			i++
			continue
		}
		out = append(out, words[i])
	}
	return out
}

// wantsPattern reports whether a word is the name of a rule, perhaps with
// modifiers, and nothing else.
func wantsPattern(word string) bool {
	long, _, _ := strings.Cut(word, ",")
	if slices.Contains(ruleNames, long) {
		return true
	}
	if strings.IndexByte("-+.:HSPR", word[0]) < 0 {
		return false
	}
	return strings.Trim(word[1:], ",/!Cenpwxsr+-") == ""
}

var errNoPath = errors.New("the module has no path")
