package rsync

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/seed9553035b/syncd/wire"
)

// Flags of an ACL on the wire (acls.c): which parts follow.
const (
	aclUserObj  = 1 << 0
	aclGroupObj = 1 << 1
	aclMaskObj  = 1 << 2
	aclOtherObj = 1 << 3
	aclNamed    = 1 << 4

	maxACEs = 65536
)

// Bits of a named entry, below its permissions.
const (
	aceNamed = 1 << 0 // a name follows
	aceUser  = 1 << 1
)

// The classes of ACLs, numbered apart from each other.
const (
	accessACL = iota
	defaultACL
)

// An acl is what the wire has of one: the parts that flags tells, in the order
// user, group, mask, other; then the entries of named users and groups. An
// access ACL is condensed: what its file's mode says is left out.
type acl struct {
	flags byte
	perms [4]uint16
	named []wire.ACE
}

// has returns a part and whether it is there.
func (a *acl) has(part int) (perm uint16, ok bool) { return a.perms[part], a.flags&(1<<part) != 0 }

// readACLs reads the access ACL and, of a directory, the default one
// (acls.c:receive_acl):
//
//	varint index+1 of an equal one of the class, or 0 and a literal
func (d *ListDecoder) readACLs(f *File) error {
	for class := range f.aclClasses() {
		v, err := d.r.VarInt()
		if err != nil {
			return fmt.Errorf("read ACL: %w", err)
		}
		known := len(d.t.acls[class])
		if v < 0 || int(v) > known {
			return protoErrorf("ACL %d of %d", v, known)
		}
		f.aclRef[class] = int(v)
		if v == 0 {
			a, err := d.readACL()
			if err != nil {
				return err
			}
			d.t.mu.Lock()
			d.t.acls[class] = append(d.t.acls[class], a)
			d.t.mu.Unlock()
			f.aclRef[class] = known + 1
		}
	}
	return nil
}

// aclClasses returns how many classes of ACL the file has on the wire.
func (f *File) aclClasses() int {
	if f.IsDir() {
		return defaultACL + 1
	}
	return accessACL + 1
}

// readACL reads a literal (acls.c:recv_rsync_acl).
func (d *ListDecoder) readACL() (acl, error) {
	var a acl
	var err error
	if a.flags, err = d.r.Byte(); err != nil {
		return a, fmt.Errorf("read ACL: %w", err)
	}
	for part := range a.perms {
		if _, ok := a.has(part); !ok {
			continue
		}
		v, err := d.r.VarInt()
		if err != nil {
			return a, fmt.Errorf("read ACL: %w", err)
		}
		if v < 0 || v > 7 {
			return a, protoErrorf("ACL with permission %#x", v)
		}
		a.perms[part] = uint16(v)
	}
	if a.flags&aclNamed == 0 {
		return a, nil
	}
	n, err := d.r.VarInt()
	if err != nil {
		return a, fmt.Errorf("read ACL: %w", err)
	}
	if n < 0 || n > maxACEs {
		return a, protoErrorf("ACL of %d entries", n)
	}
	for range n {
		e, err := d.readACE()
		if err != nil {
			return a, err
		}
		a.named = append(a.named, e)
	}
	sortACEs(a.named)
	return a, nil
}

// readACE reads the entry of a user or group (acls.c:recv_ida_entries):
//
//	varint id, varint perm << 2 | user << 1 | named, [byte length, name]
func (d *ListDecoder) readACE() (wire.ACE, error) {
	id, err := d.r.VarInt()
	if err != nil {
		return wire.ACE{}, fmt.Errorf("read ACL entry: %w", err)
	}
	v, err := d.r.VarInt()
	if err != nil {
		return wire.ACE{}, fmt.Errorf("read ACL entry: %w", err)
	}
	if v < 0 || v>>2 > 7 {
		return wire.ACE{}, protoErrorf("ACL entry with permission %#x", v)
	}
	e := wire.ACE{Tag: wire.ACLGroup, Perm: uint16(v >> 2), ID: uint32(id)}
	names := &d.t.groups
	if v&aceUser != 0 {
		e.Tag, names = wire.ACLUser, &d.t.users
	}
	if v&aceNamed != 0 {
		name, err := d.r.name()
		if err != nil {
			return e, fmt.Errorf("read ACL entry: %w", err)
		}
		return e, d.learn(names, e.ID, name)
	}
	return e, nil
}

// sortACEs puts users before groups, each by id, as the kernel wants them.
func sortACEs(list []wire.ACE) {
	slices.SortStableFunc(list, func(a, b wire.ACE) int {
		return cmp.Or(cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.ID, b.ID))
	})
}

// expandACLs rebuilds the ACLs that f refers to.
func (t *tables) expandACLs(f *File) {
	if i := f.aclRef[accessACL]; i > 0 {
		f.ACL = t.expand(&t.acls[accessACL][i-1], f.Mode)
	}
	if i := f.aclRef[defaultACL]; i > 0 {
		if a := &t.acls[defaultACL][i-1]; a.flags != 0 {
			f.DefaultACL = t.list(a, a.flags&aclMaskObj != 0)
		}
	}
}

// expand adds what condensing left out. An ACL that says no more than the mode
// is nil (acls.c:change_sacl_perms).
func (t *tables) expand(a *acl, mode uint32) []wire.ACE {
	full := *a
	fill := func(part int, perm uint32) {
		if _, ok := full.has(part); !ok {
			full.perms[part] = uint16(perm & 7)
		}
	}
	masked := a.flags&aclMaskObj != 0 || len(a.named) > 0
	if !masked {
		return nil
	}
	fill(0, mode>>6)
	fill(1, mode>>3)
	fill(2, mode>>3)
	fill(3, mode)
	return t.list(&full, true)
}

// list returns the entries in the kernel's order.
func (t *tables) list(a *acl, masked bool) []wire.ACE {
	masked = masked || len(a.named) > 0
	list := []wire.ACE{{Tag: wire.ACLUserObj, Perm: a.perms[0]}}
	add := func(tag uint16, names *idNames) {
		for _, e := range a.named {
			if e.Tag == tag {
				e.Name = names.names[e.ID]
				list = append(list, e)
			}
		}
	}
	add(wire.ACLUser, &t.users)
	list = append(list, wire.ACE{Tag: wire.ACLGroupObj, Perm: a.perms[1]})
	add(wire.ACLGroup, &t.groups)
	if masked {
		list = append(list, wire.ACE{Tag: wire.ACLMask, Perm: a.perms[2]})
	}
	return append(list, wire.ACE{Tag: wire.ACLOther, Perm: a.perms[3]})
}
