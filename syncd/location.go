package syncd

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// DefaultPort is where a daemon listens and a client looks for it.
const DefaultPort = "8730"

// Location is one end of a transfer, as named on the command line.
type Location struct {
	Host   string // with port; "" for this host
	User   string
	Module string
	Path   string // local: any path; remote: below the module, maybe with a trailing slash
}

// Remote reports whether l is on a daemon.
func (l Location) Remote() bool { return l.Host != "" }

func (l Location) String() string {
	if !l.Remote() {
		return l.Path
	}
	s := "syncd://" + l.Host + "/" + l.Module
	if l.Path != "" {
		s += "/" + l.Path
	}
	return s
}

// ParseLocation reads what the user gave: a local path, or
// syncd://[user@]host[:port]/module/path. The forms of other programs' peers
// are refused by name.
func ParseLocation(s string) (Location, error) {
	if rest, ok := strings.CutPrefix(s, "syncd://"); ok {
		return parseURL(s, rest)
	}
	colon, slash := strings.IndexByte(s, ':'), strings.IndexByte(s, '/')
	switch {
	case s == "":
		return Location{}, Exitf(ExitUsage, "an empty path names nothing; the current directory is \".\"")
	case strings.HasPrefix(s, "rsync://"), colon > 0 && strings.HasPrefix(s[colon:], "::") && (slash < 0 || colon < slash):
		return Location{}, Exitf(ExitUnsupported, "%s: stock rsync daemons are not supported yet", s)
	case colon > 0 && (slash < 0 || colon < slash):
		return Location{}, Exitf(ExitUnsupported, "%s: remote shells are not supported yet; for a local name with a colon write ./%s", s, s)
	}
	return Location{Path: s}, nil
}

// parseURL takes a URL apart by hand: names in a path may hold what a URL
// would have to escape, and people write them as they are.
func parseURL(s, rest string) (Location, error) {
	host, path, _ := strings.Cut(rest, "/")
	l := Location{}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		l.User, host = host[:i], host[i+1:]
	}
	u, err := url.Parse("//" + host)
	if err != nil || u.Hostname() == "" {
		return l, Exitf(ExitUsage, "%s: no host", s)
	}
	port := u.Port()
	if port == "" {
		port = DefaultPort
	}
	l.Host = net.JoinHostPort(u.Hostname(), port)
	l.Module, l.Path, _ = strings.Cut(path, "/")
	for strings.HasPrefix(l.Path, "/") {
		l.Path = l.Path[1:]
	}
	return l, nil
}

// checkRemotePath refuses what a daemon would refuse, before it is asked.
func checkRemotePath(l Location) error {
	p := strings.TrimSuffix(l.Path, "/")
	if p == "" {
		return nil
	}
	for _, c := range strings.Split(p, "/") {
		if c == "" || c == "." || c == ".." {
			return Exitf(ExitUsage, "%s: the path may not hold empty parts, \".\" or \"..\"", l)
		}
	}
	if strings.IndexByte(p, 0) >= 0 {
		return fmt.Errorf("%s: the path holds a NUL", l)
	}
	return nil
}
