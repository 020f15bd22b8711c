package tree

import (
	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

// Want tells what [Dir.Entry] looks up beside the result of stat.
type Want struct {
	Xattrs bool // Xattrs: user.*, and as root security.* and trusted.*
	ACLs   bool // ACL and DefaultACL
	Names  bool // User, Group and the Name of ACEs
	// DiskACLs has Xattrs hold the ACLs too, in the form in which XFS shows
	// them to root: stock rsync takes them for attributes like any other, and
	// removes them where the sender has none.
	DiskACLs bool
}

// Entry returns the metadata of name, or with "." of the directory itself.
// It follows no symlink.
func (d *Dir) Entry(name string, w Want) (wire.Entry, error) {
	var e wire.Entry
	err := d.EntryInto(name, w, &e)
	return e, err
}

// EntryInto is Entry into *e, all of which it sets. Without Xattrs and ACLs it
// is one call of statx and allocates nothing but the target of a symlink;
// e.Name shares the memory of name.
func (d *Dir) EntryInto(name string, w Want, e *wire.Entry) error {
	*e = wire.Entry{}
	if name != "." {
		if err := checkName(name); err != nil {
			return d.fail("stat", name, err)
		}
	}
	if w.Xattrs || w.ACLs {
		return d.pinnedEntry(name, w, e)
	}
	at := name
	if name == "." {
		at = "" // looking up "." takes search permission
	}
	var st unix.Statx_t
	if err := statAt(d.fd, at, &st); err != nil {
		return d.fail("stat", name, err)
	}
	setEntry(e, name, &st)
	if e.IsSymlink() {
		// The link can be replaced between the two calls. Then the target is
		// the new one's with the times of the old: the next run sees those.
		if err := setTarget(e, d.fd, name); err != nil {
			return d.fail("readlink", name, err)
		}
	}
	d.setNames(w, e)
	return nil
}

// pinnedEntry reads everything from one inode.
func (d *Dir) pinnedEntry(name string, w Want, e *wire.Entry) error {
	var st unix.Statx_t
	h, err := d.pin(name, &st)
	if err != nil {
		return d.fail("stat", name, err)
	}
	defer h.close()
	setEntry(e, name, &st)
	if e.IsSymlink() {
		if err := setTarget(e, h.fd, ""); err != nil {
			return d.fail("readlink", name, err)
		}
	}
	if w.Xattrs {
		if e.Xattrs, err = readXattrs(h, isRoot(), w.DiskACLs); err != nil {
			return d.fail("getxattr", name, err)
		}
	}
	if w.ACLs {
		if e.ACL, e.DefaultACL, err = readACLs(h, e.Mode); err != nil {
			return d.fail("getfacl", name, err)
		}
	}
	d.setNames(w, e)
	return nil
}

// readACLs returns the access ACL of h, nil if it says no more than the mode,
// and the default ACL.
func readACLs(h handle, mode uint32) (access, dflt []wire.ACE, err error) {
	if mode&unix.S_IFMT == unix.S_IFLNK {
		return nil, nil, nil
	}
	if access, err = readACL(h, accessACL); err != nil {
		return nil, nil, err
	}
	if !saysMoreThanMode(access) {
		access = nil
	}
	if mode&unix.S_IFMT == unix.S_IFDIR {
		dflt, err = readACL(h, defaultACL)
	}
	return access, dflt, err
}

func setEntry(e *wire.Entry, name string, st *unix.Statx_t) {
	e.Name = name
	e.Mode = uint32(st.Mode)
	e.Nlink = st.Nlink
	e.Mtime = timeOf(st.Mtime)
	e.Ctime = timeOf(st.Ctime)
	e.Dev = deviceOf(st)
	e.Ino = st.Ino
	e.UID = st.Uid
	e.GID = st.Gid
	switch {
	case e.IsRegular():
		e.Size = int64(st.Size)
	case e.IsDevice():
		e.Rdev = unix.Mkdev(st.Rdev_major, st.Rdev_minor)
	}
}

// setTarget sets the target of a symlink. Its length is the size: some file
// systems say 0.
func setTarget(e *wire.Entry, dirfd int, name string) (err error) {
	e.Target, err = readlinkAt(dirfd, name)
	e.Size = int64(len(e.Target))
	return err
}

func (d *Dir) setNames(w Want, e *wire.Entry) {
	if !w.Names {
		return
	}
	e.User = d.ids.userName(e.UID)
	e.Group = d.ids.groupName(e.GID)
	d.ids.nameACL(e.ACL)
	d.ids.nameACL(e.DefaultACL)
}
