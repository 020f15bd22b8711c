package tree

import (
	"errors"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"
)

// Sub opens the directory at p below r as a root of its own, which stays
// usable when r is closed. Like [Root.Dir] it follows no symlink, since p may
// come from a peer. If create is set and only the last component is missing, it
// is made with mode 0755 less the umask.
func (r *Root) Sub(p string, create bool) (*Root, error) {
	d, err := r.Dir(p)
	if errors.Is(err, fs.ErrNotExist) && create {
		if err := r.mkdir(p); err != nil {
			return nil, err
		}
		d, err = r.Dir(p)
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	fd, err := unix.FcntlInt(uintptr(d.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: p, Err: err}
	}
	var st unix.Statx_t
	if err := statAt(fd, "", &st); err != nil {
		unix.Close(fd)
		return nil, &fs.PathError{Op: "stat", Path: p, Err: err}
	}
	return &Root{fd: fd, path: path.Join(r.path, p), dev: deviceOf(&st)}, nil
}

// MkdirAll makes the directory at p below r, and those on the way to it that are
// missing, with mode 0755 less the umask.
func (r *Root) MkdirAll(p string) error {
	for i := 0; i <= len(p); i++ {
		if i < len(p) && p[i] != '/' {
			continue
		}
		switch d, err := r.Dir(p[:i]); {
		case err == nil:
			d.Close()
		case !errors.Is(err, fs.ErrNotExist):
			return err
		default:
			if err := r.mkdir(p[:i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Root) mkdir(p string) error {
	parent, err := r.Dir(path.Dir(p))
	if err != nil {
		return err
	}
	defer parent.Close()
	err = retry(func() error { return unix.Mkdirat(parent.fd, path.Base(p), 0o755) })
	if err != nil && err != unix.EEXIST { // EEXIST: another run was first
		return &fs.PathError{Op: "mkdir", Path: p, Err: err}
	}
	return nil
}

// StageName returns the temporary name that the directory has until Commit.
func (s *StagedDir) StageName() string { return s.stage }
