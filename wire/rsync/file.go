package rsync

import (
	"crypto/md5"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
)

// A File is one entry of a file list. Its Name is the path relative to the
// root of the transfer, "." for the root itself.
//
// Hard links: from a decoder, files with Nlink > 1 and equal Dev and Ino are
// one file. A later member of a group that is in the same list as its first
// repeats the first one's metadata. Xattrs, ACLs and Abbrev may be shared with
// other files: replace them, do not change them. To an encoder, Dev, Ino and Nlink are those
// of the file system.
type File struct {
	wire.Entry

	Atime  int64 // seconds, with --atimes; not of directories
	Crtime int64 // seconds, with --crtimes

	// TopDir: a directory that was named in the arguments. Content: its
	// contents are part of the transfer, so that deletions in it are allowed.
	// Neither: an implied parent of --relative. They are the sender's claim.
	TopDir, Content bool

	// Missing marks an argument that does not exist, of --delete-missing-args.
	// Mode is 0.
	Missing bool

	// Abbrev lists the attributes of Xattrs whose values did not come along
	// with the list.
	Abbrev []Abbrev

	aclRef   [2]int // in tables, plus 1
	xattrRef int    // likewise
}

// An Abbrev stands for the value of a long extended attribute.
type Abbrev struct {
	Index int // in Xattrs
	Len   int // bytes of the value
	MD5   [md5.Size]byte

	number int // that the peers call it by, from 1
}

// ListOptions are what the layout of a file list depends on. Both sides derive
// them from the same session.
type ListOptions struct {
	Protocol                           int
	Compat                             Compat
	Owner, Group, Links                bool
	Devices, Specials                  bool
	HardLinks, ACLs                    bool
	Xattrs                             int // as often as -X
	Atimes, Crtimes                    bool
	Relative, NumericIDs, MissingNames bool
	Checksum                           int // bytes of a digest, 0 without --checksum
}

// ListOptions returns the layout of the session's lists.
func (s *Session) ListOptions() ListOptions {
	a := s.Args
	o := ListOptions{
		Protocol: s.Protocol, Compat: s.Compat,
		Owner: a.Owner, Group: a.Group, Links: a.Links,
		Devices: a.Devices, Specials: a.Specials,
		HardLinks: a.HardLinks > 0, ACLs: a.ACLs, Xattrs: a.Xattrs,
		Atimes: a.AccessTimes > 0, Crtimes: a.CrTimes,
		Relative: a.Relative, NumericIDs: a.NumericIDs, MissingNames: a.DeleteMissing,
	}
	if a.Checksum {
		o.Checksum = s.ListChecksum.Size()
	}
	return o
}

// incRecurse reports whether lists come directory by directory.
func (o *ListOptions) incRecurse() bool { return o.Compat&IncRecurse != 0 }

// varintFlags reports whether entries start with a varint.
func (o *ListOptions) varintFlags() bool { return o.Protocol >= 30 && o.Compat&VarintFlags != 0 }

// safeEnd reports whether an io_error may ride on the end of a list.
func (o *ListOptions) safeEnd() bool { return o.Protocol >= 31 || o.Compat&SafeList != 0 }

// hasRdev reports whether an entry of that type bears a device number. Specials
// do below protocol 31, with nothing in it (flist.c:send_file_entry).
func (o *ListOptions) hasRdev(typ uint32) bool {
	switch typ {
	case unix.S_IFCHR, unix.S_IFBLK:
		return o.Devices
	case unix.S_IFIFO, unix.S_IFSOCK:
		return o.Specials && o.Protocol < 31
	}
	return false
}

// hasSum reports whether an entry of that type bears a checksum; other files
// than regular ones do below protocol 28, in zeros.
func (o *ListOptions) hasSum(typ uint32) bool {
	return o.Checksum > 0 && (typ == unix.S_IFREG || o.Protocol < 28)
}

// knownType reports whether typ are type bits of a file on Linux, which are
// those of the wire (ifuncs.h:from_wire_mode).
func knownType(typ uint32) bool {
	switch typ {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK, unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO, unix.S_IFSOCK:
		return true
	}
	return false
}

// checkPath refuses what is not a clean path below the root of the transfer:
// "." or components that are neither empty nor "." nor "..", without a
// leading slash unless rooted (flist.c:recv_file_entry, util1.c:clean_fname).
func checkPath(path string, rooted bool) error {
	if path == "." {
		return nil
	}
	rest := path
	if rooted {
		rest = strings.TrimPrefix(rest, "/")
	}
	if len(path) > maxPath || strings.IndexByte(path, 0) >= 0 {
		return protoErrorf("path %.100q of %d bytes", path, len(path))
	}
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" || part == "." || part == ".." {
			return protoErrorf("path %.100q", path)
		}
	}
	return nil
}
