package native

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"github.com/seed9553035b/syncd/wire"
)

// The bits of an entry's fields, protocol.md part 4.
const (
	fieldFailed = 1 << iota
	fieldCtimeMtime
	fieldSize
	fieldNlink
	fieldDev
	fieldUID
	fieldGID
	fieldUser
	fieldGroup
	fieldRdev
	fieldTarget
	fieldXattrs
	fieldACL
	fieldDefaultACL
	fieldsKnown = 1<<iota - 1
)

// Flags of a PAGE frame.
const (
	PageOtherFS   = 1 << 0 // a mount point that is not entered
	PageHadErrors = 1 << 1 // nothing in the directory may be deleted
)

// The limits of an entry.
const (
	maxTarget     = 4095
	maxXattrName  = 255
	maxXattrValue = 64 << 10
	maxXattrs     = 4096
	maxACL        = 1024
	maxText       = 4096
)

// EntryError stands in a page for a name that the source could not stat.
type EntryError struct {
	Name  string
	Errno syscall.Errno
	Text  string
}

func (e *EntryError) Error() string { return e.Text }
func (e *EntryError) Unwrap() error { return e.Errno }

// pageState is what an entry's fields are relative to.
type pageState struct {
	mtime, dev, ino uint64
	uid, gid        uint32
	users, groups   map[uint32]string
}

// PageWriter encodes the entries of one PAGE. The zero value is ready; Reset
// makes it so again and keeps its memory.
type PageWriter struct {
	buf  []byte
	prev pageState
}

// Reset empties the page.
func (p *PageWriter) Reset() {
	users, groups := p.prev.users, p.prev.groups
	clear(users)
	clear(groups)
	p.buf, p.prev = p.buf[:0], pageState{users: users, groups: groups}
	if users == nil {
		p.prev.users, p.prev.groups = map[uint32]string{}, map[uint32]string{}
	}
}

// Len returns the bytes of the page so far.
func (p *PageWriter) Len() int { return len(p.buf) }

// Bytes returns the page; it is valid until the next call of Reset.
func (p *PageWriter) Bytes() []byte { return p.buf }

// AddError adds an entry that could not be read.
func (p *PageWriter) AddError(name string, errno syscall.Errno, text string) {
	text = text[:min(len(text), maxText)]
	p.buf = binary.AppendUvarint(p.buf, fieldFailed)
	p.buf = appendStr8(p.buf, name)
	p.buf = binary.AppendUvarint(p.buf, uint64(errno))
	p.buf = appendText(p.buf, text)
}

// maxEntry leaves room in a frame for the entries before the last one: a page
// is sent once it is longer than 64 KiB.
const maxEntry = MaxPayload - 64<<10

// Add encodes e, whose name must be above those before it. It reports an
// error, and adds nothing, if e is larger than a frame can hold.
func (p *PageWriter) Add(e *wire.Entry) error {
	if n := entrySize(e); n > maxEntry {
		return fmt.Errorf("the metadata of %q needs %d bytes, more than a frame holds", e.Name, n)
	}
	fields := p.fields(e)
	b := binary.AppendUvarint(p.buf, fields)
	b = appendStr8(b, e.Name)
	b = binary.AppendUvarint(b, uint64(e.Mode))
	b = binary.AppendVarint(b, int64(uint64(e.Mtime.Sec)-p.prev.mtime))
	b = binary.AppendUvarint(b, uint64(e.Mtime.Nsec))
	if fields&fieldCtimeMtime == 0 {
		b = binary.AppendVarint(b, e.Ctime.Sec-e.Mtime.Sec)
		b = binary.AppendUvarint(b, uint64(e.Ctime.Nsec))
	}
	if fields&fieldSize != 0 {
		b = binary.AppendUvarint(b, uint64(e.Size))
	}
	if fields&fieldNlink != 0 {
		b = binary.AppendUvarint(b, uint64(e.Nlink))
	}
	if fields&fieldDev != 0 {
		b = binary.AppendUvarint(b, e.Dev)
	}
	b = binary.AppendVarint(b, int64(e.Ino-p.prev.ino))
	b = p.appendIDs(b, e, fields)
	if fields&fieldRdev != 0 {
		b = binary.AppendUvarint(b, e.Rdev)
	}
	if fields&fieldTarget != 0 {
		b = appendText(b, e.Target)
	}
	if fields&fieldXattrs != 0 {
		b = binary.AppendUvarint(b, uint64(len(e.Xattrs)))
		for _, x := range e.Xattrs {
			b = appendStr8(b, x.Name)
			b = binary.AppendUvarint(b, uint64(len(x.Value)))
			b = append(b, x.Value...)
		}
	}
	if fields&fieldACL != 0 {
		b = appendACL(b, e.ACL)
	}
	if fields&fieldDefaultACL != 0 {
		b = appendACL(b, e.DefaultACL)
	}
	p.prev.mtime, p.prev.dev, p.prev.ino = uint64(e.Mtime.Sec), e.Dev, e.Ino
	p.prev.uid, p.prev.gid = e.UID, e.GID
	p.buf = b
	return nil
}

