package syncd

import (
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// plainFile is the size in bytes below which a source does not look for
// holes: two more system calls a file, for a hole of less than 64 KiB.
const plainFile = 64 << 10

// rangeSender takes the ranges of one file, in order, whatever carries them.
// final marks the last one; done says that the file ended early, by an error
// that the sink was told.
type rangeSender interface {
	data(off, n int64, final bool) (done bool, err error)
	hole(off, n int64, final bool) error
	failed(err error) error
}

// sendFile cuts what was asked of f at holes and segments.
func sendFile(to rangeSender, f *tree.File, want *native.ReadFile, sumsOnly bool) error {
	size := want.Version.Size
	ranges := want.Ranges
	if len(ranges) == 0 && size > 0 {
		ranges = []native.Range{{N: size}}
	}
	for i, g := range ranges {
		last := i == len(ranges)-1
		if size < plainFile || sumsOnly {
			if done, err := sendExtent(to, tree.Extent{Off: g.Off, Len: g.N}, last); done || err != nil {
				return err
			}
			continue
		}
		// An extent is sent when the next one is known: the last is special.
		var held tree.Extent
		for e, err := range tree.Extents(f, g.Off, g.N) {
			if err != nil {
				return to.failed(err)
			}
			if held.Len > 0 {
				if done, err := sendExtent(to, held, false); done || err != nil {
					return err
				}
			}
			held = e
		}
		if done, err := sendExtent(to, held, last); done || err != nil {
			return err
		}
	}
	return nil
}

// sendExtent sends one extent, a segment at a time.
func sendExtent(to rangeSender, e tree.Extent, last bool) (done bool, err error) {
	for end := e.Off + e.Len; e.Off < end; {
		n := min(end, (e.Off/native.Segment+1)*native.Segment) - e.Off
		final := last && e.Off+n == end
		if e.Hole {
			err = to.hole(e.Off, n, final)
		} else {
			done, err = to.data(e.Off, n, final)
		}
		if done || err != nil {
			return done, err
		}
		e.Off += n
	}
	return false, nil
}

// unchanged is the status of the last range of a file.
func unchanged(f *tree.File, want wire.Version) native.Status {
	if v, err := tree.VersionOf(f); err != nil || v != want {
		return native.StatusChanged
	}
	return native.StatusOK
}

// trailer says how a range of f went: bad is what kept it from being read.
func trailer(f *tree.File, want wire.Version, digest []byte, bad error, final bool) native.Trailer {
	tr := native.Trailer{Status: native.StatusMore, Digest: digest}
	switch {
	case bad != nil && unchanged(f, want) == native.StatusChanged:
		tr.Status = native.StatusChanged
	case bad != nil:
		tr.Status, tr.Errno = native.StatusError, native.Errno(bad)
	case final:
		tr.Status = unchanged(f, want)
	}
	return tr
}
