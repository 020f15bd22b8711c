package rsync

import (
	"fmt"

	"github.com/seed9553035b/syncd/wire"
)

// condense turns a list of entries into the form of the wire. Of an access ACL
// it leaves out what mode says (acls.c:rsync_acl_strip_perms, send_acl).
func condense(list []wire.ACE, mode uint32, class int) (acl, error) {
	var a acl
	for _, e := range list {
		part := -1
		switch e.Tag {
		case wire.ACLUserObj:
			part = 0
		case wire.ACLGroupObj:
			part = 1
		case wire.ACLMask:
			part = 2
		case wire.ACLOther:
			part = 3
		case wire.ACLUser, wire.ACLGroup:
			a.named = append(a.named, e)
		default:
			return a, fmt.Errorf("%w: ACL entry with tag %#x", ErrEntry, e.Tag)
		}
		if e.Perm > 7 {
			return a, fmt.Errorf("%w: ACL entry with permission %#x", ErrEntry, e.Perm)
		}
		if part >= 0 {
			a.flags |= 1 << part
			a.perms[part] = e.Perm
		}
	}
	if len(a.named) > 0 {
		a.flags |= aclNamed
		sortACEs(a.named)
	}
	if class == accessACL {
		a.strip(uint16(mode >> 3 & 7))
	}
	return a, nil
}

// strip removes the parts that equal the mode; group is what it says there.
func (a *acl) strip(group uint16) {
	a.flags &^= aclUserObj | aclOtherObj
	mask, masked := a.has(2)
	if obj, ok := a.has(1); ok && (!masked || obj == group) {
		a.flags &^= aclGroupObj
	}
	if masked && a.flags&aclNamed != 0 && mask == group {
		a.flags &^= aclMaskObj
	}
}

// key identifies equal ACLs.
func (a *acl) key() string {
	return fmt.Sprint(a.flags, a.perms, a.named)
}

// writeACLs sends the ACLs of a file, each once (acls.c:send_acl).
func (e *ListEncoder) writeACLs(f *File, acls []acl) error {
	for class := range acls {
		a := &acls[class]
		key := a.key()
		if i := e.aclIndex[class][key]; i > 0 {
			f.aclRef[class] = i
			if err := e.w.VarInt(int32(i)); err != nil {
				return err
			}
			continue
		}
		e.t.mu.Lock()
		e.t.acls[class] = append(e.t.acls[class], *a)
		f.aclRef[class] = len(e.t.acls[class])
		e.t.mu.Unlock()
		if e.aclIndex[class] == nil {
			e.aclIndex[class] = make(map[string]int)
		}
		e.aclIndex[class][key] = f.aclRef[class]
		if err := e.writeACL(a); err != nil {
			return err
		}
	}
	return nil
}

// writeACL sends a literal (acls.c:send_rsync_acl).
func (e *ListEncoder) writeACL(a *acl) error {
	if err := e.w.VarInt(0); err != nil {
		return err
	}
	if err := e.w.Byte(a.flags); err != nil {
		return err
	}
	for part := range a.perms {
		perm, ok := a.has(part)
		if !ok {
			continue
		}
		if err := e.w.VarInt(int32(perm)); err != nil {
			return err
		}
	}
	if a.flags&aclNamed == 0 {
		return nil
	}
	if err := e.w.VarInt(int32(len(a.named))); err != nil {
		return err
	}
	for i := range a.named {
		if err := e.writeACE(&a.named[i]); err != nil {
			return err
		}
	}
	return nil
}

// writeACE sends the entry of a user or group (acls.c:send_ida_entries).
func (e *ListEncoder) writeACE(ace *wire.ACE) error {
	names, bits := &e.t.groups, int32(ace.Perm)<<2
	if ace.Tag == wire.ACLUser {
		names = &e.t.users
		bits |= aceUser
	}
	named := e.useName(names, ace.ID, ace.Name) && e.o.incRecurse()
	if named {
		bits |= aceNamed
	}
	if err := e.w.VarInt(int32(ace.ID)); err != nil {
		return err
	}
	if err := e.w.VarInt(bits); err != nil || !named {
		return err
	}
	return e.w.name(ace.Name)
}
