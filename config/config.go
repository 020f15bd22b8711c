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
	Modules          []Module      `yaml:"modules"`
}

// Log says what is logged and how.
type Log struct {
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

// Module is a directory that the daemon serves.
type Module struct {
	Name    string `yaml:"name"`
	Path    string `yaml:"path"`
	Comment string `yaml:"comment,omitempty"`
	// ReadOnly and List are nil if not set; see IsReadOnly and IsListed.
	ReadOnly       *bool    `yaml:"read_only,omitempty"`
	List           *bool    `yaml:"list,omitempty"`
	MaxConnections int      `yaml:"max_connections"`
	Exclude        []string `yaml:"exclude,omitempty"`
	NumericIDs     bool     `yaml:"numeric_ids"`
}

// IsReadOnly reports whether peers cannot write to the module; the default.
func (m *Module) IsReadOnly() bool { return m.ReadOnly == nil || *m.ReadOnly }

// IsListed reports whether the module appears in the list of modules; the
// default.
func (m *Module) IsListed() bool { return m.List == nil || *m.List }

// Show writes c as YAML that loads to an equal Config.
func (c *Config) Show(w io.Writer) error {
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(c); err != nil {
		return fmt.Errorf("show configuration: %w", err)
	}
	return enc.Close()
}
