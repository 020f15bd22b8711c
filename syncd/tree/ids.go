package tree

import (
	"os/user"
	"strconv"
	"strings"
	"sync"
)

// ids looks up the names and numbers of users and groups, and remembers both
// what it found and what it did not. It lives as long as a Root or a Meta, so
// a new run sees a changed user database. The zero value is ready.
type ids struct {
	users, groups idTable
}

type idTable struct {
	mu   sync.Mutex
	name map[uint32]string // "" if id has no name
	id   map[string]int64  // -1 if name has no id
}

const (
	// maxIDs bounds each map: a peer chooses what is looked up. 16384 is far
	// above the owners of real trees and a few MB at most.
	maxIDs = 1 << 14
	// maxIDName is the longest name looked up, the login name limit of POSIX
	// (_POSIX_LOGIN_NAME_MAX is less, LOGIN_NAME_MAX of Linux is 256).
	maxIDName = 256
)

func (t *ids) userName(id uint32) string {
	return t.users.nameOf(id, func(id string) (string, error) {
		u, err := user.LookupId(id)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	})
}

func (t *ids) groupName(id uint32) string {
	return t.groups.nameOf(id, func(id string) (string, error) {
		g, err := user.LookupGroupId(id)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	})
}

// userID returns the number here of a user that is name, or if name is unknown
// here id, on the source.
func (t *ids) userID(id uint32, name string) uint32 {
	return t.users.idOf(id, name, func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
}

// groupID is userID for groups.
func (t *ids) groupID(id uint32, name string) uint32 {
	return t.groups.idOf(id, name, func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
}

func (t *idTable) nameOf(id uint32, lookup func(string) (string, error)) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if name, ok := t.name[id]; ok {
		return name
	}
	name, err := lookup(strconv.FormatUint(uint64(id), 10))
	if err != nil {
		name = "" // unknown, or no user database in this jail: numbers do
	}
	if t.name == nil || len(t.name) >= maxIDs {
		t.name = make(map[uint32]string)
	}
	t.name[id] = name
	return name
}

// idOf maps by name first, then by number. Number 0 is root everywhere and is
// not mapped, as in rsync (uidlist.c, match_uid).
func (t *idTable) idOf(id uint32, name string, lookup func(string) (string, error)) uint32 {
	if id == 0 || !plausibleIDName(name) {
		return id
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	local, ok := t.id[name]
	if !ok {
		local = -1
		if text, err := lookup(name); err == nil {
			if n, err := strconv.ParseUint(text, 10, 32); err == nil {
				local = int64(n)
			}
		}
		if t.id == nil || len(t.id) >= maxIDs {
			t.id = make(map[string]int64)
		}
		t.id[strings.Clone(name)] = local
	}
	if local < 0 {
		return id
	}
	return uint32(local)
}

// plausibleIDName keeps from the user database what can not be in it: a peer
// sent name.
func plausibleIDName(name string) bool {
	return name != "" && len(name) <= maxIDName && !strings.ContainsAny(name, ":\n\x00")
}
