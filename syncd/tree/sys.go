package tree

import (
	"os"
	"strings"
	"unsafe"

	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

const (
	nameMax = unix.NAME_MAX // bytes of a component, without the NUL
	pathMax = unix.PathMax  // bytes of a path in one call, with the NUL
	confine = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_SYMLINKS
)

// openat opens path, which may have several components, below dirfd. It
// follows no symlink in any place: a trailing one is ELOOP, or is itself opened
// with O_PATH. resolve adds to the RESOLVE flags that always hold.
func openat(dirfd int, path string, flags int, mode uint32, resolve uint64) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_NOFOLLOW | unix.O_CLOEXEC),
		Mode:    uint64(mode),
		Resolve: confine | resolve,
	}
	for tries := 0; ; tries++ {
		fd, err := unix.Openat2(dirfd, path, &how)
		switch err {
		case unix.EINTR: // network and FUSE file systems, despite SA_RESTART
			continue
		case unix.EAGAIN: // openat2(2): a rename raced with the lookup
			if tries < 32 {
				continue
			}
		}
		return fd, err
	}
}

// openName opens the single name in dirfd, which has passed checkName. With
// O_NOFOLLOW openat(2) is then as confined as [openat] is, and looks up no more than
// that one name; it takes the name from the stack.
func openName(dirfd int, name string, flags int, mode uint32) (int, error) {
	var c cname
	copy(c[:nameMax], name)
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dirfd), uintptr(unsafe.Pointer(&c)),
			uintptr(flags|unix.O_NOFOLLOW|unix.O_CLOEXEC), uintptr(mode), 0, 0)
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EINTR:
			continue
		}
		return -1, errno
	}
}

// openDir opens the directory path below dirfd for reading.
func openDir(dirfd int, path string, resolve uint64) (int, error) {
	return openat(dirfd, path, unix.O_RDONLY|unix.O_DIRECTORY, 0, resolve)
}

// checkName tells whether name is one component, fit for the *at calls.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > nameMax ||
		strings.IndexByte(name, '/') >= 0 || strings.IndexByte(name, 0) >= 0 {
		return ErrName
	}
	return nil
}

// A cname is a name as the kernel takes it. It lives on the stack: a million
// stat calls shall not make a million strings.
type cname [nameMax + 1]byte

const statMask = unix.STATX_BASIC_STATS

// statAt is statx(2) of name in dirfd without following a symlink and without
// mounting anything. name must have passed checkName, or be "", which is dirfd
// itself.
func statAt(dirfd int, name string, st *unix.Statx_t) error {
	var c cname
	copy(c[:nameMax], name)
	flags := unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
	if name == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(dirfd), uintptr(unsafe.Pointer(&c)),
			uintptr(flags), statMask, uintptr(unsafe.Pointer(st)), 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
			continue
		}
		return errno
	}
}

// readlinkAt returns the target of the symlink name in dirfd; with the name
// "", of the symlink that dirfd is an O_PATH fd of.
func readlinkAt(dirfd int, name string) (string, error) {
	var c cname
	var target [pathMax]byte
	copy(c[:nameMax], name)
	for {
		n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(dirfd), uintptr(unsafe.Pointer(&c)),
			uintptr(unsafe.Pointer(&target)), pathMax, 0, 0)
		switch errno {
		case 0:
			return string(target[:n]), nil
		case unix.EINTR:
			continue
		}
		return "", errno
	}
}

// retry calls fn until it is not interrupted.
func retry(fn func() error) error {
	for {
		if err := fn(); err != unix.EINTR {
			return err
		}
	}
}

// control calls fn with f's descriptor, which stays open meanwhile.
func control(f *os.File, fn func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	if err := conn.Control(func(fd uintptr) { ferr = fn(int(fd)) }); err != nil {
		return err
	}
	return ferr
}

func timeOf(ts unix.StatxTimestamp) wire.Time {
	return wire.Time{Sec: ts.Sec, Nsec: ts.Nsec}
}

func deviceOf(st *unix.Statx_t) uint64 { return unix.Mkdev(st.Dev_major, st.Dev_minor) }

func typeOf(st *unix.Statx_t) uint32 { return uint32(st.Mode) & unix.S_IFMT }

// sameInode tells whether a and b are of one inode.
func sameInode(a, b *unix.Statx_t) bool {
	return a.Ino == b.Ino && a.Dev_major == b.Dev_major && a.Dev_minor == b.Dev_minor &&
		typeOf(a) == typeOf(b)
}
