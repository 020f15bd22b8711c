package tree

import (
	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

// MakeNode makes the symlink, fifo, socket or device e with the metadata that
// m keeps (nil keeps none) and puts it in place of what has its name. If that
// is a directory, the error is [ErrIsDir]. With private it is made under its
// name at once, which must be free: that is for directories that nobody sees
// yet.
func (d *Dir) MakeNode(e *wire.Entry, private bool, m *Meta) error {
	if err := checkName(e.Name); err != nil {
		return d.fail("make", e.Name, err)
	}
	if private {
		return d.makeNode(e.Name, e, m)
	}
	stage := stagingName()
	if err := d.makeNode(stage, e, m); err != nil {
		return err
	}
	if err := d.rename(stage, e.Name); err != nil {
		_ = d.unlink(stage, false)
		return d.fail("make", e.Name, err)
	}
	return nil
}

// makeNode makes e under name, or leaves nothing there.
func (d *Dir) makeNode(name string, e *wire.Entry, m *Meta) error {
	if err := retry(func() error { return nodeAt(d.fd, name, e) }); err != nil {
		return d.fail("make", e.Name, err)
	}
	if err := d.finishNode(name, e, m); err != nil {
		_ = d.unlink(name, false)
		return err
	}
	return nil
}

func nodeAt(dirfd int, name string, e *wire.Entry) error {
	switch {
	case e.IsSymlink():
		return unix.Symlinkat(e.Target, dirfd, name)
	case e.IsSpecial():
		return unix.Mknodat(dirfd, name, e.Type()|0o600, 0)
	case e.IsDevice() && uint64(uint32(e.Rdev)) == e.Rdev:
		return unix.Mknodat(dirfd, name, e.Type()|0o600, int(e.Rdev))
	}
	return unix.EINVAL // a file or a directory, or a number beyond the kernel's 32 bits
}

// finishNode gives the node just made its metadata. The making returns no fd,
// so whoever can write to d could have put a link to another inode there.
func (d *Dir) finishNode(name string, e *wire.Entry, m *Meta) error {
	if m == nil {
		return nil
	}
	var st unix.Statx_t
	h, err := d.pin(name, &st)
	if err != nil {
		return d.fail("make", e.Name, err)
	}
	defer h.close()
	if typeOf(&st) != e.Type() || st.Nlink != 1 ||
		e.IsDevice() && unix.Mkdev(st.Rdev_major, st.Rdev_minor) != e.Rdev {
		return d.fail("make", e.Name, ErrChanged)
	}
	return m.apply(h, &st, d, e.Name, e, nil, false)
}

// Link makes newName in d a hard link to oldName in oldDir, in place of what
// has that name. If that is a directory, the error is [ErrIsDir]. A symlink is
// linked itself.
func (d *Dir) Link(oldDir *Dir, oldName, newName string) error {
	if err := checkName(oldName); err != nil {
		return oldDir.fail("link", oldName, err)
	}
	if err := checkName(newName); err != nil {
		return d.fail("link", newName, err)
	}
	err := d.linkAt(oldDir, oldName, newName)
	if err == unix.EEXIST {
		err = d.relink(oldDir, oldName, newName)
	}
	if err != nil {
		return d.fail("link", newName, err)
	}
	return nil
}

// Move gives oldName in oldDir the name newName in d, in place of what has that.
// If that is a directory, the error is [ErrIsDir].
func (d *Dir) Move(oldDir *Dir, oldName, newName string) error {
	if err := checkName(oldName); err != nil {
		return oldDir.fail("move", oldName, err)
	}
	if err := checkName(newName); err != nil {
		return d.fail("move", newName, err)
	}
	if err := retry(func() error { return unix.Renameat(oldDir.fd, oldName, d.fd, newName) }); err != nil {
		return d.fail("move", newName, err)
	}
	return nil
}

func (d *Dir) linkAt(oldDir *Dir, oldName, newName string) error {
	return retry(func() error { return unix.Linkat(oldDir.fd, oldName, d.fd, newName, 0) })
}

// relink replaces newName.
func (d *Dir) relink(oldDir *Dir, oldName, newName string) error {
	var st unix.Statx_t
	if err := statAt(oldDir.fd, oldName, &st); err != nil {
		return err
	}
	if d.isStill(newName, &st) {
		return nil // linked already
	}
	var err error
	for range stagingTries {
		stage := stagingName()
		if err := d.linkAt(oldDir, oldName, stage); err != nil {
			return err
		}
		err = d.rename(stage, newName)
		// rename(2) does nothing if both names are of one inode, so the staging
		// name can be there even after success.
		if uerr := d.unlink(stage, false); err == nil && uerr != unix.ENOENT {
			return uerr
		}
		if err != unix.ENOENT { // a cleanup took the name: nothing locks it
			break
		}
	}
	return err
}
