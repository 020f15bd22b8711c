package rsyncd

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"os/user"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/seed9553035b/syncd/config"
)

// defaultPort is that of rsync.
const defaultPort = 873

// Options are what besides a file decides what it means.
type Options struct {
	// Root says that the daemon runs as root: then clients are served as
	// nobody unless a module names a user.
	Root bool
	// Set overrides parameters of the global part, as "name=value".
	Set []string
}

// nobodyGroups are what systems call the group of the user nobody; the first
// one if they have none of the others.
var nobodyGroups = []string{"nogroup", "nobody"}

// Load reads an rsyncd.conf. The notes are in the order of the lines.
func Load(file string, o Options) (*config.Config, []Note, error) {
	p := newParser()
	return load(p, o, func() error { return p.file(file, 0) })
}

// load reads the overrides, then what read reads, and the overrides once more:
// so they are defaults for modules, and the last word for the daemon
// (loadparm.c:set_dparams).
func load(p *parser, o Options, read func() error) (*config.Config, []Note, error) {
	for _, override := range []bool{true, false, true} {
		if !override {
			if err := read(); err != nil {
				return nil, nil, err
			}
			continue
		}
		p.current = nil
		for _, s := range o.Set {
			if err := p.override(s); err != nil {
				return nil, nil, err
			}
		}
	}
	l := &loader{parser: p, options: o, c: config.Default(), places: make(map[string]setting)}
	if err := l.load(); err != nil {
		return nil, nil, err
	}
	slices.SortStableFunc(l.notes, func(a, b Note) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line)
	})
	return l.c, slices.Compact(l.notes), nil
}

func (p *parser) override(s string) error {
	p.where = place{file: "command line", line: 1}
	name, _, ok := strings.Cut(s, "=")
	if _, known := known(canonical(name)); !ok || !known {
		return fmt.Errorf("%q is no parameter of an rsyncd.conf and its value, such as pidfile=FILE", s)
	}
	return p.statement(s, 0)
}

// loader makes a configuration of what a parser has read.
type loader struct {
	*parser
	options Options
	c       *config.Config
	places  map[string]setting // of the configuration's keys
	address string
	port    int

	// Of the module under way.
	path                   string
	numeric, chroot, munge *bool
}

func (l *loader) load() error {
	l.c.Insecure = true // as the file says, or as stock does without a word
	l.c.Timeout = 0
	for _, name := range l.global.inOrder() {
		s := l.global[name]
		if l.unsupported(name, s, "") {
			continue
		}
		if err := daemonParams[name](l, expand(s.value, "%", environment(""))); err != nil {
			return s.errorf(err)
		}
	}
	if l.port == 0 {
		l.port = defaultPort
	}
	l.c.Listen = []string{net.JoinHostPort(l.address, strconv.Itoa(l.port))}
	if s, ok := l.defaults["logfile"]; ok {
		l.c.Log.File = expand(s.value, "%", environment(""))
		l.places["log.file"] = s
	}
	for name, key := range map[string]string{"motdfile": "motd_file", "pidfile": "pid_file", "address": "listen[0]"} {
		l.places[key] = l.global[name]
	}
	for _, s := range l.sections {
		if err := l.module(s); err != nil {
			return err
		}
	}
	return l.located(l.c.Validate())
}

func (s setting) errorf(err error) error {
	return s.at.errorf("%s: %w", s.name, err)
}

// inOrder returns the names in the order of the lines.
func (s settings) inOrder() []string {
	return slices.SortedFunc(maps.Keys(s), func(a, b string) int {
		return cmp.Or(strings.Compare(s[a].at.file, s[b].at.file), s[a].at.line-s[b].at.line, strings.Compare(a, b))
	})
}

// module adds one module.
func (l *loader) module(s *section) error {
	var m config.Module
	m.Name = s.name
	l.path, l.numeric, l.chroot, l.munge = "", nil, nil, nil
	for _, name := range s.set.inOrder() {
		v := s.set[name]
		if l.unsupported(name, v, s.name) {
			continue
		}
		value, err := expandFor(name, v.value, s.name)
		if err == nil {
			err = moduleParams[name](l, &m, value)
		}
		if err != nil {
			return v.errorf(err)
		}
		l.places[fmt.Sprintf("modules[%d].%s", len(l.c.Modules), yamlName(v.name))] = v
	}
	if l.path == "" {
		return s.at.errorf("[%s]: %w", s.name, errNoPath)
	}
	if m.LogFile == l.c.Log.File {
		m.LogFile = ""
	}
	l.settle(&m)
	l.c.Modules = append(l.c.Modules, m)
	return nil
}

// expandFor expands the value of a module's parameter.
func expandFor(name, value, module string) (string, error) {
	if slices.Contains(lateParams, name) {
		return expandEarly(value, module), nil
	}
	if v := dependsOnClient(value, module); v != "" {
		return "", fmt.Errorf("%%%s%% can be used in path, uid and gid only", v)
	}
	return expand(value, "%", environment(module)), nil
}

// settle decides what depends on several parameters. Stock's chroot into a
// module stands here for the rule that nothing leads out of one, which holds
// anyway; what remains of "use chroot" are the defaults that depend on it
// (clientserver.c:rsync_module).
func (l *loader) settle(m *config.Module) {
	_, _, split := strings.Cut(l.path, "/./")
	m.Path = path.Clean(l.path)
	chroot := l.chroot != nil && *l.chroot || l.chroot == nil && (l.options.Root || split)
	if l.numeric != nil {
		m.NumericIDs = *l.numeric
	} else {
		m.NumericIDs = chroot
	}
	if l.munge != nil {
		m.MungeSymlinks = *l.munge
	} else {
		m.MungeSymlinks = (!chroot || split) && m.Path != "/"
	}
	if !l.options.Root {
		return
	}
	if m.UID == "" {
		m.UID = "nobody"
	}
	if len(m.GID) == 0 {
		m.GID = []string{nobodyGroup()}
	}
}

// nobodyGroup is the name of nobody's group on this system.
func nobodyGroup() string {
	for _, g := range nobodyGroups[1:] {
		if _, err := user.LookupGroup(g); err == nil {
			return g
		}
	}
	return nobodyGroups[0]
}

// unsupported reports whether a parameter has no counterpart, and says so
// unless its value is off.
func (l *loader) unsupported(name string, s setting, module string) bool {
	u, ok := unsupportedParams[name]
	if ok && !slices.Contains(u.off, strings.ToLower(s.value)) {
		l.notes = append(l.notes, Note{File: s.at.file, Line: s.at.line, Module: module, Name: s.name, Text: u.text, Unsafe: u.unsafe})
	}
	return ok
}

// located gives problems of a configuration the lines that they come from.
func (l *loader) located(err error) error {
	var problems config.Error
	if !errors.As(err, &problems) {
		return err
	}
	for i := range problems {
		p := &problems[i]
		key := p.Key
		if s, ok := l.places[key]; ok {
			p.File, p.Line, p.Key = s.at.file, s.at.line, s.name
			continue
		}
		var n int
		if _, err := fmt.Sscanf(key, "modules[%d]", &n); err == nil && n < len(l.sections) {
			s := l.sections[n]
			p.File, p.Line = s.at.file, s.at.line
			p.Key = "[" + s.name + "] " + strings.ReplaceAll(key[strings.IndexByte(key, '.')+1:], "_", " ")
		}
	}
	return problems
}

// yamlName is the key that a parameter has in a configuration of our own.
func yamlName(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.Join(strings.Fields(name), " ")), " ", "_")
}
