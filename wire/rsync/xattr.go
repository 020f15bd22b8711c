package rsync

import (
	"cmp"
	"crypto/md5"
	"fmt"
	"slices"
	"strings"

	"github.com/seed9553035b/syncd/wire"
)

const (
	maxXattrs     = 65536     // of one file
	maxXattrName  = 4096      // bytes, with the NUL
	maxXattrValue = 128 << 20 // bytes
	maxXattrSet   = 512 << 20 // bytes of all values of a file

	// fullDatum is the longest value that a list holds; of longer ones it has
	// the MD5 (xattrs.c:MAX_FULL_DATUM).
	fullDatum = 32
)

// An xattrSet is the attributes of one or more files, sorted by name.
type xattrSet struct {
	attrs  []wire.Xattr
	abbrev []Abbrev
	asked  bool // decoder: the values of abbrev were asked for
}

// readXattrs reads the attributes of a file (xattrs.c:receive_xattr):
//
//	varint index+1 of an equal set, or 0 and
//	varint count, then for each
//	  varint length of the name with its NUL, varint length of the value,
//	  name, NUL, value up to 32 bytes or its MD5
func (d *ListDecoder) readXattrs(f *File) error {
	v, err := d.r.VarInt()
	if err != nil {
		return fmt.Errorf("read xattrs: %w", err)
	}
	if v < 0 || int(v) > len(d.t.xattrs) {
		return protoErrorf("xattr set %d of %d", v, len(d.t.xattrs))
	}
	f.xattrRef = int(v)
	if v != 0 {
		return nil
	}
	n, err := d.r.VarInt()
	if err != nil {
		return fmt.Errorf("read xattrs: %w", err)
	}
	if n < 0 || n > maxXattrs {
		return protoErrorf("%d xattrs of one file", n)
	}
	var set xattrSet
	total := 0
	for i := range int(n) {
		size, err := d.readXattr(&set, i)
		if err != nil {
			return err
		}
		if total += size; total > maxXattrSet {
			return protoErrorf("xattrs of more than %d bytes", maxXattrSet)
		}
	}
	if err := set.sort(); err != nil {
		return err
	}
	d.t.mu.Lock()
	defer d.t.mu.Unlock()
	d.t.xattrs = append(d.t.xattrs, set)
	f.xattrRef = len(d.t.xattrs)
	return nil
}

// sort orders a set that was read by name, which Linux peers have done already,
// and finds the places of its abbreviations. Numbers are not touched.
func (s *xattrSet) sort() error {
	byName := make([]int, len(s.attrs)) // places in the order of arrival
	for i := range byName {
		byName[i] = i
	}
	slices.SortStableFunc(byName, func(a, b int) int { return strings.Compare(s.attrs[a].Name, s.attrs[b].Name) })
	sorted := make([]wire.Xattr, len(s.attrs))
	for i, from := range byName {
		sorted[i] = s.attrs[from]
		if i > 0 && sorted[i].Name == sorted[i-1].Name {
			return protoErrorf("two xattrs %.100q", sorted[i].Name)
		}
		for k := range s.abbrev {
			if s.abbrev[k].number == from+1 {
				s.abbrev[k].Index = i
			}
		}
	}
	s.attrs = sorted
	return nil
}

// readXattr reads attribute i of a set and returns the length of its value.
func (d *ListDecoder) readXattr(set *xattrSet, i int) (int, error) {
	nameLen, err := d.r.VarInt()
	if err != nil {
		return 0, fmt.Errorf("read xattr: %w", err)
	}
	size, err := d.r.VarInt()
	if err != nil {
		return 0, fmt.Errorf("read xattr: %w", err)
	}
	if nameLen < 2 || nameLen > maxXattrName || size < 0 || size > maxXattrValue {
		return 0, protoErrorf("xattr with a name of %d and a value of %d bytes", nameLen, size)
	}
	b, err := d.r.Bytes(int(nameLen))
	if err != nil {
		return 0, fmt.Errorf("read xattr: %w", err)
	}
	name, ok := strings.CutSuffix(string(b), "\x00")
	if !ok || strings.IndexByte(name, 0) >= 0 || strings.HasPrefix(name, "system.") {
		return 0, protoErrorf("xattr name %.100q", b)
	}
	attr := wire.Xattr{Name: name}
	if size <= fullDatum {
		attr.Value, err = d.r.Bytes(int(size))
	} else {
		short := Abbrev{number: i + 1, Len: int(size)}
		err = d.r.full(short.MD5[:])
		set.abbrev = append(set.abbrev, short)
	}
	if err != nil {
		return 0, fmt.Errorf("read xattr: %w", err)
	}
	set.attrs = append(set.attrs, attr)
	return int(size), nil
}

// abbreviate returns the set that a list holds of a file's attributes, and a
// key that equal sets share.
func abbreviate(attrs []wire.Xattr) (set xattrSet, key string, err error) {
	set.attrs = slices.SortedFunc(slices.Values(attrs), func(a, b wire.Xattr) int { return cmp.Compare(a.Name, b.Name) })
	var b []byte
	total := 0
	for i := range set.attrs {
		a := &set.attrs[i]
		total += len(a.Value)
		switch {
		case a.Name == "" || len(a.Name) >= maxXattrName || strings.HasPrefix(a.Name, "system."),
			i > 0 && a.Name == set.attrs[i-1].Name,
			len(a.Value) > maxXattrValue, total > maxXattrSet:
			return set, "", fmt.Errorf("%w: xattr %.100q with %d bytes", ErrEntry, a.Name, len(a.Value))
		}
		b = appendString(b, a.Name)
		b = fmt.Appendf(b, "%d,", len(a.Value))
		if len(a.Value) <= fullDatum {
			b = append(b, a.Value...)
			continue
		}
		sum := md5.Sum(a.Value)
		set.abbrev = append(set.abbrev, Abbrev{Index: i, Len: len(a.Value), MD5: sum, number: i + 1})
		b = append(b, sum[:]...)
		a.Value = nil
	}
	return set, string(b), nil
}

// writeXattrs sends a file's attributes, each set once (xattrs.c:send_xattr).
func (e *ListEncoder) writeXattrs(f *File, set xattrSet, key string) error {
	if i := e.xattrIndex[key]; i > 0 {
		f.xattrRef = i
		return e.w.VarInt(int32(i))
	}
	e.t.mu.Lock()
	e.t.xattrs = append(e.t.xattrs, set)
	f.xattrRef = len(e.t.xattrs)
	e.t.mu.Unlock()
	if e.xattrIndex == nil {
		e.xattrIndex = make(map[string]int)
	}
	e.xattrIndex[key] = f.xattrRef
	if err := e.w.VarInt(0); err != nil {
		return err
	}
	if err := e.w.VarInt(int32(len(set.attrs))); err != nil {
		return err
	}
	short := set.abbrev
	for i, a := range set.attrs {
		size, value := len(a.Value), a.Value
		if len(short) > 0 && short[0].Index == i {
			size, value, short = short[0].Len, short[0].MD5[:], short[1:]
		}
		if err := e.writeXattr(a.Name, size, value); err != nil {
			return err
		}
	}
	return nil
}

// writeXattr sends one attribute; value may be the digest of size bytes.
func (e *ListEncoder) writeXattr(name string, size int, value []byte) error {
	if err := e.w.VarInt(int32(len(name) + 1)); err != nil {
		return err
	}
	if err := e.w.VarInt(int32(size)); err != nil {
		return err
	}
	if err := e.w.put(append([]byte(name), 0)); err != nil {
		return err
	}
	return e.w.put(value)
}
