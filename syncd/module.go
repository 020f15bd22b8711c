package syncd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// module is a module as one session uses it.
type module struct {
	config.Module
	hidden             *filter.List // what clients neither see nor touch
	incoming, outgoing tree.Chmod
	allow, deny        []hostPattern
	users              []authRule
	refuse             rsync.Refusals
}

// CheckModules says what Config.Validate can't see: rules that do not parse and
// files that can't be read.
func CheckModules(cfg *config.Config) error {
	var errs []error
	for i := range cfg.Modules {
		m, err := newModule(&cfg.Modules[i], openFile)
		if err == nil {
			if err = checkAuth(&m.Module); err != nil {
				err = fmt.Errorf("module %s: secrets file: %w", m.Name, err)
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// A fileOpener opens a file that has rules of a module.
type fileOpener func(name string) (io.ReadCloser, error)

func openFile(name string) (io.ReadCloser, error) { return os.Open(name) }

// newModule compiles a module's rules; open opens the files of some.
func newModule(c *config.Module, open fileOpener) (*module, error) {
	m := &module{Module: *c}
	m.GID = slices.Clone(c.GID) // settle changes them
	var err error
	fail := func(what string) (*module, error) { return nil, fmt.Errorf("module %s: %s: %w", c.Name, what, err) }
	if m.hidden, err = hiddenIn(c, open); err != nil {
		return nil, fmt.Errorf("module %s: %w", c.Name, err)
	}
	if m.incoming, err = tree.ParseChmod(c.IncomingChmod); err != nil {
		return fail("incoming chmod")
	}
	if m.outgoing, err = tree.ParseChmod(c.OutgoingChmod); err != nil {
		return fail("outgoing chmod")
	}
	if m.allow, err = parseHosts(c.HostsAllow); err != nil {
		return fail("hosts allow")
	}
	if m.deny, err = parseHosts(c.HostsDeny); err != nil {
		return fail("hosts deny")
	}
	if m.users, err = parseAuthRules(c.AuthUsers); err != nil {
		return fail("auth users")
	}
	m.refuse = append(rsync.Refusals{}, c.RefuseOptions...)
	if err = m.refuse.Check(); err != nil {
		return fail("refuse options")
	}
	return m, nil
}

// hiddenIn compiles what a module hides from its clients, in stock's order
// (clientserver.c:rsync_module).
func hiddenIn(m *config.Module, open fileOpener) (*filter.List, error) {
	hidden := &filter.List{Open: open}
	for _, list := range []struct {
		name  string
		rules []string
		from  string
		add   func(string) error
		inc   bool
	}{
		{"filter", m.Filter, "", hidden.AddRule, false},
		{"include from", nil, m.IncludeFrom, nil, true},
		{"include", m.Include, "", hidden.AddInclude, false},
		{"exclude from", nil, m.ExcludeFrom, nil, false},
		{"exclude", m.Exclude, "", hidden.AddExclude, false},
	} {
		var err error
		if list.from != "" {
			err = addFrom(hidden, open, list.from, list.inc)
		}
		for _, rule := range list.rules {
			err = errors.Join(err, list.add(rule))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", list.name, err)
		}
	}
	return hidden, nil
}

func addFrom(l *filter.List, open fileOpener, file string, include bool) error {
	f, err := open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return l.AddFrom(f, include, false)
}

// ruleFiles returns the text of all files that have rules of a module, by name.
func ruleFiles(m *config.Module) (map[string][]byte, error) {
	files := make(map[string][]byte)
	_, err := hiddenIn(m, func(name string) (io.ReadCloser, error) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files[name] = text
		return io.NopCloser(bytes.NewReader(text)), nil
	})
	return files, err
}

// mungePrefix makes the target of a symlink lead nowhere (rsync.h:SYMLINK_PREFIX).
const mungePrefix = "/rsyncd-munged/"

// errMunge says that munged symlinks would lead somewhere.
var errMunge = errors.New("symlinks can't be munged safely: there is a directory " + mungePrefix)

// settle fixes what depends on the client: the variables in path, uid and gid.
func (m *module) settle(ctx context.Context, h *host, user string) error {
	if m.MungeSymlinks {
		if st, err := os.Stat(mungePrefix); err == nil && st.IsDir() {
			return errMunge
		}
	}
	variables := map[string]func() string{
		"RSYNC_USER_NAME":   func() string { return user },
		"RSYNC_MODULE_NAME": func() string { return m.Name },
		"RSYNC_HOST_ADDR":   func() string { return h.addr.String() },
		"RSYNC_HOST_NAME":   func() string { return h.lookedUp(ctx, m.LooksUpNames()) },
	}
	var err error
	values := append([]*string{&m.Path, &m.UID}, pointers(m.GID)...)
	for _, v := range values {
		var failed error
		if *v, failed = expandVariables(*v, variables); failed != nil {
			err = failed
		}
	}
	m.Path = path.Clean(m.Path)
	return err
}

// pointers returns the addresses of a copy's strings, in place of the list.
func pointers(list []string) (ps []*string) {
	for i := range list {
		ps = append(ps, &list[i])
	}
	return ps
}

// expandVariables replaces %NAME% by the value of a variable, and %% by a percent
// sign; any other text stays. A value that is not one component of a path is an
// error: some come from the client.
func expandVariables(text string, variables map[string]func() string) (string, error) {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "%")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "%")
		value := variables[name]
		switch {
		case closed && name == "":
			b.WriteByte('%')
		case closed && value != nil:
			v := value()
			if v == "" || v == "." || v == ".." || strings.ContainsAny(v, "/\x00") {
				return "", fmt.Errorf("%s is %q, which can't be part of a path", name, v)
			}
			b.WriteString(v)
		default:
			b.WriteByte('%')
			after = rest
		}
		text = after
	}
}
