package syncd

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/wire/native"
)

// A denial is why a client does not get a module, in the words of both
// dialects.
type denial struct {
	code  native.Code
	text  string
	stock string // behind "@ERROR: "
}

func (d *denial) Error() string { return d.stock }

// open finds a module for a client, asks whether its host may have it, and
// counts the session into it. nil is a yes.
func (n *session) open(name string) *denial {
	unknown := &denial{native.CodeNoModule, "no module " + strings.ToValidUTF8(Printable(name), "?") + "; `syncd ls` shows those that there are",
		fmt.Sprintf("Unknown module '%s'", Printable(name))}
	full := func(limit int) *denial {
		return &denial{native.CodeBusy, "the module " + Printable(name) + " has as many clients as it may; try again later",
			fmt.Sprintf("max connections (%d) reached -- try again later", limit)}
	}
	if n.full {
		return full(n.cfg.MaxConnections)
	}
	i := slices.IndexFunc(n.cfg.Modules, func(m config.Module) bool { return m.Name == name })
	if i < 0 {
		return unknown
	}
	m, err := newModule(&n.cfg.Modules[i], openFile)
	if err != nil {
		return n.misconfigured(err)
	}
	if !m.allowed(n.ctx, n.host) {
		who := fmt.Sprintf("%s (%s)", n.host.lookedUp(n.ctx, m.LooksUpNames()), n.host.addr)
		n.log.Warn("host denied", "module", m.Name, "host", who)
		if !m.IsListed() {
			return unknown
		}
		return &denial{native.CodeRefused, "the module " + m.Name + " is not for " + who,
			fmt.Sprintf("access denied to %s from %s", m.Name, who)}
	}
	if !n.server.enter(n, m) {
		return full(m.MaxConnections)
	}
	n.readOnly, n.writeOnly = m.IsReadOnly(), m.WriteOnly
	return nil
}

// misconfigured is for mistakes of the administrator, who reads the log.
func (n *session) misconfigured(err error) *denial {
	n.log.Error("module can't be served", "err", err.Error())
	return &denial{native.CodeRefused, "the server's configuration of the module is wrong; its log says how",
		"daemon security issue -- contact admin"}
}

// prepare opens the module of a client that may have it: its directory, and the
// ids that the session is to run with.
func (n *session) prepare() *denial {
	m := n.module
	if err := m.settle(n.ctx, n.host, n.user); err != nil {
		return n.misconfigured(err)
	}
	var err error
	if n.process, err = credential(m.UID, m.GID); err != nil {
		n.log.Error("module can't be served", "module", m.Name, "err", err.Error())
		return &denial{native.CodeRefused, "the module " + m.Name + " can't be opened on the server", err.Error()}
	}
	if n.dir, err = os.OpenFile(m.Path, os.O_RDONLY|syscall.O_DIRECTORY, 0); err != nil {
		n.log.Error("module can't be opened", "path", m.Path, "err", err.Error())
		return &denial{native.CodePath, "the module " + m.Name + " can't be opened on the server", "chdir failed"}
	}
	return nil
}

// credential returns the ids that uid and gid of a module name, nil if these are
// what this process has. Its errors are in stock's words.
func credential(uid string, gids []string) (*syscall.Credential, error) {
	if uid == "" && len(gids) == 0 {
		return nil, nil
	}
	c := &syscall.Credential{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}
	if uid != "" {
		u, err := lookupUser(uid)
		if err != nil {
			return nil, fmt.Errorf("invalid uid %s", uid)
		}
		id, _ := strconv.ParseUint(u.Uid, 10, 32) // lookupUser has
		c.Uid = uint32(id)
		if len(gids) == 0 && u.Gid != "" {
			gids = []string{u.Gid}
		}
		if len(gids) > 0 && gids[0] == "*" {
			all, err := u.GroupIds()
			if err != nil {
				return nil, errors.New("invalid gid *")
			}
			gids = append(all, gids[1:]...)
		}
		if len(gids) == 0 && c.Uid != uint32(os.Geteuid()) {
			return nil, fmt.Errorf("invalid gid: the uid %s has no account that says one; give a gid", uid)
		}
	}
	for i, g := range gids {
		id, err := groupID(g)
		if err != nil {
			return nil, fmt.Errorf("invalid gid %s", g)
		}
		if i == 0 {
			c.Gid = id
		} else if id != c.Gid && !slices.Contains(c.Groups, id) {
			c.Groups = append(c.Groups, id)
		}
	}
	mine := c.Uid == uint32(os.Geteuid()) && c.Gid == uint32(os.Getegid())
	switch {
	case os.Geteuid() == 0:
		if mine && len(c.Groups) == 0 {
			return nil, nil
		}
	case !mine:
		return nil, errors.New("setuid failed")
	default:
		return nil, nil
	}
	return c, nil
}

// lookupUser finds a user by name or number; a number needs no account.
func lookupUser(name string) (*user.User, error) {
	u, err := user.Lookup(name)
	if err == nil {
		return u, nil
	}
	if _, bad := strconv.ParseUint(name, 10, 31); bad != nil {
		return nil, err
	}
	if u, err := user.LookupId(name); err == nil {
		return u, nil
	}
	return &user.User{Uid: name}, nil
}

func groupID(name string) (uint32, error) {
	id, err := strconv.ParseUint(name, 10, 31)
	if err == nil {
		return uint32(id), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, err
	}
	id, err = strconv.ParseUint(g.Gid, 10, 32)
	return uint32(id), err
}
