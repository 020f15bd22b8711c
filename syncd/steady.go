package syncd

import (
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
)

// steady says of a basis whether it has stayed as it was, so that blocks shared with
// it need not be read to be checked: they are what was hashed before. A file that
// shares blocks has none of them in the page cache, and reading them costs more than
// all else of such a delta.
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
	if err != nil {
		return nil
	}
	settle(before)
	if !tree.Unwritten(f) || f.Sync() != nil {
		return nil
	}
	if v, err := tree.VersionOf(f); err != nil || v != before {
		return nil
	}
	return &steady{f, before}
}

// still reports whether nothing was written to the file since. It is called after its
// blocks were shared.
func (s *steady) still() bool {
	v, err := tree.VersionOf(s.f)
	return err == nil && v == s.v
}
