package tree

import (
	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

// Open opens the regular file name for reading and returns the version that
// was opened. It never waits on a fifo or a device, and leaves the access time
// alone where that is allowed (owner and root): once it was not, in this directory
// it is not tried again.
func (d *Dir) Open(name string) (*File, wire.Version, error) {
	fd, err := d.open(name)
	if err != nil {
		return nil, wire.Version{}, err
	}
	return d.regular(fd, name)
}

// OpenUnseen is Open without a look at what was opened, which may be anything. It is
// for who reads at offsets, which fifos and sockets refuse, and then asks for the
// version: that of a regular file is no other type's.
func (d *Dir) OpenUnseen(name string) (*File, error) {
	fd, err := d.open(name)
	if err != nil {
		return nil, err
	}
	return d.file(fd, name), nil
}

func (d *Dir) open(name string) (fd int, err error) {
	if err := checkName(name); err != nil {
		return -1, d.fail("open", name, err)
	}
	const flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY
	noatime := unix.O_NOATIME
	if d.foreign.Load() {
		noatime = 0
	}
	fd, err = openName(d.fd, name, flags|noatime, 0)
	if err == unix.EPERM && noatime != 0 { // neither owner nor root
		fd, err = openName(d.fd, name, flags, 0)
		d.foreign.Store(true)
	}
	if err != nil {
		return -1, d.fail("open", name, openCause(err))
	}
	return fd, nil
}

// regular makes the File of fd, which it takes over, if it is a regular file. To
// that O_NONBLOCK means nothing.
func (d *Dir) regular(fd int, name string) (*File, wire.Version, error) {
	var st unix.Statx_t
	err := statAt(fd, "", &st)
	if err == nil && typeOf(&st) != unix.S_IFREG {
		err = ErrNotRegular
	}
	if err != nil {
		unix.Close(fd)
		return nil, wire.Version{}, d.fail("open", name, err)
	}
	return d.file(fd, name), versionOf(&st), nil
}

// openCause turns the errors of opening what is no regular file into that.
func openCause(err error) error {
	switch err {
	case unix.ELOOP, // a symlink
		unix.ENXIO,  // a socket, or a device without a driver
		unix.ENODEV: // likewise
		return ErrNotRegular
	}
	return err
}

// Create makes the file name for reading and writing, with the permissions of
// mode less the umask, which spares [Meta.Apply] a call. It is for directories
// that nobody sees yet; elsewhere see [Dir.Stage].
func (d *Dir) Create(name string, mode uint32) (*File, error) {
	if err := checkName(name); err != nil {
		return nil, d.fail("create", name, err)
	}
	fd, err := createAt(d.fd, name, mode&0o777)
	if err != nil {
		return nil, d.fail("create", name, err)
	}
	f := d.file(fd, name)
	f.perm, f.made = mode&0o777, true
	return f, nil
}

// createAt makes name, which is one component. O_EXCL keeps it from opening what is
// there, a symlink too.
func createAt(dirfd int, name string, mode uint32) (int, error) {
	return openName(dirfd, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOCTTY, mode)
}

// VersionOf returns the version of the content that f has now.
func VersionOf(f *File) (wire.Version, error) {
	var st unix.Statx_t
	if err := statAt(f.num(), "", &st); err != nil {
		return wire.Version{}, f.fail("stat", err)
	}
	return versionOf(&st), nil
}

// DatesChanges reports whether f is on a file system that gives a file another version
// with each change, also by way of a mapping, and that no other host changes. tmpfs
// does not notice what is written through a mapping.
func DatesChanges(f *File) bool {
	var fs unix.Statfs_t
	var st unix.Stat_t
	if unix.Fstatfs(f.num(), &fs) != nil || unix.Fstat(f.num(), &st) != nil {
		return false
	}
	switch fs.Type {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC:
		return unix.Major(st.Dev) != 0 // 9p shows its server's type, but no block device
	}
	return fs.Type == unix.BTRFS_SUPER_MAGIC
}

// Unwritten reports whether nobody has f, which is open to be read, open to be written
// or mapped so. The kernel knows, and says so by whether it grants a lease, which is
// given back at once. It grants none to who neither owns the file nor may take any.
func Unwritten(f *File) bool {
	fd := uintptr(f.num())
	if _, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK); err != nil {
		return false
	}
	_, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
	return err == nil
}

func versionOf(st *unix.Statx_t) wire.Version {
	return wire.Version{
		Size:  int64(st.Size),
		Mtime: timeOf(st.Mtime),
		Ctime: timeOf(st.Ctime),
		Ino:   st.Ino,
	}
}
