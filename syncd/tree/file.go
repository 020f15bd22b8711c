package tree

import (
	"io/fs"
	"os"

	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

// Open opens the regular file name for reading and returns the version that
// was opened. It never waits on a fifo or a device, and leaves the access time
// alone where that is allowed (owner and root).
func (d *Dir) Open(name string) (*os.File, wire.Version, error) {
	if err := checkName(name); err != nil {
		return nil, wire.Version{}, d.fail("open", name, err)
	}
	const flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY
	status := unix.O_NOATIME
	fd, err := openat(d.fd, name, flags|status, 0, 0)
	if err == unix.EPERM { // O_NOATIME, and neither owner nor root
		status = 0
		fd, err = openat(d.fd, name, flags, 0, 0)
	}
	if err != nil {
		return nil, wire.Version{}, d.fail("open", name, openCause(err))
	}
	return d.regular(fd, name, status)
}

// regular makes the os.File of fd, which it takes over, if it is a regular file.
// status are the flags that it keeps: O_NONBLOCK has done its duty, and with it
// os.File would ask the poller.
func (d *Dir) regular(fd int, name string, status int) (*os.File, wire.Version, error) {
	var st unix.Statx_t
	err := statAt(fd, "", &st)
	if err == nil && typeOf(&st) != unix.S_IFREG {
		err = ErrNotRegular
	}
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFL, status)
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
func (d *Dir) Create(name string, mode uint32) (*os.File, error) {
	if err := checkName(name); err != nil {
		return nil, d.fail("create", name, err)
	}
	fd, err := createAt(d.fd, name, mode&0o777)
	if err != nil {
		return nil, d.fail("create", name, err)
	}
	return d.file(fd, name), nil
}

func createAt(dirfd int, name string, mode uint32) (int, error) {
	return openat(dirfd, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOCTTY, mode, 0)
}

// file makes the os.File of fd, which it takes over.
func (d *Dir) file(fd int, name string) *os.File {
	return os.NewFile(uintptr(fd), d.join(name))
}

// VersionOf returns the version of the content that f has now.
func VersionOf(f *os.File) (wire.Version, error) {
	var st unix.Statx_t
	if err := control(f, func(fd int) error { return statAt(fd, "", &st) }); err != nil {
		return wire.Version{}, &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return versionOf(&st), nil
}

func versionOf(st *unix.Statx_t) wire.Version {
	return wire.Version{
		Size:  int64(st.Size),
		Mtime: timeOf(st.Mtime),
		Ctime: timeOf(st.Ctime),
		Ino:   st.Ino,
	}
}
