package tree

import (
	"crypto/sha256"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
)

// stagingPartialMark marks what an interrupted run has kept of a file.
const stagingPartialMark = "p"

// PartialName returns the name under which what has arrived of the file name
// is kept for the next run. It is a staging name, and so hidden.
func PartialName(name string) string {
	sum := sha256.Sum256([]byte(name))
	return stagingPrefix + stagingPartialMark + stagingText.EncodeToString(sum[:stagingBits])
}

// Keep ends the staging with the file as it is under a name in a directory of
// the same file system, over what was there. It is not the file that it was
// staged for; nobody may take it for that.
func (s *Staged) Keep(in *Dir, name string) error {
	if err := checkName(name); err != nil {
		return in.fail("keep", name, err)
	}
	err := retry(func() error { return unix.Renameat(s.dir.fd, s.stage, in.fd, name) })
	if err != nil {
		return in.fail("keep", name, err)
	}
	s.stage = ""
	err = s.removeJournal()
	if e := s.File.Close(); e != nil {
		err = e
	}
	if err != nil {
		return in.fail("keep", name, err)
	}
	return nil
}

// Rewrite opens the regular file name for reading and writing as it is. It is
// how a file is updated in place.
func (d *Dir) Rewrite(name string) (*File, wire.Version, error) {
	if err := checkName(name); err != nil {
		return nil, wire.Version{}, d.fail("open", name, err)
	}
	fd, err := openat(d.fd, name, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY, 0, 0)
	if err != nil {
		return nil, wire.Version{}, d.fail("open", name, openCause(err))
	}
	return d.regular(fd, name)
}

// Reserve makes room on the disk for the first n bytes of f, so that writing
// them does not fail for want of it. A file system that can't do so is no
// error.
func Reserve(f *File, n int64) error {
	const keepSize = unix.FALLOC_FL_KEEP_SIZE
	err := retry(func() error { return unix.Fallocate(f.num(), keepSize, 0, n) })
	if err == nil || err == unix.EOPNOTSUPP || err == unix.ENOSYS {
		return nil
	}
	return &fs.PathError{Op: "reserve", Path: f.Name(), Err: err}
}
