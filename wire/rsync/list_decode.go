package rsync

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A ListDecoder reads the file lists of a session. It belongs to the goroutine
// that reads.
type ListDecoder struct {
	r    *Reader
	o    ListOptions
	t    *tables
	prev attrs
	next int // number of the next list's first entry
	dirs dirTable
}

// NewListDecoder returns a decoder for all lists of a session.
func NewListDecoder(r *Reader, o ListOptions) *ListDecoder {
	d := &ListDecoder{r: r, o: o, t: &tables{}}
	if o.incRecurse() {
		d.next = 1
	}
	return d
}

// learn notes the peer's name of an id.
func (d *ListDecoder) learn(n *idNames, id uint32, name string) error {
	d.t.mu.Lock()
	defer d.t.mu.Unlock()
	return n.learn(id, name)
}

// First reads the first list, or the only one (flist.c:recv_file_list).
func (d *ListDecoder) First() (*List, error) { return d.list(-1) }

// Next reads the list of a directory, whose number a ListNDX announced. Every
// directory has one list, and every entry of it is in that directory.
func (d *ListDecoder) Next(dir int) (*List, error) {
	if !d.o.incRecurse() {
		return nil, protoErrorf("list of directory %d without incremental recursion", dir)
	}
	if err := d.dirs.announce(dir); err != nil {
		return nil, err
	}
	return d.list(dir)
}

// list reads entries up to the end, and what follows it.
func (d *ListDecoder) list(dir int) (*List, error) {
	l := &List{Start: d.next, Dir: dir, Path: d.dirs.path, t: d.t}
	defer d.r.s.listing()()
	for {
		flags, end, ioErr, err := d.xmitFlags()
		if err != nil {
			return nil, fmt.Errorf("read file list: %w", err)
		}
		if end {
			l.IOError = ioErr & ioErrMask
			break
		}
		f, err := d.entry(flags, l)
		if err != nil {
			return nil, fmt.Errorf("read entry %d of file list %d: %w", l.Len(), l.Start, err)
		}
		if err := l.add(f); err != nil {
			return nil, err
		}
	}
	if err := d.tail(l); err != nil {
		return nil, err
	}
	d.next = l.Start + l.Len() + 1
	l.sort(d.o.Protocol)
	return l, d.dirs.add(l, d.o)
}

// tail reads what follows the end of a list: names of ids, and below protocol
// 30 the io_error.
func (d *ListDecoder) tail(l *List) error {
	users, groups := d.o.hasIDLists()
	if users {
		if err := d.readIDs(&d.t.users); err != nil {
			return err
		}
	}
	if groups {
		if err := d.readIDs(&d.t.groups); err != nil {
			return err
		}
	}
	if d.o.Protocol < 30 {
		v, err := d.r.Int()
		if err != nil {
			return fmt.Errorf("read io_error: %w", err)
		}
		l.IOError |= int(v) & ioErrMask
	}
	return nil
}

// entry reads what follows the flags (flist.c:recv_file_entry).
func (d *ListDecoder) entry(flags int, l *List) (*File, error) {
	f := &File{}
	if err := d.name(f, flags, l.Dir); err != nil {
		return nil, err
	}
	whole, err := d.link(f, flags, l)
	if err != nil {
		return nil, err
	}
	if whole {
		if err := d.metadata(f, flags); err != nil {
			return nil, err
		}
	}
	if f.IsDir() {
		d.dirFlags(f, flags)
	}
	if d.o.ACLs && !f.IsSymlink() && d.o.Protocol >= 30 {
		if err := d.readACLs(f); err != nil {
			return nil, err
		}
	}
	if d.o.Xattrs > 0 && d.o.Protocol >= 30 {
		if err := d.readXattrs(f); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// name reads the path: the end of it, and how much of the last one to keep.
func (d *ListDecoder) name(f *File, flags, dir int) error {
	r := d.r
	var keep byte
	var err error
	if flags&xmitSameName != 0 {
		if keep, err = r.Byte(); err != nil {
			return err
		}
	}
	var n int32
	if flags&xmitLongName != 0 {
		n, err = r.VarInt30()
	} else {
		var b byte
		b, err = r.Byte()
		n = int32(b)
	}
	if err != nil {
		return err
	}
	if n < 0 || int(n)+int(keep) > maxPath || int(keep) > len(d.prev.name) {
		return protoErrorf("name of %d bytes and %d of the last one", n, keep)
	}
	end, err := r.Bytes(int(n))
	if err != nil {
		return err
	}
	f.Name = d.prev.name[:keep] + string(end)
	d.prev.name = f.Name
	if err := checkPath(f.Name, d.o.Relative); err != nil {
		return err
	}
	if dir >= 0 && !d.dirs.holds(f.Name) {
		return protoErrorf("entry %.100q in the list of %.100q", f.Name, d.dirs.path)
	}
	return nil
}

// link handles the hard links of protocol 30 and up: whole is false if the
// entry ends here and is a copy of the group's first one. Groups are numbered
// by the place of that in transmission order.
func (d *ListDecoder) link(f *File, flags int, l *List) (whole bool, err error) {
	if d.o.Protocol < 30 || flags&xmitHlinked == 0 {
		return true, nil
	}
	if !d.o.HardLinks {
		return false, protoErrorf("hard link without --hard-links")
	}
	group := l.Start + l.Len()
	if flags&xmitHlinkFirst == 0 {
		v, err := d.r.VarInt()
		if err != nil {
			return false, err
		}
		if v < 0 || int(v) >= group {
			return false, protoErrorf("hard link to entry %d of %d", v, group)
		}
		group = int(v)
	}
	if group >= l.Start && group < l.Start+l.Len() {
		first := l.at(group - l.Start)
		if first.Nlink < 2 || first.Ino != uint64(group) {
			return false, protoErrorf("hard link to entry %d, which is not the first of a group", group)
		}
		name := f.Name
		*f = *first
		f.Name, f.aclRef, f.xattrRef = name, [2]int{}, 0
		f.ACL, f.DefaultACL, f.Xattrs, f.Abbrev = nil, nil, nil, nil
		d.prev.set(f)
		return false, nil
	}
	f.Dev, f.Ino, f.Nlink = linkDev, uint64(group), 2
	return true, nil
}

// linkDev is the device number of hard links from protocol 30 on, where Ino
// is the number of the group.
const linkDev = 1

// dirFlags decodes what the sender says of a directory's place.
func (d *ListDecoder) dirFlags(f *File, flags int) {
	f.TopDir = flags&xmitTopDir != 0
	f.Content = true
	if d.o.Protocol >= 30 && flags&xmitNoContentDir != 0 {
		f.TopDir, f.Content = false, false
	}
}

// set takes the values that the next entry may repeat from f.
func (p *attrs) set(f *File) {
	p.mode, p.mtime, p.uid, p.gid = f.Mode, f.Mtime.Sec, f.UID, f.GID
	if !f.IsDir() {
		p.atime = f.Atime
	}
	if f.IsDevice() {
		p.major = unix.Major(f.Rdev)
	}
}
