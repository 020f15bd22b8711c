package tree

import (
	"bytes"
	"slices"
	"strings"

	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

// keepsXattr tells whether an xattr is in a namespace that is synchronized:
// user.* by everyone, security.* and trusted.* by root. ACLs, the inhabitants
// of system.*, go their own way.
func keepsXattr(name string, root bool) bool {
	return strings.HasPrefix(name, "user.") ||
		root && (strings.HasPrefix(name, "security.") || strings.HasPrefix(name, "trusted.") && !isACLOfXFS(name))
}

// isACLOfXFS tells whether an xattr is a POSIX ACL, which XFS shows root a
// second time, in the form that it has on disk (linux/fs/xfs/xfs_xattr.c).
func isACLOfXFS(name string) bool {
	return name == "trusted.SGI_ACL_FILE" || name == "trusted.SGI_ACL_DEFAULT"
}

// isLabel tells whether an xattr is a label that a security module gives every
// inode. One that the source lacks is no difference, and can not be removed.
func isLabel(name string) bool {
	return name == "security.selinux" || strings.HasPrefix(name, "security.SMACK64")
}

// readXattrs returns the xattrs of h that are kept, sorted by name, nil if
// there are none or if the file system has none. diskACLs is [Want]'s.
func readXattrs(h handle, root, diskACLs bool) ([]wire.Xattr, error) {
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	size, err := h.listxattr(buf[:])
	if err == unix.EOPNOTSUPP {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []wire.Xattr
	for name := range bytes.SplitSeq(buf[:size], []byte{0}) {
		if keepsXattr(string(name), root) || diskACLs && root && isACLOfXFS(string(name)) {
			list = append(list, wire.Xattr{Name: string(name)})
		}
	}
	sortXattrs(list)
	kept := list[:0]
	for _, x := range list {
		size, err := h.getxattr(x.Name, buf[:])
		if err == unix.ENODATA { // removed since it was listed
			continue
		}
		if err != nil {
			return nil, err
		}
		x.Value = bytes.Clone(buf[:size])
		kept = append(kept, x)
	}
	return kept, nil
}

func sortXattrs(list []wire.Xattr) {
	slices.SortFunc(list, compareXattrNames)
}

func compareXattrNames(a, b wire.Xattr) int { return strings.Compare(a.Name, b.Name) }

// keptXattrs returns those of an entry's xattrs that are kept, sorted, and
// whether that is all of them. list may come from a peer.
func keptXattrs(list []wire.Xattr, root bool) (kept []wire.Xattr, all bool) {
	all = true
	for _, x := range list {
		if keepsXattr(x.Name, root) {
			kept = append(kept, x)
		} else {
			all = false
		}
	}
	if !slices.IsSortedFunc(kept, compareXattrNames) {
		sortXattrs(kept)
	}
	return kept, all
}

// diffXattrs tells what makes the sorted list cur equal to the sorted list want.
func diffXattrs(cur, want []wire.Xattr) (set []wire.Xattr, remove []string) {
	for _, c := range cur {
		if _, ok := slices.BinarySearchFunc(want, c, compareXattrNames); !ok && !isLabel(c.Name) {
			remove = append(remove, c.Name)
		}
	}
	for _, w := range want {
		i, ok := slices.BinarySearchFunc(cur, w, compareXattrNames)
		if !ok || !bytes.Equal(cur[i].Value, w.Value) {
			set = append(set, w)
		}
	}
	return set, remove
}
