package tree

import (
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A Root is the directory that a run is confined to.
type Root struct {
	fd   int
	path string
	dev  uint64
	ids  ids // for the names in listings; shared by the Dirs below
}

// OpenRoot opens the operator's directory path. Symlinks in path are followed:
// it comes from the command line or the configuration, never from a peer. If
// create is set and only the last component is missing, it is made with mode
// 0755 less the umask.
func OpenRoot(path string, create bool) (*Root, error) {
	fd, err := openOperatorDir(path)
	if err == unix.ENOENT && create {
		err = retry(func() error { return unix.Mkdir(path, 0o755) })
		if err != nil && err != unix.EEXIST { // EEXIST: another run was first
			return nil, &fs.PathError{Op: "mkdir", Path: path, Err: err}
		}
		fd, err = openOperatorDir(path)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return newRoot(fd, path)
}

// RootFile returns the root that the directory f is. It stays f's owner's to
// close f. path is for messages.
func RootFile(f *os.File, path string) (*Root, error) {
	fd := -1
	err := control(f, func(open int) (err error) {
		fd, err = unix.FcntlInt(uintptr(open), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "dup", Path: path, Err: err}
	}
	return newRoot(fd, path)
}

// newRoot takes fd over.
func newRoot(fd int, path string) (*Root, error) {
	var st unix.Statx_t
	if err := statAt(fd, "", &st); err != nil {
		unix.Close(fd)
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return &Root{fd: fd, path: path, dev: deviceOf(&st)}, nil
}

func openOperatorDir(path string) (fd int, err error) {
	err = retry(func() error {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// Close closes the root's fd. Dirs opened from it stay usable.
func (r *Root) Close() error {
	fd := r.fd
	r.fd = -1
	if err := unix.Close(fd); err != nil {
		return &fs.PathError{Op: "close", Path: r.path, Err: err}
	}
	return nil
}

// Path returns the path that the root was opened by. It is for messages only.
func (r *Root) Path() string { return r.path }

// Dev returns the device number of the root's file system, as in
// [wire.Entry.Dev]. An entry with another one is across a mount point.
func (r *Root) Dev() uint64 { return r.dev }

// Syncfs writes the file system of the root to its disk. Mounts below the root
// are not included.
func (r *Root) Syncfs() error {
	if err := retry(func() error { return unix.Syncfs(r.fd) }); err != nil {
		return &fs.PathError{Op: "syncfs", Path: r.path, Err: err}
	}
	return nil
}

// Dir opens the directory at path below the root: names with single slashes
// between them, or "." or "" for the root itself. The path may be of any
// length.
func (r *Root) Dir(path string) (*Dir, error) {
	if path == "" || path == "." {
		path = "."
	} else if err := checkPath(path); err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	fd, err := openLongDir(r.fd, path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &Dir{fd: fd, path: path, ids: &r.ids}, nil
}

func checkPath(path string) error {
	for name := range strings.SplitSeq(path, "/") {
		if err := checkName(name); err != nil {
			return err
		}
	}
	return nil
}

// openLongDir opens path below dirfd in steps that each fit into one call. A
// path that passed checkPath has no "..", so each step stays below the last.
func openLongDir(dirfd int, path string) (int, error) {
	base := dirfd
	for {
		step, rest := path, ""
		if len(path) >= pathMax {
			cut := strings.LastIndexByte(path[:pathMax], '/')
			step, rest = path[:cut], path[cut+1:]
		}
		fd, err := openDir(base, step, 0)
		if base != dirfd {
			unix.Close(base)
		}
		if err != nil || rest == "" {
			return fd, err
		}
		base, path = fd, rest
	}
}
