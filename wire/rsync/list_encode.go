package rsync

import (
	"fmt"

	"github.com/seed9553035b/syncd/wire"
)

// A ListEncoder writes the file lists of a session. It belongs to the
// goroutine that writes. With incremental recursion the order of calls is
//
//	First, Add..., End
//	for each directory of Pending: Next, Add..., End
//	Done
//
// and without it First, Add..., End. The receiving side waits for the second
// list, or Done, if the first one has a single entry: then it must not be held
// back (flist.c:recv_file_list, main.c:get_local_name).
type ListEncoder struct {
	w    *Writer
	o    ListOptions
	t    *tables
	prev attrs
	l    *List // being written
	next int
	dirs dirTable

	aclIndex   [2]map[string]int
	xattrIndex map[string]int
	links      map[inode]int // groups by the number of their first entry
}

// An inode names a file of the source.
type inode struct{ dev, ino uint64 }

// NewListEncoder returns an encoder for all lists of a session.
func NewListEncoder(w *Writer, o ListOptions) *ListEncoder {
	e := &ListEncoder{w: w, o: o, t: &tables{}, links: make(map[inode]int)}
	if o.incRecurse() {
		e.next = 1
	}
	return e
}

// First starts the first list, or the only one.
func (e *ListEncoder) First() { e.begin(-1) }

// Pending returns the next directory whose list is due, in stock's order:
// depth first, sorted (flist.c:send_extra_file_list). Its path has no leading
// slash.
func (e *ListEncoder) Pending() (dir int, path string, ok bool) { return e.dirs.pending() }

// Next announces and starts the list of a directory.
func (e *ListEncoder) Next(dir int) error {
	if err := e.dirs.announce(dir); err != nil {
		return err
	}
	e.begin(dir)
	return e.w.NDX(ListNDX(dir))
}

// Done says that there are no more lists.
func (e *ListEncoder) Done() error { return e.w.NDX(NDXListEOF) }

func (e *ListEncoder) begin(dir int) { e.l = &List{Start: e.next, Dir: dir, Path: e.dirs.path, t: e.t} }

// End ends the list, with the error bits so far, and returns it
// (flist.c:send_file_list, write_end_of_flist).
func (e *ListEncoder) End(ioErr int) (*List, error) {
	l := e.l
	l.IOError = ioErr
	if err := e.xmitEnd(ioErr); err != nil {
		return nil, err
	}
	users, groups := e.o.hasIDLists()
	if users {
		if err := e.writeIDs(&e.t.users); err != nil {
			return nil, err
		}
	}
	if groups {
		if err := e.writeIDs(&e.t.groups); err != nil {
			return nil, err
		}
	}
	if e.o.Protocol < 30 {
		if err := e.w.Int(int32(ioErr)); err != nil {
			return nil, err
		}
	}
	e.next = l.Start + l.Len() + 1
	l.sort(e.o.Protocol)
	return l, e.dirs.add(l, e.o)
}

// useName notes an id that is about to be sent; true: its name is due.
func (e *ListEncoder) useName(n *idNames, id uint32, name string) bool {
	if e.o.NumericIDs {
		return false
	}
	e.t.mu.Lock()
	defer e.t.mu.Unlock()
	return n.use(id, name)
}

// Add writes one entry. Entries come in any order. An error that wraps
// ErrEntry concerns this file only (flist.c:send_file_entry).
func (e *ListEncoder) Add(f *File) error {
	x, err := e.prepare(f)
	if err != nil {
		return fmt.Errorf("list %.100q: %w", f.Name, err)
	}
	if err := e.write(x); err != nil {
		return fmt.Errorf("list %.100q: %w", f.Name, err)
	}
	return e.l.add(&x.f)
}

// An outgoing is an entry that has passed all checks.
type outgoing struct {
	f        File // a copy: numbers of groups replace inodes
	flags    int
	keep     int // bytes of the last name
	link     int // group that the entry belongs to, -1: none or first of it
	whole    bool
	acls     []acl
	set      xattrSet
	setKey   string
	newUser  bool // name follows
	newGroup bool
}

// prepare checks an entry before anything of it is written.
func (e *ListEncoder) prepare(f *File) (*outgoing, error) {
	x := &outgoing{f: *f, link: -1, whole: true}
	x.f.Name, x.f.Abbrev = f.Name, nil
	bad := func(what string) (*outgoing, error) { return nil, fmt.Errorf("%w: %s", ErrEntry, what) }
	switch {
	case checkPath(f.Name, e.o.Relative) != nil:
		return bad("its path")
	case e.l.Dir >= 0 && !e.dirs.holds(f.Name):
		return bad("it is not in the directory of the list")
	case f.Missing != (f.Mode == 0) || f.Missing && !e.o.MissingNames, !f.Missing && !knownType(f.Type()), f.Mode>>16 != 0:
		return bad(fmt.Sprintf("mode %#o", f.Mode))
	case f.Size < 0 || f.Mtime.Nsec > 999_999_999:
		return bad("its size or time")
	case e.o.Links && f.IsSymlink() && (len(f.Target) < 1 || len(f.Target) > maxPath):
		return bad("the length of its target")
	case e.o.hasSum(f.Type()) && f.IsRegular() && len(f.Digest) != e.o.Checksum:
		return bad(fmt.Sprintf("a checksum of %d bytes", len(f.Digest)))
	}
	if !f.IsRegular() && !f.IsSymlink() {
		x.f.Size = 0
	}
	var err error
	if e.o.ACLs && e.o.Protocol >= 30 && !f.IsSymlink() {
		for class, list := range [][]wire.ACE{f.ACL, f.DefaultACL}[:f.aclClasses()] {
			a, err := condense(list, f.Mode, class)
			if err != nil {
				return nil, err
			}
			x.acls = append(x.acls, a)
		}
	}
	if e.o.Xattrs > 0 && e.o.Protocol >= 30 {
		x.set, x.setKey, err = abbreviate(f.Xattrs)
	}
	return x, err
}
