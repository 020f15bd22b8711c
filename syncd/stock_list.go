package syncd

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// The lists of a stock source are made of the same pages that a native sink
// would get.

// firstList sends the first list: all of the tree, or with incremental
// recursion what the arguments name (flist.c:send_file_list). An empty one is
// the end of the session.
func (x *stockSource) firstList() (empty bool, err error) {
	x.enc.First()
	if err := x.addDir(""); err != nil {
		return false, err
	}
	l, err := x.endList(nil)
	if err == nil && l.Len() > 0 {
		// If the root is listed, this is its list.
		if f := l.File(l.Start); f.Name == "." {
			x.lists[0].dir = f
		}
	}
	if err != nil {
		return false, err
	}
	x.eof = !x.session.IncRecurse()
	return l.Len() == 0, nil
}

// nextList sends the list of the next directory, or says that there are no more
// (flist.c:send_extra_file_list).
func (x *stockSource) nextList() error {
	dir, p, ok := x.enc.Pending()
	if !ok {
		x.mu.Lock()
		x.eof = true
		x.mu.Unlock()
		return x.enc.Done()
	}
	f := x.longDirs[p]
	if delete(x.longDirs, p); f == nil {
		f = &rsync.File{Entry: wire.Entry{Name: p, Mode: unix.S_IFDIR}}
	}
	if err := x.enc.Next(dir); err != nil {
		return err
	}
	if err := x.addDir(p); err != nil {
		return err
	}
	_, err := x.endList(f)
	return err
}

// endList ends a list, that of dir, and registers it.
func (x *stockSource) endList(dir *rsync.File) (*rsync.List, error) {
	l, err := x.enc.End(x.ioErr)
	if err != nil {
		return nil, err
	}
	x.told = x.ioErr
	if x.session.Args.Xattrs > 0 {
		x.keepLong(l)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.lists) > 0 {
		x.ahead += l.Len()
	}
	x.lists = append(x.lists, sentList{l, dir})
	x.sent++
	return l, nil
}

// keepLong keeps the directories of a list whose attributes can be asked for,
// under the number that their own list will have.
func (x *stockSource) keepLong(l *rsync.List) {
	l.All(func(_ int, f *rsync.File) bool {
		if f.IsDir() && len(f.Abbrev) > 0 {
			if x.longDirs == nil {
				x.longDirs = make(map[string]*rsync.File)
			}
			x.longDirs[f.Name] = f
		}
		return true
	})
}

// addDir adds the entries of a directory to the list that is being sent, and
// without incremental recursion all below it.
func (x *stockSource) addDir(dir string) error {
	a := x.session.Args
	want := uint8(0)
	for bit, on := range map[uint8]bool{native.WantXattrs: a.Xattrs > 0, native.WantACLs: a.ACLs, native.WantNames: !a.NumericIDs} {
		if on {
			want |= bit
		}
	}
	var w native.PageWriter
	var below []string
	for after, more := "", true; more; {
		var err error
		// Names that can't be read are in the page, each on its own. A mount point
		// that is not entered has none; its entry has said so.
		more, _, err = x.src.page(&native.List{Path: dir, After: after, Want: want}, &w)
		if err != nil {
			return x.listFailed(dir, err)
		}
		page := native.NewPage(w.Bytes(), dir == "" && after == "", after)
		for {
			var e wire.Entry
			ok, err := page.Next(&e)
			var bad *native.EntryError
			switch {
			case errors.As(err, &bad):
				err = x.unlisted(path.Join(dir, e.Name), fmt.Errorf("stat failed: %w", bad))
			case err != nil:
				return err
			case ok:
				err = x.addEntry(dir, &e, &below)
			}
			if err != nil {
				return err
			}
			if !ok {
				break
			}
		}
		after = page.Last()
	}
	if x.session.IncRecurse() {
		return nil
	}
	for _, p := range below {
		if err := x.addDir(p); err != nil {
			return err
		}
	}
	return nil
}

// addEntry adds one entry. A directory whose content is to follow goes to
// below (flist.c:send_file1, make_file). A mount point that is not entered is
// marked: the peer deletes nothing in it, from protocol 30 on.
func (x *stockSource) addEntry(dir string, e *wire.Entry, below *[]string) error {
	a := x.session.Args
	f := &rsync.File{Entry: *e}
	root := e.Name == "."
	arg := dir == "" && (root || x.src.view.root == nil)
	if !root {
		f.Name = path.Join(dir, e.Name)
	}
	switch {
	case e.IsDir():
		if !a.Recursive && !a.Dirs {
			return x.tell(rsync.MsgInfo, "skipping directory "+Printable(f.Name))
		}
		mount := !root && x.src.oneFS && e.Dev != x.src.view.dev(f.Name)
		f.TopDir, f.Content = arg, (a.Recursive || root) && !mount
		if f.Content && !root {
			*below = append(*below, f.Name)
		}
	case e.IsRegular() && a.Checksum:
		f.Digest = x.digest(f)
	}
	if e.IsRegular() || e.IsSymlink() {
		x.total += e.Size
	}
	err := x.enc.Add(f)
	if errors.Is(err, rsync.ErrEntry) {
		return x.unlisted(f.Name, err)
	}
	return err
}

// digest returns the digest of a file for its entry, hashed anew: whoever wants
// it does not believe in times. One that can't be read gets a digest that no file
// has (checksum.c:file_checksum).
func (x *stockSource) digest(f *rsync.File) []byte {
	h := *x.hash
	h.h = x.session.ListChecksum.NewList()
	file, _, err := x.src.openAny(f.Name)
	if err != nil {
		return make([]byte, h.h.Size())
	}
	defer file.Close()
	if err := h.add(file, 0, f.Size); err != nil {
		return make([]byte, h.h.Size())
	}
	return h.digest()
}

// unlisted reports an entry that is left out.
func (x *stockSource) unlisted(p string, err error) error {
	x.ioErr |= rsync.IOErrGeneral
	x.src.stats.Failed.Add(1)
	return x.tell(rsync.MsgErrorXfer, "syncd: "+describe(p, err))
}

// listFailed reports a directory that can't be listed.
func (x *stockSource) listFailed(dir string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		x.ioErr |= rsync.IOErrVanished
		x.src.stats.Vanished.Add(1)
		return x.tell(rsync.MsgWarning, fmt.Sprintf("directory has vanished: %q", Printable(dir)))
	}
	return x.unlisted(dir, err)
}
