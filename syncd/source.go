package syncd

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/cache"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// Tuning. A page is large enough that its frame costs nothing beside its
// entries, and small enough that the 256 that a sink may have unanswered are
// no memory worth speaking of. Directories are kept open because the files of
// a READ mostly share one.
const (
	pageBytes  = 32 << 10
	cachedDirs = 16
)

// source shows a view to a sink. It holds open directories and nothing else
// between two requests. One goroutine uses it at a time.
type source struct {
	view    *view
	rules   *filter.List // the client's
	hidden  *filter.List // the module's, matched from the module's root; may be nil
	below   string       // path below the module's root of a view of content
	oneFS   bool
	prune   bool // directories without content are left out
	numeric bool
	munged  bool       // symlinks are shown without the module's mungePrefix
	chmod   tree.Chmod // modes are shown changed
	// diskACLs is tree.Want's, for a stock sink.
	diskACLs bool
	alg      delta.Algorithm
	stats    *Stats
	sums     *cache.Cache // nil: every file is hashed each time
	packer   *packer      // nil: nothing is compressed
	done     func()       // called for the sink's BYE before it is answered; may be nil

	dirs   []openDir // most recently used last
	hash   *hasher
	group  group // of the READ at hand
	digest *native.DirDigest
	same   *native.DirDigest // digest, while a LIST with one is answered
}

type openDir struct {
	path     string
	dir      *tree.Dir
	names    *tree.Names // while a listing goes on
	dev, ino uint64      // what the cache knows it by; 0 until that is asked for
}

// Close closes the directories. The view stays open.
func (s *source) Close() {
	for _, d := range s.dirs {
		d.dir.Close()
	}
	s.dirs = nil
}

// hides reports whether the module hides the path p from every client.
func (s *source) hides(p string, isDir bool) bool {
	return s.hidden != nil && s.hidden.Match(s.place(p), isDir, filter.Sender) == filter.Exclude
}

// filtered reports whether there is any rule that could hide something.
func (s *source) filtered() bool { return !s.hidden.Empty() || !s.rules.Empty() }

// excluded reports whether a filter hides the path p.
func (s *source) excluded(p string, isDir bool) bool {
	if s.hides(p, isDir) {
		return true
	}
	return s.rules.Match(p, isDir, filter.Sender) == filter.Exclude
}

// place returns where the path p of the view is below the module's root.
func (s *source) place(p string) string {
	if s.view.root == nil {
		return s.view.given(p)
	}
	return path.Join(s.below, p)
}

// open returns the directory at p, which stays the cache's. A filter that
// hides any directory on the way hides what is below it: a sink can ask for
// paths that no listing showed it.
func (s *source) open(p string) (*openDir, error) {
	for i := len(s.dirs) - 1; i >= 0; i-- {
		if s.dirs[i].path == p {
			d := s.dirs[i]
			copy(s.dirs[i:], s.dirs[i+1:])
			s.dirs[len(s.dirs)-1] = d
			return &s.dirs[len(s.dirs)-1], nil
		}
	}
	for i := 0; i <= len(p); i++ {
		if p != "" && (i == len(p) || p[i] == '/') && s.excluded(p[:i], true) {
			return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
		}
	}
	dir, err := s.view.dir(p)
	if err != nil {
		return nil, err
	}
	if len(s.dirs) == cachedDirs {
		s.dirs[0].dir.Close()
		s.dirs = append(s.dirs[:0], s.dirs[1:]...)
	}
	s.dirs = append(s.dirs, openDir{path: p, dir: dir})
	return &s.dirs[len(s.dirs)-1], nil
}

// page fills w with one page of a directory.
func (s *source) page(l *native.List, w *native.PageWriter) (more bool, flags uint8, err error) {
	w.Reset()
	want := tree.Want{Xattrs: l.Want&native.WantXattrs != 0, ACLs: l.Want&native.WantACLs != 0,
		Names: l.Want&native.WantNames != 0 && !s.numeric, DiskACLs: s.diskACLs}
	switch {
	case l.Want&native.WantOne != 0:
		return false, 0, s.pageOne(l, want, w)
	case l.Path == "" && s.view.root == nil:
		return s.pageArgs(l, want, w)
	}
	d, err := s.open(l.Path)
	if err != nil {
		return false, 0, err
	}
	var e wire.Entry
	if l.After == "" {
		if s.oneFS || l.Path == "" {
			if err := d.dir.EntryInto(".", want, &e); err != nil {
				return false, 0, err
			}
			s.present(&e)
			if s.oneFS && e.Dev != s.view.dev(l.Path) {
				return false, native.PageOtherFS, nil
			}
		}
		if l.Path == "" {
			if err := w.Add(&e); err != nil {
				return false, 0, err
			}
		}
	}
	if d.names == nil || l.After == "" {
		if d.names, err = d.dir.Names(); err != nil {
			return false, 0, err
		}
	}
	i := 0
	if l.After != "" {
		at, found := d.names.Search(l.After)
		if i = at; found {
			i++
		}
	}
	for ; i < d.names.Len(); i++ {
		if w.Len() >= pageBytes {
			return true, flags, nil
		}
		if !s.add(d.dir, l.Path, d.names.Name(i), d.names.Type(i), want, &e, w) {
			flags = native.PageHadErrors
		}
	}
	d.names = nil
	return false, flags, nil
}

