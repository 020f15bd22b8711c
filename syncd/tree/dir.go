package tree

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A Dir is a held directory. Its methods take the name of one entry in it; a
// name that is anything else is [ErrName].
//
// A Dir goes on meaning the same directory when that is renamed; Path then
// tells where it was.
type Dir struct {
	fd   int
	path string // relative to the root, for messages; "." is the root
	ids  *ids
	list sync.Mutex // holds the read position of fd while it is listed

	birth   atomic.Pointer[birth] // of what was last made by Create
	foreign atomic.Bool           // a file here was not to be opened with O_NOATIME
}

// Close closes the directory's fd.
func (d *Dir) Close() error {
	fd := d.fd
	d.fd = -1 // every later call fails with EBADF
	if err := unix.Close(fd); err != nil {
		return d.fail("close", ".", err)
	}
	return nil
}

// Path returns the directory's path relative to the root, "." for the root.
func (d *Dir) Path() string { return d.path }

// OpenDir opens the directory name.
func (d *Dir) OpenDir(name string) (*Dir, error) {
	return d.openDir(name, 0)
}

func (d *Dir) openDir(name string, resolve uint64) (*Dir, error) {
	if err := checkName(name); err != nil {
		return nil, d.fail("open", name, err)
	}
	fd, err := openDir(d.fd, name, resolve)
	if err != nil {
		return nil, d.fail("open", name, err)
	}
	return d.child(fd, name), nil
}

// child makes the Dir of fd, which it takes over.
func (d *Dir) child(fd int, name string) *Dir {
	return &Dir{fd: fd, path: d.join(name), ids: d.ids}
}

// Sync writes the directory's entries to its disk.
func (d *Dir) Sync() error {
	if err := retry(func() error { return unix.Fsync(d.fd) }); err != nil {
		return d.fail("fsync", ".", err)
	}
	return nil
}

// Mkdir makes the directory name with mode 0700.
func (d *Dir) Mkdir(name string) error {
	if err := checkName(name); err != nil {
		return d.fail("mkdir", name, err)
	}
	if err := retry(func() error { return unix.Mkdirat(d.fd, name, 0o700) }); err != nil {
		return d.fail("mkdir", name, err)
	}
	return nil
}

// Remove removes name: an empty directory if dir is set, else anything but a
// directory.
func (d *Dir) Remove(name string, dir bool) error {
	if err := checkName(name); err != nil {
		return d.fail("remove", name, err)
	}
	if err := d.unlink(name, dir); err != nil {
		return d.fail("remove", name, err)
	}
	return nil
}

func (d *Dir) unlink(name string, dir bool) error {
	flags := 0
	if dir {
		flags = unix.AT_REMOVEDIR
	}
	return retry(func() error { return unix.Unlinkat(d.fd, name, flags) })
}

func (d *Dir) rename(from, to string) error {
	return retry(func() error { return unix.Renameat(d.fd, from, d.fd, to) })
}
