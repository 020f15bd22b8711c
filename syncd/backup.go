package syncd

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
)

// defaultSuffix is that of backups beside their files (rsync.h:BACKUP_SUFFIX).
const defaultSuffix = "~"

// backups keeps what a run replaces or deletes (backup.c:make_backup). What is
// replaced gets its second name before something else gets the first, so that it
// has one at any moment; what is deleted is renamed. Any goroutine may use it.
type backups struct {
	suffix string
	open   func() (*tree.Root, error) // --backup-dir, made if need be; nil: beside each file
	inside string                     // its path in the tree, "" if it is elsewhere
	hides  func(p string) bool        // whether a module hides a path in there; nil: nothing is hidden
	copier wire.Copier

	mu   sync.Mutex
	root *tree.Root // opened for the first backup
	dir  *tree.Dir  // in it, for files of the directory at
	at   string
	// Those that have taken the place of older ones, which were to be deleted: with
	// --delete-excluded, or a rule that risks them, nothing else protects them. It
	// has what a run replaces twice in a row, and with the usual rules nothing.
	renewed map[string]bool
}

// newBackups returns those of the options; nil without --backup. open is for
// --backup-dir. A dry run makes none, but knows what it would not delete.
func newBackups(o *Options, open func(dir string) (*tree.Root, error)) *backups {
	if !o.Backup {
		return nil
	}
	b := &backups{suffix: o.suffix(), renewed: make(map[string]bool)}
	if dir := string(o.BackupDir); dir != "" {
		b.open = func() (*tree.Root, error) { return open(dir) }
	}
	return b
}

// holds reports whether p is the --backup-dir or something in it: no run deletes
// the backups that it and those before it have put there.
func (b *backups) holds(p string) bool {
	return b != nil && b.inside != "" && (p == b.inside || strings.HasPrefix(p, b.inside+"/"))
}

// pathInside is where p is in the directory dir, both cleaned alike; "" if it is not.
func pathInside(dir, p string) string {
	if dir != "" && dir != "/" {
		var ok bool
		if p, ok = strings.CutPrefix(p, dir); !ok || !strings.HasPrefix(p, "/") {
			return ""
		}
	}
	return strings.TrimPrefix(p, "/")
}

func (b *backups) close() {
	if b == nil {
		return
	}
	if b.dir != nil {
		b.dir.Close()
	}
	if b.root != nil {
		b.root.Close()
	}
	_ = b.copier.Close() // a pipe
}

// replaces saves what has a name in n, since something else is about to get it. A
// directory makes way by being deleted.
func (k *sink) replaces(n *node, name string) error {
	if k.backup == nil || n.private {
		return nil
	}
	e, err := n.dir.Entry(name, k.copied().Want())
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && e.IsDir():
		return nil
	case err != nil:
		return err
	}
	return k.save(n.dir, n.path, &e, func(to *tree.Dir, as string) error {
		err := to.Link(n.dir, name, as)
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EMLINK) || errors.Is(err, unix.EOPNOTSUPP) {
			// No hard links of it can be made, as of another's file where
			// fs.protected_hardlinks is set. To rename it would leave a moment in
			// which it is missing.
			err = unix.EXDEV
		}
		return err
	})
}

// rewrites saves a copy of a file that is about to be changed in place.
func (k *sink) rewrites(j *job) error {
	if k.backup == nil || j.saved {
		return nil
	}
	e, err := j.node.dir.Entry(j.entry.Name, k.copied().Want())
	if err != nil {
		return err
	}
	err = k.save(j.node.dir, j.node.path, &e, func(*tree.Dir, string) error { return unix.EXDEV })
	j.saved = err == nil
	return err
}

