package tree

import (
	"os"

	"golang.org/x/sys/unix"
)

// A StagedDir is a directory in the making, which nobody sees under its name
// before it is complete. It has its parent in use until Commit or Discard.
type StagedDir struct {
	// Dir is the new directory, locked. Its Path is the final one.
	Dir *Dir
	// Adopted tells that a killed run began it: it can have contents.
	Adopted bool

	parent      *Dir
	stage, name string
}

// StageDir makes a directory beside name that Commit gives that name, or
// adopts the one that a killed run has begun for the same name.
func (d *Dir) StageDir(name string) (*StagedDir, error) {
	if err := checkName(name); err != nil {
		return nil, d.fail("stage", name, err)
	}
	stage := stagingDirName(name)
	for range stagingTries {
		err := retry(func() error { return unix.Mkdirat(d.fd, stage, 0o700) })
		adopted := err == unix.EEXIST
		if err != nil && !adopted {
			return nil, d.fail("stage", name, err)
		}
		fd, ok, err := d.claimDir(stage, adopted)
		if ok {
			return &StagedDir{Dir: d.child(fd, name), Adopted: adopted,
				parent: d, stage: stage, name: name}, nil
		}
		if err != nil && !adopted { // no fd left, for one
			_ = d.unlink(stage, true)
			return nil, d.fail("stage", name, err)
		}
		stage = randomStagingDirName()
	}
	return nil, d.fail("stage", name, unix.EEXIST)
}

// claimDir opens and locks the staged directory stage. One that is to be
// adopted must be such as StageDir makes it; a set-group-ID bit can come from
// the parent.
func (d *Dir) claimDir(stage string, adopt bool) (fd int, ok bool, err error) {
	fd, err = openDir(d.fd, stage, unix.RESOLVE_NO_XDEV)
	if err != nil {
		return -1, false, err
	}
	locked := lock(fd)
	var st unix.Statx_t
	ok = locked != lockBusy && statAt(fd, "", &st) == nil && d.isStill(stage, &st)
	if adopt { // without locks, who can tell that its run is dead?
		ok = ok && locked == lockHeld && int(st.Uid) == os.Geteuid() &&
			st.Mode&(0o7777&^unix.S_ISGID) == 0o700
	}
	if !ok {
		unix.Close(fd)
		return -1, false, nil
	}
	return fd, true, nil
}

// Commit gives the directory its final name and closes Dir. If there is
// something of that name by now, the error is fs.ErrExist and the directory
// stays staged, as after any other error.
func (s *StagedDir) Commit() error {
	err := retry(func() error {
		return unix.Renameat2(s.parent.fd, s.stage, s.parent.fd, s.name, unix.RENAME_NOREPLACE)
	})
	if err == unix.EINVAL { // file systems that do not know the flag (NFS, old FUSE)
		err = s.renameUnlessThere()
	}
	if err != nil {
		return s.parent.fail("commit", s.name, err)
	}
	s.stage = ""
	return s.Dir.Close()
}

// renameUnlessThere leaves a gap between its two calls, in which rename(2)
// replaces nothing but an empty directory.
func (s *StagedDir) renameUnlessThere() error {
	var st unix.Statx_t
	switch err := statAt(s.parent.fd, s.name, &st); err {
	case unix.ENOENT:
		return s.parent.rename(s.stage, s.name)
	case nil:
		return unix.EEXIST
	default:
		return err
	}
}

// Discard removes the directory with its contents and closes Dir. After Commit
// it does nothing, so it can be deferred.
func (s *StagedDir) Discard() error {
	if s.stage == "" {
		return nil
	}
	defer s.Dir.Close() // after the removal: the lock ends here
	stage := s.stage
	s.stage = ""
	var st unix.Statx_t
	if err := statAt(s.Dir.fd, "", &st); err != nil {
		return s.parent.fail("discard", s.name, err)
	}
	if !s.parent.isStill(stage, &st) {
		return nil // moved away by someone: not ours to remove any more
	}
	r := remover{oneFS: true}
	return r.run(s.parent, stage)
}
