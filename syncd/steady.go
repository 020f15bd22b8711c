package syncd

import (
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
)

// steady says of a basis whether it has stayed as it was, so that what is shared with
// it, or copied from it by the kernel, need not be read to be checked: it is what was
// hashed before. That saves a third of what building a file takes; and one that shares
// blocks has none of them in the page cache, so that reading them costs more than all
// else of such a delta.
type steady struct {
	f *tree.File
	v wire.Version
}

// steadyFrom returns nil where a change could go unnoticed. It is called before the
// basis is hashed. A write gives the file another version when it begins: one that is
// under way would end unnoticed, so nobody may have the file open to be written. A
// mapping made later is noticed, as it is first written through.
func steadyFrom(f *tree.File) *steady {
	if !tree.DatesChanges(f) {
		return nil
	}
	before, err := tree.VersionOf(f)
	if err != nil || before.Ctime.Nsec == 0 { // the file system may count whole seconds
		return nil
	}
	settle(before)
	if !tree.Unwritten(f) {
		return nil
	}
	if v, err := tree.VersionOf(f); err != nil || v != before {
		return nil
	}
	return &steady{f, before}
}

// still reports whether nothing was written to the file since. It is called after
// what is not checked was copied.
func (s *steady) still() bool {
	if !tree.Unwritten(s.f) { // some changes are in the file before it has another version
		return false
	}
	v, err := tree.VersionOf(s.f)
	return err == nil && v == s.v
}