// add puts one name of a directory into the page. It reports whether there was
// no error; what vanished meanwhile or is hidden is no error.
func (s *source) add(dir *tree.Dir, dirPath, name string, dtype uint8, want tree.Want, e *wire.Entry, w *native.PageWriter) bool {
	p, known := "", dtype != syscall.DT_UNKNOWN
	if s.filtered() {
		if p = path.Join(dirPath, name); known && s.excluded(p, dtype == syscall.DT_DIR) {
			return true
		}
	}
	err := dir.EntryInto(name, want, e)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err == nil {
		if !known && p != "" && s.excluded(p, e.IsDir()) {
			return true
		}
		if e.IsDir() && s.prune && s.prunes(dir, name, path.Join(dirPath, name), e) {
			return true
		}
		s.see(e)
		if err = w.Add(e); s.same != nil {
			s.same.Add(e)
		}
	}
	if err != nil {
		w.AddError(name, native.Errno(err), cause(err).Error())
		return false
	}
	return true
}

// present makes an entry what clients are to see of it.
func (s *source) present(e *wire.Entry) {
	if s.munged && e.IsSymlink() {
		e.Target = strings.TrimPrefix(e.Target, mungePrefix)
	}
	e.Mode = s.chmod.Apply(e, e.Mode)
}

func (s *source) see(e *wire.Entry) {
	s.present(e)
	s.stats.Entries.Add(1)
	if e.IsRegular() {
		s.stats.TotalSize.Add(e.Size)
	}
}

// pageArgs lists the root of a view of arguments.
func (s *source) pageArgs(l *native.List, want tree.Want, w *native.PageWriter) (more bool, flags uint8, err error) {
	// The root stands for no directory: nothing beside the arguments may be
	// deleted.
	flags = native.PageHadErrors
	var e wire.Entry
	for _, a := range s.view.args {
		if a.name <= l.After {
			continue
		}
		if w.Len() >= pageBytes {
			return true, flags, nil
		}
		if err := s.view.entry(a, want, &e); err != nil {
			w.AddError(a.name, native.Errno(err), cause(err).Error())
			continue
		}
		if s.hides(a.name, e.IsDir()) || e.IsDir() && s.prune && s.prunesArg(a, &e) {
			continue
		}
		s.see(&e)
		if err := w.Add(&e); err != nil {
			w.AddError(a.name, syscall.E2BIG, err.Error())
		}
	}
	return false, flags, nil
}

// pageOne answers for the one entry l.After of a directory.
func (s *source) pageOne(l *native.List, want tree.Want, w *native.PageWriter) error {
	var e wire.Entry
	if l.Path == "" && s.view.root == nil {
		a, ok := s.view.arg(l.After)
		if !ok {
			return fs.ErrNotExist
		}
		if err := s.view.entry(a, want, &e); err != nil {
			return err
		}
		if s.hides(a.name, e.IsDir()) {
			return fs.ErrNotExist
		}
		s.present(&e)
		return w.Add(&e)
	}
	d, err := s.open(l.Path)
	if err != nil {
		return err
	}
	if err := d.dir.EntryInto(l.After, want, &e); err != nil {
		return err
	}
	if s.excluded(path.Join(l.Path, l.After), e.IsDir()) {
		return fs.ErrNotExist
	}
	s.present(&e)
	return w.Add(&e)
}

// openFile opens the file at p if it is the version asked for.
func (s *source) openFile(p string, want wire.Version) (*tree.File, error) {
	f, v, err := s.openAny(p)
	if err != nil {
		return nil, err
	}
	if v != want {
		f.Close()
		return nil, errChanged
	}
	settle(v)
	return f, nil
}

// openAny opens the file at p, whatever version it is.
func (s *source) openAny(p string) (f *tree.File, v wire.Version, err error) {
	err = s.within(p, func(d *tree.Dir, name string) (err error) {
		f, v, err = d.Open(name)
		return err
	})
	return f, v, err
}

// openUnseen opens what is at p, to be read as the version want: whether it was that
// is asked when it has been read, and what is asked before tells no more.
func (s *source) openUnseen(p string, want wire.Version) (f *tree.File, err error) {
	err = s.within(p, func(d *tree.Dir, name string) (err error) {
		f, err = d.OpenUnseen(name)
		return err
	})
	if err == nil {
		settle(want)
	}
	return f, err
}

// within calls open with the directory that the file at p is in, which is held
// meanwhile, and its name there.
func (s *source) within(p string, open func(d *tree.Dir, name string) error) error {
	dirPath, name := path.Split(p)
	dirPath = strings.TrimSuffix(dirPath, "/")
	if s.excluded(p, false) {
		return &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
	}
	if dirPath == "" && s.view.root == nil {
		dir, name, err := s.view.parent(p)
		if err != nil {
			return err
		}
		defer dir.Close()
		return open(dir, name)
	}
	d, err := s.open(dirPath)
	if err != nil {
		return err
	}
	return open(d.dir, name)
}

// errChanged says that a file is not the version that was asked for.
var errChanged = errors.New("the file changed while it was read")

// settle waits until a file that was changed just now would get another ctime
// by the next change, so that its version tells the two apart.
func settle(v wire.Version) {
	age := time.Since(time.Unix(v.Ctime.Sec, int64(v.Ctime.Nsec)))
	if age >= 0 && age < cache.ClockStep {
		time.Sleep(cache.ClockStep - age)
	}
}

// failure turns an error on a file or directory into what the sink is told.
func failure(err error) *native.Failure {
	f := &native.Failure{Status: native.StatusError, Errno: native.Errno(err), Text: cause(err).Error()}
	switch {
	case errors.Is(err, errChanged), errors.Is(err, tree.ErrNotRegular):
		// No longer a regular file is a change too: the sink asks anew.
		f.Status = native.StatusChanged
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP):
		f.Status = native.StatusGone
	}
	return f
}