// deletes saves the file at p, which is about to be deleted: then there is nothing
// left to delete. A backup itself is not saved. beside says that there is one now
// in the file's own directory.
func (k *sink) deletes(p string) (beside bool, err error) {
	b := k.backup
	if b == nil || b.open == nil && len(path.Base(p)) > len(b.suffix) && strings.HasSuffix(p, b.suffix) {
		return false, nil
	}
	in := strings.TrimSuffix(path.Dir(p), ".")
	dir, err := k.root.Dir(in)
	if err != nil {
		return false, err
	}
	defer dir.Close()
	e, err := dir.Entry(path.Base(p), k.copied().Want())
	if err != nil {
		return false, err
	}
	err = k.save(dir, in, &e, func(to *tree.Dir, as string) error { return to.Move(dir, e.Name, as) })
	return err == nil && b.open == nil, err
}

// A besides knows in which of the directories being deleted, one in the other, a
// backup stays: no more of them than the tree is deep.
type besides []struct {
	dir   string
	stays bool
}

// enter begins the removal of dir, and forgets what of others was not ended.
func (s *besides) enter(dir string) {
	for n := len(*s); n > 0 && !strings.HasPrefix(dir, (*s)[n-1].dir+"/"); n-- {
		*s = (*s)[:n-1]
	}
	*s = append(*s, struct {
		dir   string
		stays bool
	}{dir: dir})
}

// got says that the directory of p, if it is being deleted, has got a backup.
func (s besides) got(p string) {
	for i := range s {
		if s[i].dir == path.Dir(p) {
			s[i].stays = true
		}
	}
}

// in reports whether one stays in dir.
func (s besides) in(dir string) bool {
	for _, l := range s {
		if l.dir == dir {
			return l.stays
		}
	}
	return false
}

// isNew reports whether what is at p is a backup of this run.
func (b *backups) isNew(p string) bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.renewed[p]
}

