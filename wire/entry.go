package wire

import "golang.org/x/sys/unix"

// Time is a file time in UTC: seconds since 1970 and nanoseconds in
// [0, 999999999]. It holds all that a Linux file system can store, which an
// int64 of nanoseconds does not (ext4 ends in 2446, XFS in 2486).
type Time struct {
	Sec  int64
	Nsec uint32
}

// Before reports whether t is earlier than u.
func (t Time) Before(u Time) bool {
	return t.Sec < u.Sec || t.Sec == u.Sec && t.Nsec < u.Nsec
}

// Version tells two contents of one path apart without reading them. A file
// named by path and Version is either that content or reported as changed.
type Version struct {
	Size  int64
	Mtime Time
	Ctime Time
	Ino   uint64
}

// Entry is the metadata of one path. Name is a single component; the path
// that leads to it is known from the directory that was listed. The name of
// a listed directory itself is ".".
type Entry struct {
	Name  string
	Mode  uint32 // st_mode: type and permission bits
	Nlink uint32
	Size  int64 // bytes; 0 unless a regular file or a symlink
	Mtime Time
	Ctime Time
	Dev   uint64 // with Ino, names a group of hard links; opaque to the peer
	Ino   uint64
	UID   uint32
	GID   uint32
	User  string // name of UID on the source, "" if unknown or not asked for
	Group string // name of GID, likewise
	Rdev  uint64 // device number (unix.Mkdev) of a device, otherwise 0
	// Target is where a symlink points, as readlink returns it.
	Target string
	// Xattrs are sorted by name. They never hold the names under "system.":
	// ACLs travel in the two fields below.
	Xattrs     []Xattr
	ACL        []ACE // access ACL; nil if it says no more than Mode
	DefaultACL []ACE // default ACL of a directory; nil if none
	Digest     []byte
}

// Xattr is one extended attribute; Name has its namespace ("user.x").
type Xattr struct {
	Name  string
	Value []byte
}

// ACE is one entry of a POSIX ACL. Tag and Perm are those of
// linux/posix_acl.h; ID counts for ACLUser and ACLGroup only, and Name is
// the name of ID on the source ("" if unknown or not asked for).
type ACE struct {
	Tag  uint16
	Perm uint16
	ID   uint32
	Name string
}

// The tags of an ACE, from linux/posix_acl.h.
const (
	ACLUserObj  = 0x01
	ACLUser     = 0x02
	ACLGroupObj = 0x04
	ACLGroup    = 0x08
	ACLMask     = 0x10
	ACLOther    = 0x20
)

// Type returns the file type bits of Mode (unix.S_IFREG, ...).
func (e *Entry) Type() uint32 { return e.Mode & unix.S_IFMT }

// IsDir reports whether e is a directory.
func (e *Entry) IsDir() bool { return e.Type() == unix.S_IFDIR }

// IsRegular reports whether e is a regular file.
func (e *Entry) IsRegular() bool { return e.Type() == unix.S_IFREG }

// IsSymlink reports whether e is a symlink.
func (e *Entry) IsSymlink() bool { return e.Type() == unix.S_IFLNK }

// IsDevice reports whether e is a character or block device.
func (e *Entry) IsDevice() bool {
	return e.Type() == unix.S_IFCHR || e.Type() == unix.S_IFBLK
}

// IsSpecial reports whether e is a fifo or a socket.
func (e *Entry) IsSpecial() bool {
	return e.Type() == unix.S_IFIFO || e.Type() == unix.S_IFSOCK
}

// Version returns the version of e's content.
func (e *Entry) Version() Version {
	return Version{Size: e.Size, Mtime: e.Mtime, Ctime: e.Ctime, Ino: e.Ino}
}
