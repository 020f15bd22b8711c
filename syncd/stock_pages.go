package syncd

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"syscall"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// stockList is what a stock sender has listed of one directory.
type stockList struct {
	*rsync.List
	path     string
	names    []listedName // in the order of a page
	resolved bool         // attributes that did not come along were asked for
	asked    map[int]bool // of these entries
	noDelete bool         // the sender has left out content
	done     bool
}

// listedName is one entry of a directory.
type listedName struct {
	name string
	ndx  int32
}

// sortNames puts the names of a list in order, once.
func (l *stockList) sortNames() {
	slices.SortFunc(l.names, func(a, b listedName) int { return strings.Compare(a.name, b.name) })
}

// take notes a list that has arrived: one directory's, or without incremental
// recursion those of all.
func (a *stockUpstream) take(l *rsync.List) error {
	a.sawErrors(l.IOError)
	all, err := splitList(l, a.session.IncRecurse())
	if err != nil {
		return err
	}
	if a.session.Args.PruneEmptyDirs { // never with incremental recursion
		pruneLists(all, a.asked.rules)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.arrived++
	for _, d := range all {
		d.noDelete = a.noContent[d.path]
		delete(a.noContent, d.path)
		d.done = a.bye
	}
	l.All(func(_ int, f *rsync.File) bool {
		if f.IsDir() && !f.Content {
			if a.noContent == nil {
				a.noContent = make(map[string]bool)
			}
			a.noContent[f.Name] = true
		}
		return true
	})
	a.cond.Signal()
	if !a.session.IncRecurse() {
		a.byPath = make(map[string]*stockList, len(all))
		for _, d := range all {
			a.byPath[d.path] = d
		}
		return nil
	}
	a.lists = append(a.lists, all...)
	if a.bye {
		a.next = len(a.lists)
	}
	if a.ahead += 1 + l.Len(); a.ahead+len(a.noContent) > maxListed {
		return fmt.Errorf("%w: file lists further ahead than a sender may be", rsync.ErrProtocol)
	}
	return nil
}

// maxListed bounds what a sender has listed before it was asked for, in lists
// and entries, and directories without content whose lists have not come: stock
// stops at ten thousand entries, but for one directory of any size and for empty
// ones.
const maxListed = 4 << 20

// splitList makes one list for each directory, the root's first.
func splitList(l *rsync.List, inc bool) ([]*stockList, error) {
	first := &stockList{List: l, path: l.Path}
	all := []*stockList{first}
	byPath := map[string]*stockList{l.Path: first}
	for i := range l.Len() {
		ndx := l.Start + i
		name, isDir := l.Name(ndx)
		if name == "" {
			continue // a duplicate
		}
		if name == "." {
			first.names = append(first.names, listedName{name, int32(ndx)})
			continue
		}
		dir, base := path.Split(name)
		in := byPath[strings.TrimSuffix(dir, "/")]
		if in == nil {
			return nil, fmt.Errorf("%w: the entry %.100q is in no directory", rsync.ErrProtocol, name)
		}
		in.names = append(in.names, listedName{base, int32(ndx)})
		if isDir && !inc {
			d := &stockList{List: l, path: name}
			byPath[name] = d
			all = append(all, d)
		}
	}
	for _, d := range all {
		d.sortNames()
	}
	return all, nil
}

// takeNext reads the list of a directory.
func (a *stockUpstream) takeNext(dir int) error {
	l, err := a.dec.Next(dir)
	if err != nil {
		return err
	}
	if err := a.asked.check(l); err != nil {
		return err
	}
	if err := a.take(l); err != nil {
		return err
	}
	return a.tryList()
}

// tryList answers the sink's LIST if the directory has been listed. Whoever
// brings what may have been missing calls it.
func (a *stockUpstream) tryList() error {
	a.mu.Lock()
	req := a.want
	if req == nil || a.waiting > 0 {
		a.mu.Unlock()
		return nil
	}
	l := a.find(req)
	if l == nil {
		gone := a.eof
		if gone {
			a.want = nil
		}
		a.cond.Signal() // lists that were passed over are done with
		a.mu.Unlock()
		if !gone {
			return nil
		}
		fail := &native.Failure{Status: native.StatusError, Errno: syscall.ENOENT, Text: "the sender has not listed its content"}
		return a.k.first.onPage(req.ID, nil, false, 0, fail)
	}
	if !l.resolved {
		l.resolved = true
		a.resolve(l)
	}
	if a.waiting > 0 {
		a.mu.Unlock()
		return nil
	}
	a.want = nil
	if d := a.dirItem; d != nil && d.path == l.path && req.After == "" {
		a.dirItem = nil
		a.record(&pendingFile{ndx: l.Start - 1, flags: d.flags}, "", nil)
	}
	a.mu.Unlock()
	data, more := a.page(l, req.After)
	flags := uint8(0)
	if l.noDelete {
		flags = native.PageOtherFS
	}
	return a.k.first.onPage(req.ID, data, more, flags, nil)
}

// find returns the list that is asked for. Those before it the sink does not
// want: it would have asked. Without incremental recursion they are in an
// order of their own. a.mu is held.
func (a *stockUpstream) find(req *native.List) *stockList {
	if a.current != nil && a.current.path == req.Path {
		return a.current
	}
	if !a.session.IncRecurse() {
		a.current = a.byPath[req.Path]
		delete(a.byPath, req.Path)
		return a.current
	}
	for a.next < len(a.lists) {
		l := a.lists[a.next]
		a.next++
		a.ahead -= 1 + l.Len()
		if l.path == req.Path {
			a.current = l
			return l
		}
		l.done = true
	}
	return nil
}

// page encodes a page of a directory, from behind the name after.
func (a *stockUpstream) page(l *stockList, after string) (data []byte, more bool) {
	var w native.PageWriter
	w.Reset()
	i, found := 0, false
	if after != "" {
		i, found = slices.BinarySearchFunc(l.names, after, func(n listedName, name string) int { return strings.Compare(n.name, name) })
		if found {
			i++
		}
	} else if i = slices.IndexFunc(l.names, func(n listedName) bool { return n.name == "." }); i >= 0 {
		a.addEntry(&w, l, l.names[i])
		l.names = slices.Delete(l.names, i, i+1)
		i = 0
	} else {
		i = 0
	}
	for ; i < len(l.names); i++ {
		if w.Len() >= pageBytes {
			return w.Bytes(), true
		}
		a.addEntry(&w, l, l.names[i])
	}
	l.names = nil
	return w.Bytes(), false
}

// addEntry puts an entry into a page, as the sink wants it: named by its index,
// and with values for all attributes.
func (a *stockUpstream) addEntry(w *native.PageWriter, l *stockList, n listedName) {
	f := l.File(int(n.ndx))
	e := f.Entry
	if f.IsSymlink() && !a.session.Args.Links {
		e.Target = "." // which is not told: the sink passes over it
	}
	e.Name = a.asked.shown(l.path, n.name)
	e.Ctime = wire.Time{Sec: int64(n.ndx)}
	if e.Nlink > 1 {
		e.Nlink = math.MaxInt32 // how many there are is not told
	}
	err := a.fillXattrs(l, f, &e)
	if err == nil {
		err = w.Add(&e)
	}
	if err != nil {
		w.AddError(e.Name, syscall.E2BIG, err.Error())
	}
}

// maxXattrValue is what an inode of Linux can have, and a native page.
const maxXattrValue = 64 << 10

// fillXattrs completes the attributes of an entry.
func (a *stockUpstream) fillXattrs(l *stockList, f *rsync.File, e *wire.Entry) error {
	if len(f.Xattrs) == 0 {
		return nil
	}
	a.dec.FillXattrs(f)
	e.Xattrs = slices.Clone(f.Xattrs)
	for _, s := range f.Abbrev {
		x := &e.Xattrs[s.Index]
		if len(x.Value) == 0 {
			x.Value = a.localXattr(l, f, &s)
		}
		if len(x.Value) == 0 && a.session.Args.DryRun {
			x.Value = s.MD5[:] // it is not what is here, and goes nowhere
		}
		if len(x.Value) == 0 {
			return errors.New("the value of an attribute has changed meanwhile")
		}
	}
	e.Xattrs = slices.DeleteFunc(e.Xattrs, func(x wire.Xattr) bool { return strings.HasPrefix(x.Name, "trusted.SGI_ACL_") })
	for _, x := range e.Xattrs {
		if len(x.Value) > maxXattrValue || len(x.Name) > native.MaxName {
			return fmt.Errorf("the attribute %q has %d bytes, more than can be set", x.Name, len(x.Value))
		}
	}
	return nil
}

// resolve asks for the values of attributes of a list that did not come along
// with it and are not here. a.mu is held.
func (a *stockUpstream) resolve(l *stockList) {
	if a.session.Args.Xattrs == 0 || a.session.Args.DryRun {
		return
	}
	for _, n := range l.names {
		f := l.File(int(n.ndx))
		if len(f.Abbrev) == 0 || a.haveXattrs(l, f) {
			continue
		}
		wanted := a.dec.MissingXattrs(f)
		if len(wanted) == 0 {
			continue
		}
		a.waiting++
		if l.asked == nil {
			l.asked = make(map[int]bool)
		}
		l.asked[int(n.ndx)] = true
		p := &pendingFile{ndx: int(n.ndx), file: f, page: true, flags: rsync.ReportXattr}
		a.pend = append(a.pend, p)
		a.out = append(a.out, func() error {
			if err := a.w.Record(rsync.Record{NDX: p.ndx, IFlags: p.flags, Basis: rsync.BasisFile}); err != nil {
				return err
			}
			return a.w.XattrRequest(f, wanted)
		})
	}
	a.cond.Signal()
}

// haveXattrs reports whether this side has the values of all attributes that
// did not come along.
func (a *stockUpstream) haveXattrs(l *stockList, f *rsync.File) bool {
	for _, s := range f.Abbrev {
		if len(a.localXattr(l, f, &s)) == 0 {
			return false
		}
	}
	return true
}

// localXattr returns the value of an attribute that the entry has here, if its
// digest is the sender's.
func (a *stockUpstream) localXattr(l *stockList, f *rsync.File, s *rsync.Abbrev) []byte {
	if a.k.root == nil {
		return nil
	}
	dir, err := a.k.root.Dir(l.path)
	if err != nil {
		return nil
	}
	defer dir.Close()
	name := a.asked.shown(l.path, path.Base(f.Name))
	e, err := dir.Entry(name, tree.Want{Xattrs: true, DiskACLs: true})
	if err != nil {
		return nil
	}
	for _, x := range e.Xattrs {
		if sum := md5.Sum(x.Value); x.Name == f.Xattrs[s.Index].Name && bytes.Equal(sum[:], s.MD5[:]) {
			return x.Value
		}
	}
	return nil
}
