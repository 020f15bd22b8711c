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
	Stock  bool   // stock rsync's dialect is spoken there
	Shell  bool   // there is no daemon: a remote shell starts the other side
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
	if l.Shell {
		s = l.Host + ":" + l.Path
		if l.User != "" {
			s = l.User + "@" + s
		}
		return s
	}
	if l.Stock {
		s = "rsync://" + l.Host + "/" + l.Module
	}
	if l.Path != "" {
		s += "/" + l.Path
	}
	return s
}

// stockPort is where stock rsync's daemon listens.
const stockPort = "873"

// ParseLocation reads what the user gave: a local path,
// syncd://[user@]host[:port]/module/path or, for stock rsync's daemon,
// rsync://[user@]host[:port]/module/path and [user@]host::module/path, or, for
// stock rsync behind a remote shell, [user@]host:path.
func ParseLocation(s string) (Location, error) {
	if rest, ok := strings.CutPrefix(s, "syncd://"); ok {
		return parseURL(s, rest, DefaultPort)
	}
	if rest, ok := strings.CutPrefix(s, "rsync://"); ok {
		return parseStock(s, rest)
	}
	colon, slash := strings.IndexByte(s, ':'), strings.IndexByte(s, '/')
	switch {
	case s == "":
		return Location{}, Exitf(ExitUsage, "an empty path names nothing; the current directory is \".\"")
	case colon > 0 && strings.HasPrefix(s[colon:], "::") && (slash < 0 || colon < slash):
		return parseStock(s, s[:colon]+"/"+s[colon+2:])
	case colon > 0 && (slash < 0 || colon < slash):
		return parseShell(s, s[:colon], s[colon+1:])
	}
	return Location{Path: s}, nil
}

// parseURL takes a URL apart by hand: names in a path may hold what a URL
// would have to escape, and people write them as they are.
func parseURL(s, rest, port string) (Location, error) {
	host, path, _ := strings.Cut(rest, "/")
	l := Location{}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		l.User, host = host[:i], host[i+1:]
	}
	u, err := url.Parse("//" + host)
	if err != nil || u.Hostname() == "" {
		return l, Exitf(ExitUsage, "%s: no host", s)
	}
	if p := u.Port(); p != "" {
		port = p
	}
	l.Host = net.JoinHostPort(u.Hostname(), port)
	l.Module, l.Path, _ = strings.Cut(path, "/")
	for strings.HasPrefix(l.Path, "/") {
		l.Path = l.Path[1:]
	}
	return l, nil
}

// parseStock is parseURL for stock's daemon.
func parseStock(s, rest string) (Location, error) {
	l, err := parseURL(s, rest, stockPort)
	l.Stock = true
	return l, err
}

// parseShell takes host:path apart. The path is the other host's business.
func parseShell(s, host, path string) (Location, error) {
	l := Location{Stock: true, Shell: true, Host: host, Path: path}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		l.User, l.Host = host[:i], host[i+1:]
	}
	l.Host = strings.TrimSuffix(strings.TrimPrefix(l.Host, "["), "]") // of an IPv6 address
	if l.Host == "" || l.Host[0] == '-' || strings.HasPrefix(l.User, "-") {
		return l, Exitf(ExitUsage, "%s: no host; for a local name with a colon write ./%s", s, s)
	}
	return l, nil
}

// checkRemotePath refuses what a daemon would refuse, before it is asked.
func checkRemotePath(l Location) error {
	if l.Shell {
		return nil
	}
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
