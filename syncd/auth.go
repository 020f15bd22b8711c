package syncd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"syscall"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// An authRule says who may log in, and what they may do then. The first that
// matches decides (authenticate.c:auth_server).
type authRule struct {
	pattern string
	group   bool // pattern is of the user's groups
	access  string
}

// What a rule may say of access; "" is what the module says.
const (
	accessDeny  = "deny"
	accessRead  = "ro"
	accessWrite = "rw"
)

func parseAuthRules(items []string) (rules []authRule, err error) {
	for _, item := range items {
		r := authRule{pattern: item}
		if i := strings.LastIndexByte(item, ':'); i >= 0 {
			r.pattern, r.access = item[:i], strings.ToLower(item[i+1:])
			if r.access != accessDeny && r.access != accessRead && r.access != accessWrite {
				return nil, fmt.Errorf("%s: %q is none of ro, rw and deny", item, r.access)
			}
		}
		r.pattern, r.group = strings.CutPrefix(r.pattern, "@")
		if r.pattern == "" {
			return nil, fmt.Errorf("%s is no pattern of users or groups", item)
		}
		if err := rsync.CheckPattern(r.pattern); err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// match returns the rule for a user, and the group that made it match; nil if
// there is none. Users without an account here are in no group.
func match(rules []authRule, name string) (r *authRule, group string) {
	var groups []string
	looked := false
	for i := range rules {
		r := &rules[i]
		if !r.group {
			if rsync.MatchName(r.pattern, name) {
				return r, ""
			}
			continue
		}
		if !looked {
			groups, looked = groupsOf(name), true
		}
		for _, g := range groups {
			if rsync.MatchName(r.pattern, g) {
				return r, g
			}
		}
	}
	return nil, ""
}

// groupsOf returns the names of a user's groups.
func groupsOf(name string) (groups []string) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil
	}
	ids, err := u.GroupIds()
	if err != nil {
		return nil
	}
	for _, id := range ids {
		if g, err := user.LookupGroupId(id); err == nil {
			groups = append(groups, g.Name)
		}
	}
	return groups
}

// maxSecrets bounds a secrets file.
const maxSecrets = 1 << 20

// errSecrets is why a login failed for reasons that are not the client's.
type errSecrets struct{ error }

// login decides about a claim: it returns what the user may do, or why not. It
// does the same work whether there is such a user or not, so that the time it
// takes tells nothing (authenticate.c:check_secret).
func (m *module) login(c *rsync.Claim) (access string, err error) {
	rule, group := match(m.users, c.User)
	secrets, err := readSecrets(m.SecretsFile, m.IsStrict())
	if err != nil {
		return "", &errSecrets{err}
	}
	right := rightPassword(c, secrets, group)
	switch {
	case rule == nil:
		return "", errors.New("no matching rule")
	case rule.access == accessDeny:
		return "", errors.New("denied by rule")
	case !right:
		return "", errors.New("no such user, or another password")
	}
	return rule.access, nil
}

// rightPassword reports whether the claim was made with the user's password or
// that of the group, if the rule is about one. Of several lines for a name the
// first counts. Every line is checked against the claim.
func rightPassword(c *rsync.Claim, secrets []byte, group string) bool {
	right, seenUser, seenGroup := false, false, false
	lines := bufio.NewScanner(bytes.NewReader(secrets))
	lines.Buffer(nil, maxSecrets)
	for lines.Scan() {
		line := strings.TrimSuffix(lines.Text(), "\r")
		name, password, ok := strings.Cut(line, ":")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		verified := c.Verify(password)
		switch {
		case name == c.User && !seenUser:
			seenUser = true
			right = right || verified
		case group != "" && name == "@"+group && !seenGroup:
			seenGroup = true
			right = right || verified
		}
	}
	return right && c.User != "" && c.User[0] != '@' && c.User[0] != '#'
}

// readSecrets reads the file; strict is strict_modes.
func readSecrets(file string, strict bool) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if owner, ok := st.Sys().(*syscall.Stat_t); ok && strict {
		switch {
		case st.Mode().Perm()&0o006 != 0:
			return nil, fmt.Errorf("%s may be read or written by others; chmod o-rw it, or turn strict modes off", file)
		case os.Geteuid() == 0 && owner.Uid != 0:
			return nil, fmt.Errorf("%s is not root's; chown it, or turn strict modes off", file)
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecrets+1))
	if err == nil && len(b) > maxSecrets {
		err = fmt.Errorf("%s has more than %d bytes", file, maxSecrets)
	}
	return b, err
}

// checkAuth checks what Config.Validate can't see.
func checkAuth(m *config.Module) error {
	if len(m.AuthUsers) == 0 {
		return nil
	}
	_, err := readSecrets(m.SecretsFile, m.IsStrict())
	return err
}

// tooWeak reports whether a digest is weaker than the least that is wanted.
func tooWeak(digest, least string) bool {
	if least == "" {
		return false
	}
	i := slices.Index(rsync.AuthDigests, digest) // the strongest is the first
	return i < 0 || i > slices.Index(rsync.AuthDigests, least)
}
