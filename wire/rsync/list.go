package rsync

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"sort"
	"strings"
)

// A List is one file list: all of a transfer, or with incremental recursion
// one directory. Its entries are packed, about 30 bytes and the path each;
// they are unpacked when asked for. A List is complete when its decoder or
// encoder returns it, and then safe for concurrent use, also while the next
// one is being read or written.
type List struct {
	// Start is the NDX of the first entry in sorted order. Start-1 stands for
	// the directory Dir itself, with incremental recursion.
	Start int
	// Dir is the number of the directory that the list describes, -1 for a
	// first list without a root.
	Dir int
	// Path is that of the directory Dir, "" if that is the root or none.
	Path string
	// IOError has the sender's error bits so far.
	IOError int

	t       *tables
	data    []byte
	offs    []uint32 // by transmission order
	order   []uint32 // by sorted order
	dropped map[int]bool
}

// Len returns the number of entries, with dropped ones.
func (l *List) Len() int { return len(l.offs) }

// Has reports whether ndx numbers an entry of the list.
func (l *List) Has(ndx int) bool { return ndx >= l.Start && ndx-l.Start < len(l.order) }

// File returns the entry of that NDX: nil if there is none, or if it was
// dropped as a duplicate, which nobody may ask for.
func (l *List) File(ndx int) *File {
	if !l.Has(ndx) || l.dropped[ndx] {
		return nil
	}
	return l.at(int(l.order[ndx-l.Start]))
}

// Name returns the path of the entry of that NDX and whether it is a directory,
// without unpacking the entry. It is "" where File is nil.
func (l *List) Name(ndx int) (name string, dir bool) {
	if !l.Has(ndx) || l.dropped[ndx] {
		return "", false
	}
	b, dir := l.name(l.order[ndx-l.Start])
	return strings.TrimPrefix(string(b), "/"), dir
}

// All calls use for each entry in sorted order, dropped ones left out.
func (l *List) All(use func(ndx int, f *File) bool) {
	for i := range l.order {
		if f := l.File(l.Start + i); f != nil && !use(l.Start+i, f) {
			return
		}
	}
}

// at returns the entry at a place in transmission order.
func (l *List) at(pos int) *File {
	f := &File{}
	l.t.unpack(f, l.data[l.offs[pos]:])
	// The slash of --relative counts when sorting and not after.
	f.Name = strings.TrimPrefix(f.Name, "/")
	return f
}

// add appends an entry in transmission order.
func (l *List) add(f *File) error {
	if len(l.data) > math.MaxUint32 || len(l.offs) >= math.MaxInt32 {
		return protoErrorf("file list of more than %d bytes", len(l.data))
	}
	l.offs = append(l.offs, uint32(len(l.data)))
	l.data = l.t.pack(l.data, f)
	return nil
}

// sort numbers the entries and drops duplicates (flist.c:flist_sort_and_clean).
func (l *List) sort(protocol int) {
	l.order = make([]uint32, len(l.offs))
	for i := range l.order {
		l.order[i] = uint32(i)
	}
	slices.SortFunc(l.order, func(a, b uint32) int {
		an, ad := l.name(a)
		bn, bd := l.name(b)
		// Equal names stay in the order of transmission.
		return cmp.Or(compareNames(an, bn, ad, bd, protocol), cmp.Compare(a, b))
	})
	for i := range l.order {
		l.dropDuplicate(i, protocol)
	}
}

// name returns an entry's packed name and whether it is a directory.
func (l *List) name(pos uint32) ([]byte, bool) { return packedName(l.data[l.offs[pos]:]) }

// dropDuplicate marks the later of two entries of one name, or the one that is
// not a directory. Slots stay as they are, so that numbers do not move.
func (l *List) dropDuplicate(i, protocol int) {
	name, dir := l.name(l.order[i])
	if i > 0 {
		if before, _ := l.name(l.order[i-1]); bytes.Equal(before, name) {
			l.drop(i, i-1)
			return
		}
	}
	if !dir || protocol < 29 {
		return // below 29, equal names are neighbours
	}
	// Where a file of the directory's name would stand.
	j := sort.Search(i, func(k int) bool {
		n, d := l.name(l.order[k])
		return compareNames(n, name, d, false, protocol) >= 0
	})
	if j < i {
		if other, _ := l.name(l.order[j]); bytes.Equal(other, name) {
			l.drop(i, j)
		}
	}
}

// drop removes the later entry i in favour of j, unless only i is a directory.
func (l *List) drop(i, j int) {
	if l.dropped == nil {
		l.dropped = make(map[int]bool)
	}
	_, iDir := l.name(l.order[i])
	_, jDir := l.name(l.order[j])
	if iDir && !jDir {
		i = j
	}
	l.dropped[l.Start+i] = true
}
