package config

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Config is the configuration of a daemon. What the fields mean is in Keys.
type Config struct {
	Listen           []string      `yaml:"listen"`
	Insecure         bool          `yaml:"insecure"`
	Log              Log           `yaml:"log"`
	Timeout          time.Duration `yaml:"timeout"`
	HandshakeTimeout time.Duration `yaml:"handshake_timeout"`
	ShutdownTimeout  time.Duration `yaml:"shutdown_timeout"`
	MaxConnections   int           `yaml:"max_connections"`
	MaxStreams       int           `yaml:"max_streams"`
	Transport        string        `yaml:"transport"`
	Digest           string        `yaml:"digest"`
	Fsync            string        `yaml:"fsync"`
	Cache            Cache         `yaml:"cache"`
	MotdFile         string        `yaml:"motd_file"`
	PidFile          string        `yaml:"pid_file"`
	Modules          []Module      `yaml:"modules"`
}

// Log says what is logged, how, and where to.
type Log struct {
	File   string `yaml:"file"` // an absolute path, LogSyslog, or "" for standard error
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// Cache says where digests and signatures are kept.
type Cache struct {
	Dir   string `yaml:"dir"`
	Limit int    `yaml:"limit_mib"`
}

// The values of Cache.Dir that are no directory.
const (
	CacheAuto = "auto"
	CacheOff  = "off"
)

// File returns the directory of the cache file, "" if there is to be none, and
// the most bytes that the file may take.
func (c Cache) File() (dir string, limit int64) {
	switch dir = c.Dir; dir {
	case CacheOff:
		dir = ""
	case CacheAuto:
		// systemd's CacheDirectory=; of several the first.
		dir, _, _ = strings.Cut(os.Getenv("CACHE_DIRECTORY"), ":")
	}
	return dir, int64(c.Limit) << 20
}

// LogSyslog is the Log.File that stands for the system's log.
const LogSyslog = "syslog"

// Module is a directory that the daemon serves. Pointers are nil if the key is
// not set; their methods know the default.
type Module struct {
	Name    string `yaml:"name"`
	Path    string `yaml:"path"`
	Comment string `yaml:"comment,omitempty"`

	ReadOnly       *bool         `yaml:"read_only,omitempty"`
	WriteOnly      bool          `yaml:"write_only,omitempty"`
	List           *bool         `yaml:"list,omitempty"`
	MaxConnections int           `yaml:"max_connections,omitempty"`
	Timeout        time.Duration `yaml:"timeout,omitempty"`
	LogFile        string        `yaml:"log_file,omitempty"`

	Filter      []string `yaml:"filter,omitempty"`
	IncludeFrom string   `yaml:"include_from,omitempty"`
	Include     []string `yaml:"include,omitempty"`
	ExcludeFrom string   `yaml:"exclude_from,omitempty"`
	Exclude     []string `yaml:"exclude,omitempty"`

	UID           string   `yaml:"uid,omitempty"`
	GID           []string `yaml:"gid,omitempty"`
	NumericIDs    bool     `yaml:"numeric_ids,omitempty"`
	IncomingChmod string   `yaml:"incoming_chmod,omitempty"`
	OutgoingChmod string   `yaml:"outgoing_chmod,omitempty"`
	MungeSymlinks bool     `yaml:"munge_symlinks,omitempty"`

	HostsAllow    []string `yaml:"hosts_allow,omitempty"`
	HostsDeny     []string `yaml:"hosts_deny,omitempty"`
	ReverseLookup *bool    `yaml:"reverse_lookup,omitempty"`
	ForwardLookup *bool    `yaml:"forward_lookup,omitempty"`
	AuthUsers     []string `yaml:"auth_users,omitempty"`
	SecretsFile   string   `yaml:"secrets_file,omitempty"`
	StrictModes   *bool    `yaml:"strict_modes,omitempty"`
	AuthDigest    string   `yaml:"auth_digest,omitempty"`

	RefuseOptions []string `yaml:"refuse_options,omitempty"`
	DontCompress  bool     `yaml:"dont_compress,omitempty"`
	MaxVerbosity  *int     `yaml:"max_verbosity,omitempty"`
}

// IsReadOnly reports whether peers cannot write to the module; the default.
func (m *Module) IsReadOnly() bool { return isOn(m.ReadOnly) }

// IsListed reports whether the module appears in the list of modules; the
// default.
func (m *Module) IsListed() bool { return isOn(m.List) }

// LooksUpNames reports whether the name of a client's address is looked up;
// the default.
func (m *Module) LooksUpNames() bool { return isOn(m.ReverseLookup) }

// LooksUpHosts reports whether names in HostsAllow and HostsDeny are looked up;
// the default.
func (m *Module) LooksUpHosts() bool { return isOn(m.ForwardLookup) }

// IsStrict reports whether the permissions of SecretsFile have to be tight; the
// default.
func (m *Module) IsStrict() bool { return isOn(m.StrictModes) }

// Verbosity returns how often a stock client's -v counts; once by default.
func (m *Module) Verbosity() int {
	if m.MaxVerbosity == nil {
		return 1
	}
	return *m.MaxVerbosity
}

// isOn is the value of a switch that is on by default.
func isOn(b *bool) bool { return b == nil || *b }

// Show writes c as YAML that loads to an equal Config.
func (c *Config) Show(w io.Writer) error {
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(c); err != nil {
		return fmt.Errorf("show configuration: %w", err)
	}
	return enc.Close()
}
