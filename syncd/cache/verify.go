package cache

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
)

// verify checks that a file has the structure that bbolt relies on: that every
// page is within the file, is used once, and has its elements within itself. Of
// one that has not, bbolt reads beyond the mapping or goes round in circles. The
// format is bbolt's version 2 (its internal/common/page.go, meta.go): pages of
//
//	| id u64 | flags u16 | count u16 | overflow u32 | elements |
//
// where overflow is how many more pages belong to it. Values are not read: they
// have checksums of their own.
func verify(r io.ReaderAt, size int64) error {
	v := &verifier{r: r, pages: uint64(size / pageSize)}
	m, err := v.meta()
	if err == nil {
		v.used = make([]uint64, m.pages/64+1)
		v.used[0] = 3 // the two metas
		v.pages = m.pages
		err = v.tree(m.root, 0)
	}
	if err == nil {
		err = v.freelist(m.freelist)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}

// bbolt's page flags, and the flag of a leaf's element that is a bucket.
const (
	branchPage   = 1
	leafPage     = 2
	metaPage     = 4
	freelistPage = 16
	bucketLeaf   = 1

	pageHead     = 16
	elementSize  = 16
	maxTreeDepth = 64
)

type verifier struct {
	r     io.ReaderAt
	pages uint64   // in the file
	used  []uint64 // a bit for each page
}

// meta is what the verifier needs of a meta page.
type meta struct{ root, freelist, pages, txid uint64 }

// meta returns the newer one of the two meta pages that are valid.
func (v *verifier) meta() (newest meta, err error) {
	const metaLen = 64
	found := false
	var b [pageHead + metaLen]byte
	for i := range int64(2) {
		if _, err := v.r.ReadAt(b[:], i*pageSize); err != nil {
			return newest, fmt.Errorf("meta page %d: %w", i, err)
		}
		le, m := binary.LittleEndian, b[pageHead:]
		h := fnv.New64a()
		_, _ = h.Write(m[:metaLen-8]) // a hash takes everything
		if le.Uint32(m) != 0xED0CDAED || le.Uint32(m[4:]) != 2 || le.Uint32(m[8:]) != pageSize ||
			le.Uint16(b[8:]) != metaPage || le.Uint64(m[56:]) != h.Sum64() {
			continue
		}
		n := meta{root: le.Uint64(m[16:]), freelist: le.Uint64(m[32:]), pages: le.Uint64(m[40:]), txid: le.Uint64(m[48:])}
		if !found || n.txid > newest.txid {
			newest, found = n, true
		}
	}
	switch {
	case !found:
		return newest, fmt.Errorf("no meta page is valid")
	case newest.pages < 4 || newest.pages > v.pages:
		return newest, fmt.Errorf("%d of %d pages are there", v.pages, newest.pages)
	}
	return newest, nil
}

// page is the head of a page with its elements.
type page struct {
	id    uint64
	flags uint16
	count int
	size  int64 // bytes, with those that overflow
	b     []byte
}

// page reads a page, of a freelist all of it, and marks it as used.
func (v *verifier) page(id uint64) (p page, err error) {
	if id < 2 || id >= v.pages {
		return p, fmt.Errorf("page %d of %d", id, v.pages)
	}
	b := make([]byte, pageSize)
	if _, err := v.r.ReadAt(b, int64(id)*pageSize); err != nil {
		return p, fmt.Errorf("page %d: %w", id, err)
	}
	le := binary.LittleEndian
	overflow := uint64(le.Uint32(b[12:]))
	p = page{id: id, flags: le.Uint16(b[8:]), count: int(le.Uint16(b[10:])), size: int64(overflow+1) * pageSize, b: b}
	if le.Uint64(b) != id || overflow >= v.pages-id {
		return p, fmt.Errorf("page %d has no valid head", id)
	}
	for i := id; i <= id+overflow; i++ {
		if !v.use(i) {
			return p, fmt.Errorf("page %d is used twice", i)
		}
	}
	need := pageHead + int64(p.count)*elementSize
	if p.flags == freelistPage {
		need = p.size
	}
	if need > p.size {
		return p, fmt.Errorf("page %d claims %d elements", id, p.count)
	}
	if need > pageSize {
		p.b = make([]byte, need)
		if _, err := v.r.ReadAt(p.b, int64(id)*pageSize); err != nil {
			return p, fmt.Errorf("page %d: %w", id, err)
		}
	}
	return p, nil
}

// use marks a page and reports whether it was free.
func (v *verifier) use(id uint64) bool {
	free := v.used[id/64]&(1<<(id%64)) == 0
	v.used[id/64] |= 1 << (id % 64)
	return free
}

// tree checks the page id and those below it.
func (v *verifier) tree(id uint64, depth int) error {
	p, err := v.page(id)
	if err != nil {
		return err
	}
	if depth > maxTreeDepth {
		return fmt.Errorf("page %d is too deep", id)
	}
	switch p.flags {
	case leafPage:
		return v.leaf(p.b, p.count, p.size, int64(id)*pageSize, depth)
	case branchPage:
	default:
		return fmt.Errorf("page %d of a tree has the flags %#x", id, p.flags)
	}
	if p.count == 0 {
		return fmt.Errorf("page %d has no element", id)
	}
	for i := range p.count {
		at := pageHead + i*elementSize
		e := p.b[at : at+elementSize]
		le := binary.LittleEndian
		if !within(at, p.count, p.size, le.Uint32(e), le.Uint32(e[4:]), 0) {
			return fmt.Errorf("page %d: element %d is outside", id, i)
		}
		if err := v.tree(le.Uint64(e[8:]), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// leaf checks the elements of a leaf of size bytes that is at off in the file;
// b has at least its head and its elements.
func (v *verifier) leaf(b []byte, count int, size, off int64, depth int) error {
	for i := range count {
		at := pageHead + i*elementSize
		le, e := binary.LittleEndian, b[at:at+elementSize]
		pos, klen, vlen := le.Uint32(e[4:]), le.Uint32(e[8:]), le.Uint32(e[12:])
		if le.Uint32(e) > bucketLeaf || klen == 0 || !within(at, count, size, pos, klen, vlen) {
			return fmt.Errorf("element %d of the leaf at %d is outside", i, off)
		}
		if le.Uint32(e) == bucketLeaf {
			if err := v.bucket(off+int64(at)+int64(pos)+int64(klen), int64(vlen), depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// within reports whether a key and a value lie behind the elements of a page,
// and inside it.
func within(at, count int, size int64, pos, klen, vlen uint32) bool {
	start := int64(at) + int64(pos)
	return start >= int64(pageHead+count*elementSize) && start+int64(klen)+int64(vlen) <= size
}

// bucket checks a bucket whose head, of n bytes, is at off:
//
//	| root u64 | sequence u64 | if root is 0: a leaf page |
func (v *verifier) bucket(off, n int64, depth int) error {
	if n < 16 || n > pageSize {
		return fmt.Errorf("a bucket's head of %d bytes", n)
	}
	b := make([]byte, n)
	if _, err := v.r.ReadAt(b, off); err != nil {
		return fmt.Errorf("a bucket at %d: %w", off, err)
	}
	le := binary.LittleEndian
	if root := le.Uint64(b); root != 0 {
		return v.tree(root, depth+1)
	}
	b = b[16:]
	if len(b) < pageHead || le.Uint16(b[8:]) != leafPage || le.Uint32(b[12:]) != 0 ||
		pageHead+int(le.Uint16(b[10:]))*elementSize > len(b) || depth > maxTreeDepth {
		return fmt.Errorf("the bucket at %d is no leaf", off)
	}
	return v.leaf(b, int(le.Uint16(b[10:])), int64(len(b)), off+16, depth+1)
}

// freelist checks the page that lists the free ones: none of them is in use.
func (v *verifier) freelist(id uint64) error {
	p, err := v.page(id)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	ids, count := p.b[pageHead:], uint64(p.count)
	if p.count == 0xFFFF { // it is more than a u16 holds
		count, ids = le.Uint64(ids), ids[8:]
	}
	if p.flags != freelistPage || count > uint64(len(ids)/8) {
		return fmt.Errorf("page %d is no list of free pages", id)
	}
	for i := range count {
		free := le.Uint64(ids[i*8:])
		if free < 2 || free >= v.pages || !v.use(free) {
			return fmt.Errorf("the free page %d is not free", free)
		}
	}
	return nil
}
