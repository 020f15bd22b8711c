package tree

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A Step is what a [Visit] is asked about.
type Step uint8

const (
	StepEnter Step = iota // a directory is about to be emptied; false keeps all of it
	StepFile              // anything but a directory is about to be removed
	StepDir               // an emptied directory is about to be removed
)

// A Visit is asked before each step of [Dir.RemoveTree]. With false the entry
// stays, and so do the directories above it. An error ends the removal. path
// is relative to the root.
type Visit func(path string, step Step) (ok bool, err error)

// RemoveTree removes name and, if it is a directory, all that is below it,
// children before parents, following no symlink. With oneFS it keeps what is
// mounted below. A nil visit allows everything. Staging names below are not
// asked about: they go, if their run is dead.
//
// If a directory stays because something in it does, the error is
// [ErrNotEmpty]. It goes on after a failed entry and returns the failures
// joined. What is gone already is no failure. An fd is held for each level of
// the tree, so its depth is bounded by RLIMIT_NOFILE.
func (d *Dir) RemoveTree(name string, oneFS bool, visit Visit) error {
	if err := checkName(name); err != nil {
		return d.fail("remove", name, err)
	}
	r := remover{oneFS: oneFS, visit: visit}
	return r.run(d, name)
}

// A remover is one removal on its way through a tree.
type remover struct {
	oneFS    bool
	leftover bool  // the top is a leftover, to be claimed first
	visit    Visit // nil allows everything

	stack    []level // the directories from the top to the one being emptied
	kept     bool    // the top stays
	failures []error // the first maxFailures
	more     int     // failures beyond those
}

// A level is a directory being emptied.
type level struct {
	dir    *Dir
	parent *Dir
	name   string // in parent
	names  *Names
	next   int    // index of the next of names and then of their leftovers
	quiet  bool   // part of a leftover: visit is not asked
	kept   bool   // something in it stays
	mode   uint32 // to be restored if it stays, 0 if unchanged
}

// maxFailures bounds the memory of a removal in which everything fails.
const maxFailures = 16

func (r *remover) run(d *Dir, name string) error {
	var err error
	if r.leftover {
		r.takeLeftover(d, name)
	} else {
		err = r.take(d, name, unix.DT_UNKNOWN, false)
	}
	for err == nil && len(r.stack) > 0 {
		err = r.step()
	}
	for ; len(r.stack) > 0; r.stack = r.stack[:len(r.stack)-1] { // visit ended it
		r.stack[len(r.stack)-1].stay()
	}
	if r.more > 0 {
		r.failures = append(r.failures, fmt.Errorf("and %d more failures", r.more))
	}
	if r.kept && !r.leftover && err == nil && len(r.failures) == 0 {
		err = d.fail("remove", name, ErrNotEmpty)
	}
	return errors.Join(append(r.failures, err)...)
}

// step deals with one entry of the deepest level, or leaves that.
func (r *remover) step() error {
	l := &r.stack[len(r.stack)-1]
	i, n := l.next, l.names.Len()
	l.next++
	switch leftovers := l.names.Leftovers(); {
	case i < n:
		return r.take(l.dir, l.names.Name(i), l.names.Type(i), l.quiet)
	case i < n+len(leftovers):
		r.takeLeftover(l.dir, leftovers[i-n])
		return nil
	}
	return r.leave()
}

// take removes name from d; a directory it enters.
func (r *remover) take(d *Dir, name string, typ uint8, quiet bool) error {
	if typ == unix.DT_UNKNOWN {
		var st unix.Statx_t
		if err := statAt(d.fd, name, &st); err != nil {
			r.failed(d, name, err)
			return nil
		}
		typ = uint8(typeOf(&st) >> 12) // IFTODT of dirent.h
	}
	step := StepFile
	if typ == unix.DT_DIR {
		step = StepEnter
	}
	if ok, err := r.ask(d, name, step, quiet); !ok {
		if step == StepEnter || len(r.stack) > 0 {
			r.keep()
		}
		return err
	}
	if step == StepEnter {
		r.enter(d, name, quiet)
	} else if err := d.unlink(name, false); err != nil {
		r.failed(d, name, err)
	}
	return nil
}

