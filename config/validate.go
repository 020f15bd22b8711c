package config

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Validate returns what is wrong with c, an Error, without looking at the file
// system.
func (c *Config) Validate() error {
	var ps problems
	c.validate(&ps)
	return ps.err()
}

// Check is Validate, and looks whether the modules' directories are there.
func (c *Config) Check() error {
	var ps problems
	c.validate(&ps)
	for i, m := range c.Modules {
		if strings.Contains(m.Path, "%") {
			continue // it depends on the client
		}
		info, err := os.Stat(m.Path)
		switch {
		case err != nil:
			ps.add(moduleKey(i, "path"), "%v", err)
		case !info.IsDir():
			ps.add(moduleKey(i, "path"), "%s is not a directory", m.Path)
		}
	}
	return ps.err()
}

func (c *Config) validate(ps *problems) {
	if len(c.Listen) == 0 {
		ps.add("listen", "give at least one address, such as [127.0.0.1:8730]")
	}
	for i, addr := range c.Listen {
		key := fmt.Sprintf("listen[%d]", i)
		loopback, err := splitAddress(addr)
		switch {
		case err != nil:
			ps.add(key, "%v", err)
		case !loopback && !c.Insecure:
			ps.add(key, "%s is reachable from other hosts and there is no encryption; "+
				"listen on a loopback address, or set insecure: true", addr)
		}
	}
	for key, value := range map[string]string{
		"log.level": c.Log.Level, "log.format": c.Log.Format, "transport": c.Transport, "digest": c.Digest, "fsync": c.Fsync,
	} {
		if allowed := keyAt(key).Values; !slices.Contains(allowed, value) {
			ps.add(key, "%q is not one of %s", value, strings.Join(allowed, ", "))
		}
	}
	logFile(ps, "log.file", c.Log.File)
	absolute(ps, "motd_file", c.MotdFile)
	absolute(ps, "pid_file", c.PidFile)
	notNegative(ps, "timeout", c.Timeout)
	atLeastSome(ps, "handshake_timeout", c.HandshakeTimeout)
	notNegative(ps, "shutdown_timeout", c.ShutdownTimeout)
	if c.MaxConnections < 0 {
		ps.add("max_connections", "use 0 for no limit, not %d", c.MaxConnections)
	}
	if c.MaxStreams < 1 || c.MaxStreams > maxStreams {
		ps.add("max_streams", "%d is not in 1..%d", c.MaxStreams, maxStreams)
	}
	if dir := c.Cache.Dir; dir != CacheAuto && dir != CacheOff && !filepath.IsAbs(dir) {
		ps.add("cache.dir", "%q is neither an absolute path nor auto or off", dir)
	}
	if n := c.Cache.Limit; n < 4 || n > 1<<20 {
		ps.add("cache.limit_mib", "%d is not between 4 and 1048576", n)
	}
	first := make(map[string]int)
	for i := range c.Modules {
		m := &c.Modules[i]
		m.validate(ps, i)
		if j, ok := first[m.Name]; ok {
			ps.add(moduleKey(i, "name"), "%q is also the name of modules[%d]", m.Name, j)
		} else {
			first[m.Name] = i
		}
	}
}

// maxStreams is the protocol's limit.
const maxStreams = 64

// badInName are the bytes that a module's name can't have: it goes into URLs,
// into lines of rsync's greeting and, in brackets, into an rsyncd.conf.
const badInName = "/]"

func (m *Module) validate(ps *problems, i int) {
	switch {
	case m.Name == "":
		ps.add(moduleKey(i, "name"), "give the module a name")
	case strings.ContainsAny(m.Name, badInName) || strings.ContainsFunc(m.Name, unicode.IsControl):
		ps.add(moduleKey(i, "name"), "%q has \"/\", \"]\" or a control character", m.Name)
	case strings.TrimSpace(m.Name) != m.Name || m.Name[0] == '#':
		ps.add(moduleKey(i, "name"), "%q begins with \"#\", or begins or ends with a space", m.Name)
	}
	if m.Path == "" {
		ps.add(moduleKey(i, "path"), "give the directory to serve")
	}
	for key, value := range map[string]string{"path": m.Path, "include_from": m.IncludeFrom, "exclude_from": m.ExcludeFrom,
		"secrets_file": m.SecretsFile} {
		absolute(ps, moduleKey(i, key), value)
	}
	logFile(ps, moduleKey(i, "log_file"), m.LogFile)
	if strings.ContainsFunc(m.Comment, unicode.IsControl) {
		ps.add(moduleKey(i, "comment"), "%q is more than one line of text", m.Comment)
	}
	notNegative(ps, moduleKey(i, "timeout"), m.Timeout)
	if len(m.AuthUsers) > 0 && m.SecretsFile == "" {
		ps.add(moduleKey(i, "secrets_file"), "auth_users needs a file of passwords")
	}
	if len(m.GID) > 1 && m.GID[0] != "*" && slices.Contains(m.GID, "*") {
		ps.add(moduleKey(i, "gid"), `"*" has to be the first`)
	}
	if allowed := keyAt("modules[].auth_digest").Values; m.AuthDigest != "" && !slices.Contains(allowed, m.AuthDigest) {
		ps.add(moduleKey(i, "auth_digest"), "%q is not one of %s", m.AuthDigest, strings.Join(allowed, ", "))
	}
	for key, list := range map[string][]string{"filter": m.Filter, "include": m.Include, "exclude": m.Exclude, "gid": m.GID,
		"hosts_allow": m.HostsAllow, "hosts_deny": m.HostsDeny, "auth_users": m.AuthUsers, "refuse_options": m.RefuseOptions} {
		if j := slices.Index(list, ""); j >= 0 {
			ps.add(fmt.Sprintf("%s[%d]", moduleKey(i, key), j), "it is empty")
		}
	}
}

// absolute checks the path of a file, unless there is none.
func absolute(ps *problems, key, path string) {
	switch {
	case path == "":
	case !filepath.IsAbs(path):
		ps.add(key, "%q is not an absolute path", path)
	case strings.ContainsRune(path, 0):
		ps.add(key, "%q has a NUL byte", path)
	}
}

func logFile(ps *problems, key, path string) {
	if path != LogSyslog {
		absolute(ps, key, path)
	}
}

func moduleKey(i int, name string) string { return fmt.Sprintf("modules[%d].%s", i, name) }

func notNegative(ps *problems, key string, d time.Duration) {
	if d < 0 {
		ps.add(key, "%v is negative", d)
	}
}

func atLeastSome(ps *problems, key string, d time.Duration) {
	if d <= 0 {
		ps.add(key, "%v is no time at all; use one such as 60s", d)
	}
}

// splitAddress reports whether only this host reaches the address. Names are
// not looked up: but for localhost they are taken for those of other networks.
func splitAddress(addr string) (loopback bool, err error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false, fmt.Errorf("%q is not host:port, such as 127.0.0.1:8730 or [::1]:8730", addr)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return false, fmt.Errorf("%q has no port between 0 and 65535", addr)
	}
	if host == "localhost" {
		return true, nil
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback(), nil
}

// keyAt returns the definition of a key.
func keyAt(path string) Key {
	keys := Keys()
	i := slices.IndexFunc(keys, func(k Key) bool { return k.Path == path })
	if i < 0 {
		panic("config: no definition of key " + path)
	}
	return keys[i]
}
