package tree

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"golang.org/x/sys/unix"
)

// Staging names are the prefix and 64 bits in base32: random ones of a file or
// a node, and behind a mark a hash of the final name, so that the next run finds
// what a killed one left: "d" is a directory, "p" a file that is worth resuming,
// "j" the journal of that.
const (
	stagingPrefix  = ".~syncd~"
	stagingDirMark = "d"
	stagingMarks   = stagingDirMark + stagingPartialMark + stagingJournalMark
	stagingBits    = 8  // bytes
	stagingDigits  = 13 // stagingBits in base32
	stagingAlpha   = "0123456789abcdefghijklmnopqrstuv"
	// stagingTries bounds the search for a free name. 64 random bits do not
	// collide by chance; losing to a cleanup twice in a row is as unlikely.
	stagingTries = 16
)

var stagingText = base32.NewEncoding(stagingAlpha).WithPadding(base32.NoPadding)

// IsStagingName tells whether name is one under which this package builds
// things. Both sides hide such names from listings.
func IsStagingName(name string) bool { return isStagingName(name) }

func isStagingName[T string | []byte](name T) bool {
	if len(name) < len(stagingPrefix) || string(name[:len(stagingPrefix)]) != stagingPrefix {
		return false
	}
	digits := name[len(stagingPrefix):]
	if len(digits) == stagingDigits+1 && strings.IndexByte(stagingMarks, digits[0]) >= 0 {
		digits = digits[1:]
	}
	if len(digits) != stagingDigits {
		return false
	}
	for i := range len(digits) {
		if c := digits[i]; (c < '0' || c > '9') && (c < 'a' || c > 'v') {
			return false
		}
	}
	return true
}

// stagingName returns a new random name.
func stagingName() string {
	var bits [stagingBits]byte
	rand.Read(bits[:]) // never fails
	return stagingPrefix + stagingText.EncodeToString(bits[:])
}

// stagingDirName returns the name under which the directory name is built.
// SHA-256 keeps a peer from choosing names that collide.
func stagingDirName(name string) string {
	sum := sha256.Sum256([]byte(name))
	return stagingPrefix + stagingDirMark + stagingText.EncodeToString(sum[:stagingBits])
}

func randomStagingDirName() string {
	return stagingPrefix + stagingDirMark + stagingName()[len(stagingPrefix):]
}

// A Staged is a new file in the making. It has its Dir in use until Commit,
// Discard, Keep or Release.
type Staged struct {
	// File is open for reading and writing, locked, and has mode 0600. Its
	// Name is the final path.
	File *File
	// Journal is open likewise, nil unless the file was persisted or resumed.
	Journal *File

	dir         *Dir
	stage, name string
}

// Stage makes an empty file beside name that Commit gives that name.
func (d *Dir) Stage(name string) (*Staged, error) {
	if err := checkName(name); err != nil {
		return nil, d.fail("stage", name, err)
	}
	for range stagingTries {
		stage := stagingName()
		fd, err := createAt(d.fd, stage, 0o600)
		if err == unix.EEXIST {
			continue
		}
		if err != nil {
			return nil, d.fail("stage", name, err)
		}
		if claimNew(fd) {
			return &Staged{File: d.file(fd, name), dir: d, stage: stage, name: name}, nil
		}
		unix.Close(fd)
	}
	return nil, d.fail("stage", name, unix.EEXIST)
}

// claimNew locks a file or directory just made, and tells whether it is still
// there: a cleanup by another run can come between the making and the lock.
func claimNew(fd int) bool {
	if l := lock(fd); l == lockBusy {
		return false
	}
	var st unix.Statx_t
	return statAt(fd, "", &st) == nil && st.Nlink > 0
}

// Commit gives the file its final name, in place of whatever has that, and
// closes File. If a directory has it, the error is [ErrIsDir]. After an error
// the file is still staged, but if the error is that of the close.
func (s *Staged) Commit() error {
	if err := s.dir.rename(s.stage, s.name); err != nil {
		return s.dir.fail("commit", s.name, err)
	}
	s.stage = ""
	err := s.removeJournal()
	if e := s.File.Close(); e != nil { // network file systems write here
		err = e
	}
	if err != nil {
		return s.dir.fail("commit", s.name, err)
	}
	return nil
}

// Discard removes the file and closes File. After Commit it does nothing, so
// it can be deferred.
func (s *Staged) Discard() error {
	if s.stage == "" {
		return nil
	}
	err := s.dir.unlink(s.stage, false)
	s.File.Close() // after the removal: the lock ends here
	s.stage = ""
	if e := s.removeJournal(); e != nil && err == nil {
		err = e
	}
	if err != nil && err != unix.ENOENT {
		return s.dir.fail("discard", s.name, err)
	}
	return nil
}
