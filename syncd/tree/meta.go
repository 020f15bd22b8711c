package tree

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"sync"

	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

// Meta is the metadata that a run keeps, and how owners of the source become
// owners here. The zero Meta keeps none. The fields are set before the first
// call; a Meta is not copied after it. It is safe for concurrent use.
//
// Only root (the effective user 0) sets owners, makes devices, and keeps
// xattrs outside user.*; others set the group only to one of their own. What
// is left out for that reason is no failure: [Meta.Notes] tells it.
type Meta struct {
	// Perms keeps the permission bits. Without it a new file has those of the
	// source less the umask, and an old one keeps its own. ACLs implies it.
	Perms                       bool
	Owner, Group                bool
	Times                       bool // mtimes
	OmitDirTimes, OmitLinkTimes bool
	Xattrs, ACLs                bool
	// NumericIDs maps owners by number only; otherwise by name first.
	NumericIDs bool
	// Users and Groups come before both.
	Users, Groups IDMap
	Devices       bool // character and block devices
	Specials      bool // fifos and sockets
	// ModifyWindow is by how many seconds two equal mtimes may differ, whose
	// parts of a second then do not count. WholeSeconds has two be equal in the
	// same second, for a source that knows no more.
	// What is equal is left as it is, but that of a file with ExactTimes.
	ModifyWindow int64
	WholeSeconds bool
	ExactTimes   bool
	// Chmod changes permission bits last of all, kept ones too.
	Chmod Chmod

	once sync.Once
	proc process
	ids  ids

	mu    sync.Mutex
	notes []string
}

// A process is what the credentials of this one allow.
type process struct {
	root   bool
	groups []int  // of which it is a member, the effective one too
	umask  uint32 // for modes that are not kept
}

// The notes.
const (
	noteOwner  = "owners are not set: not root"
	noteGroup  = "groups are set only to those of this user: not root"
	noteXattr  = "xattrs outside user.* are not kept: not root"
	noteXattrs = "xattrs outside user.*, security.* and trusted.* are not kept"
	noteDevice = "devices are not made: not root"
)

func (m *Meta) process() *process {
	m.once.Do(func() {
		m.proc = process{root: isRoot(), umask: umask(), groups: []int{os.Getegid()}}
		if groups, err := os.Getgroups(); err == nil {
			m.proc.groups = append(m.proc.groups, groups...)
		}
	})
	return &m.proc
}

// umask reads the file mode creation mask where reading does not set it
// (proc_pid_status(5), since Linux 4.7), and assumes the usual one without /proc.
func umask() uint32 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0o022
	}
	for line := range bytes.Lines(status) {
		if text, ok := bytes.CutPrefix(line, []byte("Umask:")); ok {
			if mask, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 8, 12); err == nil {
				return uint32(mask)
			}
		}
	}
	return 0o022
}

// Want returns what a listing must have for m to compare and apply it.
func (m *Meta) Want() Want {
	return Want{
		Xattrs: m.Xattrs,
		ACLs:   m.ACLs,
		Names:  !m.NumericIDs && (m.Owner || m.Group || m.ACLs),
	}
}

// Makes tells whether entries of e's type are made: files, directories and
// symlinks always, the others as Devices and Specials say.
func (m *Meta) Makes(e *wire.Entry) bool {
	switch {
	case e.IsSpecial():
		return m.Specials
	case !e.IsDevice():
		return true
	case !m.Devices:
		return false
	case !m.process().root:
		m.note(noteDevice)
		return false
	}
	return true
}

// Notes returns what was not kept so far and why, each once.
func (m *Meta) Notes() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.notes)
}

func (m *Meta) note(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Contains(m.notes, text) {
		m.notes = append(m.notes, text)
	}
}

// KeepsTime tells whether the mtime of entries of e's type is kept.
func (m *Meta) KeepsTime(e *wire.Entry) bool {
	return m.Times && !(e.IsDir() && m.OmitDirTimes) && !(e.IsSymlink() && m.OmitLinkTimes)
}

// SameTime tells whether two mtimes are equal within the ModifyWindow.
func (m *Meta) SameTime(a, b wire.Time) bool {
	if a == b || !m.WholeSeconds && m.ModifyWindow <= 0 {
		return a == b
	}
	apart := max(a.Sec, b.Sec) - min(a.Sec, b.Sec)
	return apart >= 0 && apart <= m.ModifyWindow // below zero it has overflowed
}

// mode returns the permission bits that want shall have. old is what had its
// path before, nil for a new path. made is the mode that an inode just made
// has: a directory keeps the set-group-ID bit that it inherited.
func (m *Meta) mode(want, old *wire.Entry, made uint32) uint32 {
	return m.Chmod.Apply(want, m.unchanged(want, old, made)) & 0o7777
}

// unchanged is mode before Chmod.
func (m *Meta) unchanged(want, old *wire.Entry, made uint32) uint32 {
	switch {
	case m.Perms || m.ACLs:
		return want.Mode & 0o7777
	case old != nil:
		return old.Mode & 0o7777
	}
	mode := want.Mode & 0o777 &^ m.process().umask
	if want.IsDir() {
		mode |= made & unix.S_ISGID
	}
	return mode
}

// noOwner leaves an owner or a group alone in chown(2).
const noOwner = -1

// owners returns what chown(2) makes of an inode of uid and gid to give it the
// owners of want: noOwner for what is right already or may not be set.
func (m *Meta) owners(uid, gid uint32, want *wire.Entry) (newUID, newGID int) {
	newUID, newGID = noOwner, noOwner
	if m.Owner {
		if id := m.userID(want.UID, want.User); id != uid {
			if m.process().root {
				newUID = int(id)
			} else {
				m.note(noteOwner)
			}
		}
	}
	if m.Group {
		if id := m.groupID(want.GID, want.Group); id != gid {
			if p := m.process(); p.root || slices.Contains(p.groups, int(id)) {
				newGID = int(id)
			} else {
				m.note(noteGroup)
			}
		}
	}
	return newUID, newGID
}

func (m *Meta) userID(id uint32, name string) uint32 {
	if to, ok := m.Users.find(id, name); ok {
		return to
	}
	if m.NumericIDs {
		return id
	}
	return m.ids.userID(id, name)
}

func (m *Meta) groupID(id uint32, name string) uint32 {
	if to, ok := m.Groups.find(id, name); ok {
		return to
	}
	if m.NumericIDs {
		return id
	}
	return m.ids.groupID(id, name)
}

// localACL returns acl, of a source, with the ids that its names have here, in
// the order that readACL returns.
func (m *Meta) localACL(acl []wire.ACE) []wire.ACE {
	local := slices.Clone(acl)
	for i := range local {
		e := &local[i]
		switch e.Tag {
		case wire.ACLUser:
			e.ID = m.userID(e.ID, e.Name)
		case wire.ACLGroup:
			e.ID = m.groupID(e.ID, e.Name)
		default:
			e.ID = 0
		}
		e.Name = ""
	}
	sortACL(local)
	return local
}

// keptXattrs is the function of that name for want, with a note.
func (m *Meta) keptXattrs(want *wire.Entry) []wire.Xattr {
	root := m.process().root
	kept, all := keptXattrs(want.Xattrs, root)
	switch {
	case all:
	case root:
		m.note(noteXattrs)
	default:
		m.note(noteXattr)
	}
	return kept
}
