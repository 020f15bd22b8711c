package tree

import (
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A handle is an fd of the inode whose metadata is read or set. An O_PATH fd
// is had of every type and of files with mode 000, and takes chown, utimensat
// and statx; what it refuses goes through its /proc/self/fd link, which leads
// to the same inode whatever has its name now (of a symlink too).
type handle struct {
	fd   int
	proc string // "/proc/self/fd/N" if fd is O_PATH and the handle's own, else ""
}

// fileHandle borrows the fd of an open file.
func fileHandle(fd int) handle { return handle{fd: fd} }

// pin returns a handle of name, or with "." of d itself, and its stat. The
// caller closes it.
func (d *Dir) pin(name string, st *unix.Statx_t) (handle, error) {
	if name == "." {
		return fileHandle(d.fd), statAt(d.fd, "", st)
	}
	fd, err := openat(d.fd, name, unix.O_PATH, 0, 0)
	if err != nil {
		return handle{}, err
	}
	h := handle{fd: fd, proc: "/proc/self/fd/" + strconv.Itoa(fd)}
	if err := statAt(fd, "", st); err != nil {
		h.close()
		return handle{}, err
	}
	return h, nil
}

// close closes an fd that pin opened, not one that was borrowed.
func (h handle) close() {
	if h.proc != "" {
		unix.Close(h.fd)
	}
}

func (h handle) chown(uid, gid int) error {
	return retry(func() error { return unix.Fchownat(h.fd, "", uid, gid, unix.AT_EMPTY_PATH) })
}

func (h handle) chmod(mode uint32) error {
	return retry(func() error {
		if h.proc != "" {
			return unix.Chmod(h.proc, mode)
		}
		return unix.Fchmod(h.fd, mode)
	})
}

// setTimes sets atime and mtime. Of an open file it is futimens(3), which looks up
// no path, be it an empty one; an O_PATH fd needs AT_EMPTY_PATH, which works here
// since Linux 5.8.
func (h handle) setTimes(atime, mtime unix.Timespec) error {
	ts := [2]unix.Timespec{atime, mtime}
	return retry(func() error {
		if h.proc != "" {
			return unix.UtimesNanoAt(h.fd, "", ts[:], unix.AT_EMPTY_PATH)
		}
		_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(h.fd), 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
}

func (h handle) listxattr(buf []byte) (n int, err error) {
	err = retry(func() error {
		if h.proc != "" {
			n, err = unix.Listxattr(h.proc, buf)
		} else {
			n, err = unix.Flistxattr(h.fd, buf)
		}
		return err
	})
	return n, err
}

func (h handle) getxattr(name string, buf []byte) (n int, err error) {
	err = retry(func() error {
		if h.proc != "" {
			n, err = unix.Getxattr(h.proc, name, buf)
		} else {
			n, err = unix.Fgetxattr(h.fd, name, buf)
		}
		return err
	})
	return n, err
}

func (h handle) setxattr(name string, value []byte) error {
	return retry(func() error {
		if h.proc != "" {
			return unix.Setxattr(h.proc, name, value, 0)
		}
		return unix.Fsetxattr(h.fd, name, value, 0)
	})
}

func (h handle) removexattr(name string) error {
	return retry(func() error {
		if h.proc != "" {
			return unix.Removexattr(h.proc, name)
		}
		return unix.Fremovexattr(h.fd, name)
	})
}

// isRoot tells whether this process sets owners, devices and the privileged
// xattr namespaces. As in rsync it is the effective user that decides.
func isRoot() bool { return os.Geteuid() == 0 }
