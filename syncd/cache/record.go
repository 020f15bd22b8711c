package cache

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/seed9553035b/syncd/wire"
)

// A record is the packed sums that are asked for together, as they stand in the
// file too. Integers are little-endian:
//
//	| checksum u64 | written i64 | sum length u32 | count u32 | count items |
//
//	item: | tag u64 | size i64 | mtime sec i64 | mtime nsec u32 | ctime nsec u32 |
//	      | ctime sec i64 | ino u64 | generation u32 | sum |
//
// The checksum is the XXH3-64 of the record's key and of all behind it. written
// is when, in nanoseconds since 1970. Items are sorted by tag, which is the hash
// of a file's name, or a range (see Key.record). The generation is the last one
// of the file in which the sum was asked for. A nil record has no items.
type record []byte

const (
	recordHead = 24
	itemHead   = 52

	// maxItems bounds a record, and with it what is written anew for one sum. Of
	// a directory with more files than that, the others are hashed each time.
	maxItems = 1 << 16
)

// errDamaged is wrapped by what is wrong with a cache's file.
var errDamaged = errors.New("damaged")

// parseRecord checks a record that was stored under a key. It shares b.
func parseRecord(key []byte, b []byte) (record, error) {
	if len(b) < recordHead || binary.LittleEndian.Uint64(b) != checksum(key, b) {
		return nil, errDamaged
	}
	r := record(b)
	size, n := uint64(r.sumLen()), uint64(r.count())
	if size == 0 || n == 0 || n > maxItems || n*(itemHead+size) != uint64(len(b)-recordHead) {
		return nil, errDamaged
	}
	for i := 1; i < int(n); i++ {
		if r.tag(i) <= r.tag(i-1) {
			return nil, errDamaged
		}
	}
	return r, nil
}

func checksum(key, b []byte) uint64 {
	var h xxh3.Hasher
	_, _ = h.Write(key)   // a hash takes
	_, _ = h.Write(b[8:]) // everything
	return h.Sum64()
}

func (r record) sumLen() int { return int(binary.LittleEndian.Uint32(r[16:])) }

func (r record) count() int {
	if r == nil {
		return 0
	}
	return int(binary.LittleEndian.Uint32(r[20:]))
}

// written is when the record was made.
func (r record) written() time.Time {
	return time.Unix(0, int64(binary.LittleEndian.Uint64(r[8:])))
}

func (r record) item(i int) []byte {
	n := itemHead + r.sumLen()
	at := recordHead + i*n
	return r[at : at+n : at+n]
}

func (r record) tag(i int) uint64 { return binary.LittleEndian.Uint64(r.item(i)) }

// search returns where the item with a tag is, or would be.
func (r record) search(tag uint64) (i int, found bool) {
	lo, hi := 0, r.count()
	for lo < hi {
		if mid := (lo + hi) / 2; r.tag(mid) < tag {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < r.count() && r.tag(lo) == tag
}

// find returns the sum of a version, which shares r, and the generation of its
// item; nil if there is none.
func (r record) find(tag uint64, v *wire.Version, now time.Time) (sum []byte, gen uint32) {
	i, found := r.search(tag)
	if !found || r.written().After(now) {
		return nil, 0
	}
	it := item(r.item(i))
	if it.version() != *v {
		return nil, 0
	}
	return it.sum(), it.gen()
}

// item is one sum of a record, packed.
type item []byte

// newItem packs a sum.
func newItem(tag uint64, v *wire.Version, gen uint32, sum []byte) item {
	le := binary.LittleEndian
	b := make([]byte, 0, itemHead+len(sum))
	b = le.AppendUint64(b, tag)
	b = le.AppendUint64(b, uint64(v.Size))
	b = le.AppendUint64(b, uint64(v.Mtime.Sec))
	b = le.AppendUint32(b, v.Mtime.Nsec)
	b = le.AppendUint32(b, v.Ctime.Nsec)
	b = le.AppendUint64(b, uint64(v.Ctime.Sec))
	b = le.AppendUint64(b, v.Ino)
	b = le.AppendUint32(b, gen)
	return append(b, sum...)
}

func (it item) tag() uint64 { return binary.LittleEndian.Uint64(it) }
func (it item) gen() uint32 { return binary.LittleEndian.Uint32(it[48:]) }
func (it item) sum() []byte { return it[itemHead:] }

func (it item) version() wire.Version {
	le := binary.LittleEndian
	return wire.Version{
		Size:  int64(le.Uint64(it[8:])),
		Mtime: wire.Time{Sec: int64(le.Uint64(it[16:])), Nsec: le.Uint32(it[24:])},
		Ctime: wire.Time{Sec: int64(le.Uint64(it[32:])), Nsec: le.Uint32(it[28:])},
		Ino:   le.Uint64(it[40:]),
	}
}

// merge returns the record of r's items and of fresh ones, at least one, which
// replace those with the same tag. Items that were not asked for since the
// generation before gen are left out, and so is what is too much.
func merge(key []byte, r record, fresh []item, gen uint32, now time.Time) record {
	fresh = newest(fresh)
	size := len(fresh[0].sum())
	old := r.count()
	if old > 0 && r.sumLen() != size {
		old = 0
	}
	b := make([]byte, recordHead, recordHead+(old+len(fresh))*(itemHead+size))
	n := uint32(0)
	add := func(it item) {
		if n < maxItems && len(it.sum()) == size {
			b = append(b, it...)
			n++
		}
	}
	for i, j := 0, 0; i < old || j < len(fresh); {
		if j == len(fresh) || i < old && r.tag(i) < fresh[j].tag() {
			if it := item(r.item(i)); uint64(it.gen())+1 >= uint64(gen) {
				add(it)
			}
			i++
			continue
		}
		if i < old && r.tag(i) == fresh[j].tag() {
			i++
		}
		add(fresh[j])
		j++
	}
	le := binary.LittleEndian
	le.PutUint64(b[8:], uint64(now.UnixNano()))
	le.PutUint32(b[16:], uint32(size))
	le.PutUint32(b[20:], n)
	le.PutUint64(b, checksum(key, b))
	return record(b)
}

// newest sorts items by tag and leaves one of each: of the version that changed
// last.
func newest(items []item) []item {
	slices.SortFunc(items, func(a, b item) int {
		v, w := a.version(), b.version()
		return cmp.Or(cmp.Compare(a.tag(), b.tag()), cmp.Compare(w.Ctime.Sec, v.Ctime.Sec), cmp.Compare(w.Ctime.Nsec, v.Ctime.Nsec))
	})
	return slices.CompactFunc(items, func(a, b item) bool { return a.tag() == b.tag() })
}
