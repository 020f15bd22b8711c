package tree

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// A staged file that is worth more than a fresh start can outlive its run. It
// then has the PartialName of its file, which the next run can tell, and beside
// it a journal in which the run writes what of it has been verified. Both are
// locked while a run uses them, as all that is staged.

// stagingJournalMark marks the journal of what a run has kept of a file.
const stagingJournalMark = "j"

// IsResumable tells whether name is the PartialName or the JournalName of a file.
func IsResumable(name string) bool {
	if !IsStagingName(name) || len(name) != len(stagingPrefix)+1+stagingDigits {
		return false
	}
	mark := name[len(stagingPrefix) : len(stagingPrefix)+1]
	return mark == stagingPartialMark || mark == stagingJournalMark
}

// JournalName returns the name of the journal that belongs to PartialName.
func JournalName(name string) string {
	return stagingPrefix + stagingJournalMark + PartialName(name)[len(stagingPrefix)+len(stagingPartialMark):]
}

// Persist gives a staged file its PartialName, so that it outlives this run
// until it is committed or discarded. It takes the place of what a dead run has
// left there. kept is false, and the file staged as before, if a run that is
// alive has that name, or if the file system can't tell.
func (s *Staged) Persist() (kept bool, err error) {
	if s.Persisted() {
		return true, nil
	}
	name := PartialName(s.name)
	if lock(s.File.num()) != lockHeld {
		return false, nil
	}
	for _, old := range []string{JournalName(s.name), name} {
		if err := s.dir.RemoveLeftover(old); err != nil {
			return false, err
		}
	}
	err = retry(func() error {
		return unix.Renameat2(s.dir.fd, s.stage, s.dir.fd, name, unix.RENAME_NOREPLACE)
	})
	switch err {
	case nil:
		s.stage = name
		return true, nil
	case unix.EEXIST, unix.EINVAL: // EINVAL: a file system that does not know the flag
		return false, nil
	}
	return false, s.dir.fail("keep", s.name, err)
}

// Persisted reports whether the file outlives this run.
func (s *Staged) Persisted() bool { return s.stage == PartialName(s.name) }

// AddJournal makes an empty Journal for a file that was persisted. It is nil if
// a run that is alive has one of that name.
func (s *Staged) AddJournal() error {
	name := JournalName(s.name)
	fd, err := createAt(s.dir.fd, name, 0o600)
	if err == unix.EEXIST {
		return nil
	}
	if err != nil {
		return s.dir.fail("journal", s.name, err)
	}
	if lock(fd) != lockHeld {
		unix.Close(fd)
		return nil
	}
	s.Journal = s.dir.file(fd, s.name)
	return nil
}

// Resume takes over what a dead run has persisted of the file name, with its
// Journal. It returns nil if there is nothing, or nothing that can be trusted to
// be a run's of the same user: who else could write to it might do so later.
func (d *Dir) Resume(name string) *Staged {
	if checkName(name) != nil {
		return nil
	}
	stage := PartialName(name)
	fd, ok := d.claimFile(stage)
	if !ok {
		return nil
	}
	journal, ok := d.claimFile(JournalName(name))
	if !ok {
		unix.Close(fd)
		return nil
	}
	return &Staged{File: d.file(fd, name), Journal: d.file(journal, name), dir: d, stage: stage, name: name}
}

// claimFile opens and locks a staged file such as Stage makes it.
func (d *Dir) claimFile(stage string) (fd int, ok bool) {
	fd, err := openat(d.fd, stage, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY, 0, unix.RESOLVE_NO_XDEV)
	if err != nil {
		return -1, false
	}
	var st unix.Statx_t
	ok = lock(fd) == lockHeld && statAt(fd, "", &st) == nil && d.isStill(stage, &st) &&
		typeOf(&st) == unix.S_IFREG && st.Nlink == 1 && int(st.Uid) == os.Geteuid() && st.Mode&0o022 == 0
	if !ok {
		unix.Close(fd)
		return -1, false
	}
	return fd, true
}

// Release ends the staging and leaves what is there for a later run. It is for
// a file that was persisted.
func (s *Staged) Release() error {
	s.stage = ""
	if err := errors.Join(s.closeJournal(), s.File.Close()); err != nil {
		return s.dir.fail("keep", s.name, err)
	}
	return nil
}

func (s *Staged) closeJournal() error {
	if s.Journal == nil {
		return nil
	}
	err := s.Journal.Close()
	s.Journal = nil
	return err
}

// removeJournal removes and closes the journal, if there is one.
func (s *Staged) removeJournal() error {
	if s.Journal == nil {
		return nil
	}
	err := s.dir.unlink(JournalName(s.name), false)
	if err == unix.ENOENT {
		err = nil
	}
	_ = s.closeJournal() // it is gone either way
	return err
}