// takeLeftover is take for a staging name, which stays if its run is alive.
func (r *remover) takeLeftover(d *Dir, name string) {
	var st unix.Statx_t
	if err := statAt(d.fd, name, &st); err != nil {
		r.failed(d, name, err)
		return
	}
	fd, dead := d.claimLeftover(name, &st)
	switch {
	case !dead:
		r.keep()
	case typeOf(&st) != unix.S_IFDIR:
		if err := d.unlink(name, false); err != nil {
			r.failed(d, name, err)
		}
	case fd == -1:
		r.enter(d, name, true)
		return
	default:
		r.push(level{dir: d.child(fd, name), parent: d, name: name, quiet: true})
		return
	}
	if fd != -1 {
		unix.Close(fd)
	}
}

func (r *remover) ask(d *Dir, name string, step Step, quiet bool) (bool, error) {
	if r.visit == nil || quiet {
		return true, nil
	}
	ok, err := r.visit(d.join(name), step)
	return ok && err == nil, err
}

// enter opens the directory name to empty it.
func (r *remover) enter(d *Dir, name string, quiet bool) {
	mode, err := d.makeWritable(name)
	if err != nil {
		r.failed(d, name, err)
		return
	}
	var resolve uint64
	if r.oneFS {
		resolve = unix.RESOLVE_NO_XDEV
	}
	fd, err := openDir(d.fd, name, resolve)
	switch {
	case r.oneFS && err == unix.EXDEV: // a mount point
		r.keep()
	case err != nil:
		r.failed(d, name, err)
	default:
		r.push(level{dir: d.child(fd, name), parent: d, name: name, quiet: quiet, mode: mode})
	}
}

// makeWritable gives the owner of the directory name, who is not root, the
// permissions to empty it, as rsync does (delete.c, DEL_NO_UID_WRITE). It
// returns the mode that the directory had, or 0 if that is unchanged.
func (d *Dir) makeWritable(name string) (mode uint32, err error) {
	if isRoot() {
		return 0, nil
	}
	var st unix.Statx_t
	h, err := d.pin(name, &st)
	if err != nil {
		return 0, err
	}
	defer h.close()
	if typeOf(&st) != unix.S_IFDIR || st.Mode&0o700 == 0o700 || int(st.Uid) != os.Geteuid() {
		return 0, nil
	}
	return uint32(st.Mode), h.chmod(uint32(st.Mode)&0o7777 | 0o700)
}

// push lists the level's directory, which it takes over, and makes it the deepest.
func (r *remover) push(l level) {
	names, err := l.dir.Names()
	if err != nil {
		l.stay()
		r.failed(l.parent, l.name, err)
		return
	}
	l.names = names
	r.stack = append(r.stack, l)
}

// leave removes the directory of the deepest level, if nothing in it stays.
func (r *remover) leave() error {
	l := r.stack[len(r.stack)-1]
	r.stack = r.stack[:len(r.stack)-1]
	if !l.kept {
		ok, err := r.ask(l.parent, l.name, StepDir, l.quiet)
		if err != nil {
			l.stay()
			return err
		}
		l.kept = !ok
	}
	if l.kept {
		l.stay()
		r.keep()
		return nil
	}
	err := l.parent.unlink(l.name, true)
	l.dir.Close() // after the removal: a lock ends here
	if err == unix.ENOTEMPTY || err == unix.EEXIST {
		r.keep() // someone put something there
	} else if err != nil {
		r.failed(l.parent, l.name, err)
	}
	return nil
}

// stay closes a directory that is not removed.
func (l *level) stay() {
	if l.mode != 0 {
		// Best effort: that the directory stays is reported in any case.
		_ = fileHandle(l.dir.fd).chmod(l.mode & 0o7777)
	}
	l.dir.Close()
}

// keep notes that something stays in the deepest level, or that the top stays.
func (r *remover) keep() {
	if len(r.stack) == 0 {
		r.kept = true
		return
	}
	r.stack[len(r.stack)-1].kept = true
}

// failed notes that name in d could not be removed.
func (r *remover) failed(d *Dir, name string, err error) {
	if errors.Is(err, unix.ENOENT) {
		return // gone already
	}
	r.keep()
	if len(r.failures) == maxFailures {
		r.more++
		return
	}
	r.failures = append(r.failures, d.fail("remove", name, err))
}
