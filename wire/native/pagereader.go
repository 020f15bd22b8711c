package native

import (
	"math"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
)

// Page is an answer to LIST, still encoded: entries become structs one at a
// time, so that a directory of any size costs no heap object per entry.
type Page struct {
	More      bool
	OtherFS   bool
	HadErrors bool

	root bool // the entry "." is legal
	last string
	d    decoder
	prev pageState
}

// NewPage returns a page that reads entries of data, which it keeps. root says
// that the entry "." may come, after the name after which the page begins.
func NewPage(data []byte, root bool, after string) *Page {
	return &Page{root: root, last: after, d: decoder{b: data}}
}

// Next decodes the next entry into e and reports whether there was one. A name
// that the source could not read comes as an *EntryError, with e.Name set; the
// page goes on after it. Any other error wraps ErrProtocol and ends the page.
func (p *Page) Next(e *wire.Entry) (bool, error) {
	if p.d.err != nil {
		return false, p.d.err
	}
	if len(p.d.b) == 0 {
		return false, nil
	}
	fields := p.d.uvMax(fieldsKnown, "fields of an entry")
	*e = wire.Entry{Name: p.name()}
	if p.d.err != nil {
		return false, p.d.err
	}
	if fields&fieldFailed != 0 {
		return p.failed(e.Name)
	}
	d := &p.d
	e.Mode = uint32(d.uvMax(math.MaxUint32, "mode"))
	e.Mtime.Sec = int64(p.prev.mtime + uint64(d.sv("mtime")))
	e.Mtime.Nsec = d.nsec("mtime")
	e.Ctime = e.Mtime
	if fields&fieldCtimeMtime == 0 {
		e.Ctime.Sec += d.sv("ctime")
		e.Ctime.Nsec = d.nsec("ctime")
	}
	if fields&fieldSize != 0 {
		e.Size = int64(d.uvMax(math.MaxInt64, "size"))
	}
	e.Nlink = 1
	if fields&fieldNlink != 0 {
		e.Nlink = uint32(d.uvMax(math.MaxUint32, "link count"))
	}
	e.Dev = p.prev.dev
	if fields&fieldDev != 0 {
		e.Dev = d.uv("device")
	}
	e.Ino = p.prev.ino + uint64(d.sv("inode"))
	p.ids(e, fields)
	p.rest(e, fields)
	if d.err == nil {
		d.err = checkEntry(e)
	}
	if d.err != nil {
		return false, d.err
	}
	p.prev.mtime, p.prev.dev, p.prev.ino = uint64(e.Mtime.Sec), e.Dev, e.Ino
	p.prev.uid, p.prev.gid = e.UID, e.GID
	return true, nil
}

// name reads a name and checks that it is one and is above the one before.
func (p *Page) name() string {
	name := p.d.str8("name")
	if p.d.err != nil {
		return ""
	}
	if p.root && name == "." {
		p.root = false
		return name
	}
	p.root = false
	if err := CheckName(name); err != nil {
		p.d.err = err
	} else if name <= p.last {
		p.d.fail("names of a directory are not in order")
	}
	p.last = name
	return name
}

// Last returns the name that the next page continues after.
func (p *Page) Last() string { return p.last }

func (p *Page) failed(name string) (bool, error) {
	errno := p.d.uvMax(4095, "errno")
	text := p.d.text(int(p.d.uvMax(maxText, "error text")), "error text")
	if p.d.err != nil {
		return false, p.d.err
	}
	return true, &EntryError{Name: name, Errno: syscall.Errno(errno), Text: text}
}

func (p *Page) ids(e *wire.Entry, fields uint64) {
	d := &p.d
	e.UID, e.GID = p.prev.uid, p.prev.gid
	if fields&fieldUID != 0 {
		e.UID = uint32(d.uvMax(math.MaxUint32, "uid"))
	}
	if fields&fieldGID != 0 {
		e.GID = uint32(d.uvMax(math.MaxUint32, "gid"))
	}
	if fields&fieldUser != 0 {
		remember(&p.prev.users, e.UID, d.str8("user name"))
	}
	if fields&fieldGroup != 0 {
		remember(&p.prev.groups, e.GID, d.str8("group name"))
	}
	e.User, e.Group = p.prev.users[e.UID], p.prev.groups[e.GID]
}

func remember(m *map[uint32]string, id uint32, name string) {
	if *m == nil {
		*m = make(map[uint32]string)
	}
	(*m)[id] = name
}

func (p *Page) rest(e *wire.Entry, fields uint64) {
	d := &p.d
	if fields&fieldRdev != 0 {
		e.Rdev = d.uv("device number")
	}
	if fields&fieldTarget != 0 {
		e.Target = d.text(int(d.uvMax(maxTarget, "symlink target")), "symlink target")
	}
	if fields&fieldXattrs != 0 {
		n := d.uvMax(maxXattrs, "count of xattrs")
		for i := uint64(0); i < n && d.err == nil; i++ {
			name := d.str8("xattr name")
			value := d.take(int(d.uvMax(maxXattrValue, "xattr value")), "xattr value")
			e.Xattrs = append(e.Xattrs, wire.Xattr{Name: name, Value: value})
		}
	}
	if fields&fieldACL != 0 {
		e.ACL = d.acl()
	}
	if fields&fieldDefaultACL != 0 {
		e.DefaultACL = d.acl()
	}
}

func (d *decoder) acl() (acl []wire.ACE) {
	n := d.uvMax(maxACL, "count of ACL entries")
	for i := uint64(0); i < n && d.err == nil; i++ {
		acl = append(acl, wire.ACE{
			Tag:  uint16(d.uvMax(wire.ACLOther, "ACL tag")),
			Perm: uint16(d.uvMax(7, "ACL permissions")),
			ID:   uint32(d.uvMax(math.MaxUint32, "ACL id")),
			Name: d.str8("ACL name"),
		})
	}
	return acl
}

// checkEntry checks the relations between the fields of an entry.
func checkEntry(e *wire.Entry) error {
	switch e.Type() {
	case unix.S_IFREG, unix.S_IFDIR:
	case unix.S_IFLNK:
		if e.Target == "" {
			return badf("the symlink %q has no target", e.Name)
		}
	case unix.S_IFCHR, unix.S_IFBLK, unix.S_IFIFO, unix.S_IFSOCK:
	default:
		return badf("the entry %q is of the unknown type %#o", e.Name, e.Type())
	}
	if e.Name == "." && !e.IsDir() {
		return badf("the root is not a directory")
	}
	if e.Target != "" && !e.IsSymlink() {
		return badf("the entry %q is no symlink but has a target", e.Name)
	}
	return nil
}
