package tree

import (
	"time"

	"golang.org/x/sys/unix"
)

type lockState uint8

const (
	lockHeld lockState = iota // by fd, until that is closed
	lockBusy                  // held by another open file: its run is alive
	lockNone                  // the file system has no such locks
)

// lock tries to take the flock(2) that tells other runs that fd is in use.
func lock(fd int) lockState {
	err := retry(func() error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	switch err {
	case nil:
		return lockHeld
	case unix.EWOULDBLOCK:
		return lockBusy
	}
	// ENOLCK, EOPNOTSUPP, ENOSYS: no locks. EBADF: NFS makes byte-range locks
	// of it, which an fd open for reading can not have.
	return lockNone
}

// leftoverAge is when a leftover without a lock counts as dead. Such are on
// file systems without locks, or are links and nodes, which live for
// microseconds. A day is beyond what a clock of a file server can be wrong by,
// and beyond the time that a live run leaves a file unwritten.
const leftoverAge = 24 * time.Hour

func isOld(st *unix.Statx_t) bool {
	return time.Since(time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec))) > leftoverAge
}

// isStill tells whether name is the inode that st is of. Under the lock of that
// inode the answer stays true: who renames a staging name holds its lock.
func (d *Dir) isStill(name string, st *unix.Statx_t) bool {
	var now unix.Statx_t
	return statAt(d.fd, name, &now) == nil && sameInode(st, &now)
}

// claimLeftover tells whether no run holds the leftover name. fd, if not -1, is
// open on it and has its lock; the caller closes it after the removal.
func (d *Dir) claimLeftover(name string, st *unix.Statx_t) (fd int, dead bool) {
	if t := typeOf(st); t != unix.S_IFREG && t != unix.S_IFDIR {
		return -1, isOld(st)
	}
	fd, err := openat(d.fd, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0, unix.RESOLVE_NO_XDEV)
	if err != nil {
		return -1, isOld(st) // not readable or a mount point, hence not lockable
	}
	switch lock(fd) {
	case lockHeld:
		// Its run may have committed it meanwhile: then fd is of live data.
		dead = statAt(fd, "", st) == nil && d.isStill(name, st)
	case lockNone:
		dead = isOld(st)
	}
	if !dead {
		unix.Close(fd)
		return -1, false
	}
	return fd, true
}

// RemoveLeftover removes the staging file or directory name, with all that is
// in it, if the run that made it is dead. One that is in use, or gone, is no
// error. Other names are [ErrName].
func (d *Dir) RemoveLeftover(name string) error {
	if !IsStagingName(name) {
		return d.fail("remove leftover", name, ErrName)
	}
	r := remover{oneFS: true, leftover: true}
	return r.run(d, name)
}