// save gives the entry e of dir, whose path is p, its place among the backups, by
// the means of give, and by a copy where that is on another file system.
func (k *sink) save(dir *tree.Dir, p string, e *wire.Entry, give func(to *tree.Dir, as string) error) error {
	b, as := k.backup, e.Name+k.backup.suffix
	to := dir
	if b.open != nil {
		if b.hides != nil && b.hides(path.Join(p, as)) {
			return untaken(p, e, as)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		var err error
		if to, err = k.backupDir(p); err != nil {
			return err
		}
	} else if k.forbidden(path.Join(p, as), false) {
		return untaken(p, e, as)
	}
	if b.open == nil && k.opt.Delete && !k.protected(path.Join(p, as), false) {
		if _, err := to.Entry(as, tree.Want{}); err == nil {
			b.mu.Lock()
			b.renewed[path.Join(p, as)] = true
			b.mu.Unlock()
		}
	}
	err := give(to, as)
	if errors.Is(err, unix.EXDEV) {
		err = k.copyTo(to, as, dir, e)
	}
	return err
}

func untaken(p string, e *wire.Entry, as string) error {
	return &fs.PathError{Op: "back up", Path: path.Join(p, e.Name), Err: errors.New("the module does not take the name " + Printable(as))}
}

// copied is the metadata that copies get, and directories of backups.
func (k *sink) copied() *tree.Meta {
	return &tree.Meta{Perms: true, Owner: true, Group: true, Times: true, NumericIDs: true, Xattrs: k.meta.Xattrs, ACLs: k.meta.ACLs}
}

// copyTo makes a copy of e, an entry of dir. Unless nothing is synced it is on disk
// before the file loses its name: on another file system nothing else orders the two.
func (k *sink) copyTo(to *tree.Dir, as string, dir *tree.Dir, e *wire.Entry) error {
	err := k.copyEntry(to, as, dir, e)
	if err == nil && k.fsync != FsyncNone {
		err = to.Sync()
	}
	return err
}

func (k *sink) copyEntry(to *tree.Dir, as string, dir *tree.Dir, e *wire.Entry) error {
	name := e.Name
	if e.Name = as; !e.IsRegular() {
		return to.MakeNode(e, false, k.copied())
	}
	f, _, err := dir.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	staged, err := to.Stage(as)
	if err != nil {
		return err
	}
	var st wire.Stats // it is no part of the transfer
	if err = k.backup.copier.CopyRange(staged.File, 0, f, 0, e.Size, &st); err == nil {
		err = k.copied().Apply(staged.File, e, nil)
	}
	if err == nil && k.fsync != FsyncNone {
		err = staged.File.Sync()
	}
	if err == nil {
		err = staged.Commit()
	}
	return errors.Join(err, staged.Discard())
}

// backupDir returns the directory for backups of files in p, which is made like p
// is, if need be. It stays open until the next one is asked for. b.mu is held.
func (k *sink) backupDir(p string) (*tree.Dir, error) {
	b := k.backup
	if b.dir != nil && b.at == p {
		return b.dir, nil
	}
	if b.root == nil {
		var err error
		if b.root, err = b.open(); err != nil {
			return nil, err
		}
		if err := k.checkBackupRoot(); err != nil {
			return nil, err
		}
	}
	d, err := b.root.Dir(p)
	if errors.Is(err, fs.ErrNotExist) {
		d, err = k.makeBackupDir(p)
	}
	if err != nil {
		return nil, err
	}
	if b.dir != nil {
		b.dir.Close()
	}
	b.dir, b.at = d, p
	return d, nil
}

// checkBackupRoot refuses the tree itself as the directory for backups under their
// files' own names, by whatever path it was reached: each would be the file.
func (k *sink) checkBackupRoot() (err error) {
	b := k.backup
	if b.suffix != "" {
		return nil
	}
	var at [2]wire.Entry
	for i, r := range []*tree.Root{k.root, b.root} {
		d, err := r.Dir("")
		if err == nil {
			err = d.EntryInto(".", tree.Want{}, &at[i])
			d.Close()
		}
		if err != nil {
			return errors.Join(err, b.dropRoot())
		}
	}
	if at[0].Dev == at[1].Dev && at[0].Ino == at[1].Ino {
		err = &fs.PathError{Op: "back up in", Path: b.root.Path(), Err: errors.New("this is the destination itself, where backups need a --suffix")}
		return errors.Join(err, b.dropRoot())
	}
	return nil
}

// dropRoot has the next backup open the directory again.
func (b *backups) dropRoot() error {
	err := b.root.Close()
	b.root = nil
	return err
}

// makeBackupDir makes the directories on the way to p that are not there.
func (k *sink) makeBackupDir(p string) (*tree.Dir, error) {
	d, err := k.backup.root.Dir("")
	for i := 0; i <= len(p) && err == nil; i++ {
		if i < len(p) && p[i] != '/' {
			continue
		}
		var sub *tree.Dir
		name := path.Base(p[:i])
		if sub, err = d.OpenDir(name); errors.Is(err, fs.ErrNotExist) {
			sub, err = k.newBackupDir(d, name, p[:i])
		}
		d.Close()
		d = sub
	}
	return d, err
}

// newBackupDir makes and opens name in d, for backups of files in p.
func (k *sink) newBackupDir(d *tree.Dir, name, p string) (*tree.Dir, error) {
	if err := d.Mkdir(name); err != nil {
		return nil, err
	}
	k.dressBackupDir(d, name, p)
	if k.fsync != FsyncNone {
		if err := d.Sync(); err != nil {
			return nil, err
		}
	}
	return d.OpenDir(name)
}

// dressBackupDir gives a new directory of backups the metadata of the one whose
// files it gets, as far as that goes: they are no content.
func (k *sink) dressBackupDir(d *tree.Dir, name, p string) {
	own, err := k.root.Dir(p)
	if err != nil {
		return
	}
	defer own.Close()
	if e, err := own.Entry(".", k.copied().Want()); err == nil {
		e.Mode |= 0o700
		_ = k.copied().ApplyAt(d, name, &e, nil)
	}
}
