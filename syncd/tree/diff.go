package tree

import (
	"slices"

	"github.com/seed9553035b/syncd/wire"
)

// Change is a set of differences between two entries.
type Change uint16

const (
	ChangeSize  Change = 1 << iota // content: size of a file, target of a link, number of a device
	ChangeTime                     // mtime
	ChangePerms                    // permission bits
	ChangeOwner
	ChangeGroup
	ChangeACL   // ACL, beyond what the permission bits say, or DefaultACL
	ChangeXattr // names or values
)

// Diff returns what [Meta.ApplyAt] would change in cur, an entry of this host,
// to make it want, an entry of the source of the same type; and ChangeSize if
// their content differs for certain. cur must have been read with [Meta.Want].
// A file with another mtime can have another content too: if Times is not set,
// ask [Meta.SameTime].
func (m *Meta) Diff(cur, want *wire.Entry) Change {
	var c Change
	if cur.Target != want.Target || cur.Rdev != want.Rdev || cur.IsRegular() && cur.Size != want.Size {
		c |= ChangeSize
	}
	if m.KeepsTime(want) && !m.SameTime(cur.Mtime, want.Mtime) {
		c |= ChangeTime
	}
	uid, gid := m.owners(cur.UID, cur.GID, want)
	if uid != noOwner {
		c |= ChangeOwner
	}
	if gid != noOwner {
		c |= ChangeGroup
	}
	if m.Xattrs {
		if set, remove := diffXattrs(cur.Xattrs, m.keptXattrs(want)); len(set)+len(remove) > 0 {
			c |= ChangeXattr
		}
	}
	if want.IsSymlink() { // a symlink has neither mode nor ACL
		return c
	}
	if m.mode(want, cur, 0) != cur.Mode&0o7777 {
		c |= ChangePerms
	}
	if m.ACLs && (!m.sameACL(beyondMode(cur.ACL, cur.Mode), beyondMode(want.ACL, want.Mode)) || !m.sameACL(cur.DefaultACL, want.DefaultACL)) {
		c |= ChangeACL
	}
	return c
}

// sameACL compares an ACL of this host with one of the source.
func (m *Meta) sameACL(cur, want []wire.ACE) bool {
	return slices.EqualFunc(cur, m.localACL(want), func(a, b wire.ACE) bool {
		return a.Tag == b.Tag && a.Perm == b.Perm && a.ID == b.ID
	})
}
