package tree

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

// The xattrs that hold POSIX ACLs, and their value (linux/posix_acl_xattr.h,
// all little-endian):
//
//	version   4 bytes   2
//	entries   8 bytes each: tag 2, perm 2, id 4
const (
	accessACL  = "system.posix_acl_access"
	defaultACL = "system.posix_acl_default"

	aclVersion   = 2
	aclHeaderLen = 4
	aclEntryLen  = 8
	// aclNoID is the id of an entry whose tag has none, ACL_UNDEFINED_ID.
	aclNoID = ^uint32(0)
)

func hasACLID(tag uint16) bool { return tag == wire.ACLUser || tag == wire.ACLGroup }

// readACL returns the ACL that the xattr name of h holds, sorted; nil if there
// is none or the file system has no ACLs.
func readACL(h handle, name string) ([]wire.ACE, error) {
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	size, err := h.getxattr(name, buf[:])
	switch err {
	case nil:
		return decodeACL(buf[:size])
	case unix.ENODATA, unix.EOPNOTSUPP:
		return nil, nil
	}
	return nil, err
}

func decodeACL(b []byte) ([]wire.ACE, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b)%aclEntryLen != aclHeaderLen || binary.LittleEndian.Uint32(b) != aclVersion {
		return nil, unix.EINVAL
	}
	acl := make([]wire.ACE, 0, len(b)/aclEntryLen)
	for b = b[aclHeaderLen:]; len(b) > 0; b = b[aclEntryLen:] {
		e := wire.ACE{
			Tag:  binary.LittleEndian.Uint16(b),
			Perm: binary.LittleEndian.Uint16(b[2:]),
		}
		if hasACLID(e.Tag) {
			e.ID = binary.LittleEndian.Uint32(b[4:])
		}
		acl = append(acl, e)
	}
	sortACL(acl)
	return acl, nil
}

func encodeACL(acl []wire.ACE) []byte {
	b := make([]byte, 0, aclHeaderLen+aclEntryLen*len(acl))
	b = binary.LittleEndian.AppendUint32(b, aclVersion)
	for _, e := range acl {
		id := aclNoID
		if hasACLID(e.Tag) {
			id = e.ID
		}
		b = binary.LittleEndian.AppendUint16(b, e.Tag)
		b = binary.LittleEndian.AppendUint16(b, e.Perm)
		b = binary.LittleEndian.AppendUint32(b, id)
	}
	return b
}

// sortACL sorts as the kernel wants it: by tag. The rest makes the order unique.
func sortACL(acl []wire.ACE) {
	slices.SortFunc(acl, func(a, b wire.ACE) int {
		return cmp.Or(cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Perm, b.Perm))
	})
}

// saysMoreThanMode tells whether an access ACL has more than the three entries
// that are the permission bits.
func saysMoreThanMode(acl []wire.ACE) bool {
	return slices.ContainsFunc(acl, func(e wire.ACE) bool {
		return e.Tag != wire.ACLUserObj && e.Tag != wire.ACLGroupObj && e.Tag != wire.ACLOther
	})
}

// beyondMode returns what an access ACL says that the permission bits of mode
// do not (acls.c:rsync_acl_strip_perms).
func beyondMode(acl []wire.ACE, mode uint32) []wire.ACE {
	masked := slices.ContainsFunc(acl, func(e wire.ACE) bool { return e.Tag == wire.ACLMask })
	var beyond []wire.ACE
	for _, e := range acl {
		switch e.Tag {
		case wire.ACLUserObj, wire.ACLOther:
			continue
		case wire.ACLGroupObj:
			if !masked {
				continue
			}
		case wire.ACLMask:
			if e.Perm == uint16(mode>>3)&7 {
				continue
			}
		}
		beyond = append(beyond, e)
	}
	return beyond
}

// nameACL fills in the names of the users and groups of acl.
func (t *ids) nameACL(acl []wire.ACE) {
	for i := range acl {
		switch acl[i].Tag {
		case wire.ACLUser:
			acl[i].Name = t.userName(acl[i].ID)
		case wire.ACLGroup:
			acl[i].Name = t.groupName(acl[i].ID)
		}
	}
}
