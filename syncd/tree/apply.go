package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

// Apply gives the open file f the metadata of want, so far as m keeps it, in
// the order owner, xattrs, ACLs, mode, times: a later step undoes nothing that
// an earlier one did, while chown clears set-ID bits and capabilities. It
// makes only the calls that change something. old is the entry that f takes
// the place of, nil if there is none: without Perms its mode is kept.
//
// All steps are tried; the error joins those that failed. xattrs or ACLs that
// the file system does not have are among them.
func (m *Meta) Apply(f *File, want, old *wire.Entry) error {
	h := fileHandle(f.num())
	var st unix.Statx_t
	if err := f.before(&st); err != nil {
		return err
	}
	return m.apply(h, &st, f.dir, f.name, want, old, false)
}

// ApplyAt is Apply for name in d, or with "." for d itself, which has any
// type. cur is what was listed under the name; the error is [ErrChanged] if it
// is another inode by now, or with a nil cur another type than want's.
func (m *Meta) ApplyAt(d *Dir, name string, want, cur *wire.Entry) error {
	if name != "." {
		if err := checkName(name); err != nil {
			return d.fail("set metadata", name, err)
		}
	}
	var st unix.Statx_t
	h, err := d.pin(name, &st)
	if err != nil {
		return d.fail("set metadata", name, err)
	}
	defer h.close()
	if typeOf(&st) != want.Type() || cur != nil && (st.Ino != cur.Ino || deviceOf(&st) != cur.Dev) {
		return d.fail("set metadata", name, ErrChanged)
	}
	return m.apply(h, &st, d, name, want, cur, !want.IsDir() && cur != nil && !(m.ExactTimes && want.IsRegular()))
}

// An applier is one inode on its way through the steps of Apply.
type applier struct {
	m    *Meta
	h    handle
	dir  *Dir // with name: what messages call it
	name string
	want *wire.Entry
	st   unix.Statx_t // before the first step
	// chmodded says that the mode is no longer st's: it is set in any case.
	chmodded bool
	misowned bool // chown failed
	failures []error
}

// apply runs all steps on the inode h, whose stat is st.
// keepSame leaves an mtime alone that [Meta.SameTime] calls equal: it may be the
// better one, of a source that said more.
func (m *Meta) apply(h handle, st *unix.Statx_t, dir *Dir, name string, want, old *wire.Entry, keepSame bool) error {
	a := applier{m: m, h: h, st: *st, dir: dir, name: name, want: want} // on the stack, as st is
	a.owners()
	if m.Xattrs {
		a.xattrs()
	}
	if !want.IsSymlink() {
		if m.ACLs {
			a.acls()
		}
		a.mode(old)
	}
	if m.KeepsTime(want) && !(keepSame && m.SameTime(timeOf(st.Mtime), want.Mtime)) {
		a.times()
	}
	return errors.Join(a.failures...)
}

func (a *applier) failed(op string, err error) {
	if err != nil {
		a.failures = append(a.failures, &fs.PathError{Op: op, Path: a.dir.join(a.name), Err: err})
	}
}

func (a *applier) owners() {
	uid, gid := a.m.owners(a.st.Uid, a.st.Gid, a.want)
	if uid == noOwner && gid == noOwner {
		return
	}
	if uid == math.MaxUint32 || gid == math.MaxUint32 {
		a.misowned = true
		a.failed("chown", unix.EINVAL) // (uid_t)-1 would leave it alone, and report success
		return
	}
	err := a.h.chown(uid, gid)
	a.failed("chown", err)
	a.misowned = err != nil
	a.chmodded = true // set-ID bits are cleared
}

// xattrs sets and removes until the xattrs are want's. It comes after chown,
// which removes security.capability.
func (a *applier) xattrs() {
	cur, err := readXattrs(a.h, a.m.process().root, false)
	if err != nil {
		a.failed("getxattr", err)
		return
	}
	set, remove := diffXattrs(cur, a.m.keptXattrs(a.want))
	for _, name := range remove {
		err := a.writable(func() error { return a.h.removexattr(name) })
		if err != unix.ENODATA {
			a.failed("removexattr "+name, err)
		}
	}
	for _, x := range set {
		err := a.writable(func() error { return a.h.setxattr(x.Name, x.Value) })
		if err == unix.EOPNOTSUPP {
			err = fmt.Errorf("the file system does not have such xattrs: %w", err)
		}
		a.failed("setxattr "+x.Name, err)
	}
}

// writable calls fn, which changes user.* xattrs: the owner needs write
// permission for that. If it is missing, it is given until the mode is set.
func (a *applier) writable(fn func() error) error {
	err := fn()
	if err != unix.EACCES || a.want.IsSymlink() || int(a.st.Uid) != os.Geteuid() {
		return err
	}
	if a.h.chmod(uint32(a.st.Mode)&0o7777|0o600) != nil {
		return err
	}
	a.chmodded = true
	return fn()
}

func (a *applier) acls() {
	access := a.m.localACL(a.want.ACL)
	if !saysMoreThanMode(access) {
		access = nil
	}
	a.acl(accessACL, access)
	if a.want.IsDir() {
		a.acl(defaultACL, a.m.localACL(a.want.DefaultACL))
	}
}

// acl makes the ACL name of the inode equal to want.
func (a *applier) acl(name string, want []wire.ACE) {
	cur, err := readACL(a.h, name)
	if err != nil {
		a.failed("getfacl", err)
		return
	}
	if name == accessACL && !saysMoreThanMode(cur) {
		cur = nil
	}
	if a.m.sameACL(cur, want) {
		return
	}
	if len(want) == 0 {
		err = a.h.removexattr(name)
	} else {
		err = a.h.setxattr(name, encodeACL(want))
	}
	if err == unix.EOPNOTSUPP {
		err = fmt.Errorf("the file system does not have ACLs: %w", err)
	}
	a.failed("setfacl", err)
	a.chmodded = a.chmodded || name == accessACL // which sets permission bits
}

func (a *applier) mode(old *wire.Entry) {
	mode := a.m.mode(a.want, old, uint32(a.st.Mode))
	if a.misowned { // or it would run as someone whom the source did not mean
		mode &^= unix.S_ISUID | unix.S_ISGID
	}
	if a.chmodded || mode != uint32(a.st.Mode)&0o7777 {
		a.failed("chmod", a.h.chmod(mode))
	}
}

func (a *applier) times() {
	mtime := a.want.Mtime
	if timeOf(a.st.Mtime) == mtime {
		return
	}
	if mtime.Nsec >= 1e9 { // UTIME_NOW and UTIME_OMIT are in that range
		a.failed("utimensat", unix.EINVAL)
		return
	}
	a.failed("utimensat", a.h.setTimes(
		unix.Timespec{Nsec: unix.UTIME_OMIT},
		unix.Timespec{Sec: mtime.Sec, Nsec: int64(mtime.Nsec)}))
}