// fields says which parts of e have to be written.
func (p *PageWriter) fields(e *wire.Entry) (f uint64) {
	set := func(bit uint64, cond bool) {
		if cond {
			f |= bit
		}
	}
	set(fieldCtimeMtime, e.Ctime == e.Mtime)
	set(fieldSize, e.Size != 0)
	set(fieldNlink, e.Nlink != 1)
	set(fieldDev, e.Dev != p.prev.dev)
	set(fieldUID, e.UID != p.prev.uid)
	set(fieldGID, e.GID != p.prev.gid)
	set(fieldUser, e.User != "" && p.prev.users[e.UID] != e.User)
	set(fieldGroup, e.Group != "" && p.prev.groups[e.GID] != e.Group)
	set(fieldRdev, e.Rdev != 0)
	set(fieldTarget, e.IsSymlink())
	set(fieldXattrs, len(e.Xattrs) > 0)
	set(fieldACL, len(e.ACL) > 0)
	set(fieldDefaultACL, len(e.DefaultACL) > 0)
	return f
}

func (p *PageWriter) appendIDs(b []byte, e *wire.Entry, fields uint64) []byte {
	if fields&fieldUID != 0 {
		b = binary.AppendUvarint(b, uint64(e.UID))
	}
	if fields&fieldGID != 0 {
		b = binary.AppendUvarint(b, uint64(e.GID))
	}
	if fields&fieldUser != 0 {
		b = appendStr8(b, e.User)
		p.prev.users[e.UID] = e.User
	}
	if fields&fieldGroup != 0 {
		b = appendStr8(b, e.Group)
		p.prev.groups[e.GID] = e.Group
	}
	return b
}

// entrySize is an upper bound of the encoding of e.
func entrySize(e *wire.Entry) int {
	n := 160 + len(e.Name) + len(e.Target) + len(e.User) + len(e.Group)
	for _, x := range e.Xattrs {
		n += 4 + len(x.Name) + len(x.Value)
	}
	for _, acl := range [][]wire.ACE{e.ACL, e.DefaultACL} {
		for _, a := range acl {
			n += 12 + len(a.Name)
		}
	}
	return n
}

// appendStr8 writes at most 255 bytes of s; names of the system are shorter.
func appendStr8(b []byte, s string) []byte {
	s = s[:min(len(s), 255)]
	return append(append(b, byte(len(s))), s...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendACL(b []byte, acl []wire.ACE) []byte {
	b = binary.AppendUvarint(b, uint64(len(acl)))
	for _, a := range acl {
		b = binary.AppendUvarint(b, uint64(a.Tag))
		b = binary.AppendUvarint(b, uint64(a.Perm))
		b = binary.AppendUvarint(b, uint64(a.ID))
		b = appendStr8(b, a.Name)
	}
	return b
}
