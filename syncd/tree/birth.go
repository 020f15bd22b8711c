package tree

import (
	"math"

	"golang.org/x/sys/unix"
)

// A birth is what a file has that [Dir.Create] has just made. In one directory,
// which nobody else sees yet, that depends on nothing but the permissions asked
// for: of the files made in it, only the first has to be looked at.
type birth struct {
	perm     uint32 // asked for
	mode     uint16
	uid, gid uint32
}

// before sets what [Meta.Apply] needs to know of f before it changes anything.
func (f *File) before(st *unix.Statx_t) error {
	made := f.made
	f.made = false // what follows changes it
	if b := f.dir.birth.Load(); made && b != nil && b.perm == f.perm {
		st.Mode, st.Uid, st.Gid = b.mode, b.uid, b.gid
		st.Mtime.Nsec = math.MaxUint32 // no time at all: whichever is wanted is set
		return nil
	}
	if err := statAt(f.num(), "", st); err != nil {
		return f.fail("stat", err)
	}
	if made {
		f.dir.birth.Store(&birth{perm: f.perm, mode: st.Mode, uid: st.Uid, gid: st.Gid})
	}
	return nil
}
