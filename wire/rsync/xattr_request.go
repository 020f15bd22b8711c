package rsync

import (
	"fmt"
	"slices"
)

// HasXattrs reports whether a record with these flags is followed by a request
// for abbreviated attributes, and its echo by their values
// (rsync.c:read_ndx_and_attrs, generator.c:itemize).
func (s *Session) HasXattrs(flags IFlags) bool {
	if s.Args.Xattrs == 0 || s.Args.DryRun || flags&ReportXattr == 0 || s.Protocol < 30 {
		return false
	}
	linked := flags&XNameFollows != 0 && flags&LocalChange != 0
	optim := s.Protocol >= 31 && s.Compat&NoXattrOptim == 0
	return !(optim && linked)
}

// XattrRequest asks for the values of f.Abbrev entries, which are given by
// their places in f.Abbrev, ascending (xattrs.c:send_xattr_request):
//
//	varint number - number before    repeated; numbers count from 1
//	byte 0
func (w *Writer) XattrRequest(f *File, wanted []int) error {
	before := 0
	for _, i := range wanted {
		number := f.Abbrev[i].number
		if err := w.VarInt(int32(number - before)); err != nil {
			return err
		}
		before = number
	}
	return w.Byte(0)
}

// XattrRequest reads a request and returns the places in f.Abbrev
// (xattrs.c:recv_xattr_request).
func (r *Reader) XattrRequest(f *File) ([]int, error) {
	var wanted []int
	for number := 0; ; {
		i, err := r.xattrNumber(f, &number)
		if err != nil || i < 0 {
			return wanted, err
		}
		wanted = append(wanted, i)
	}
}

// xattrNumber reads the next number; i is its place in f.Abbrev, -1 at the
// end.
func (r *Reader) xattrNumber(f *File, number *int) (i int, err error) {
	v, err := r.VarInt()
	if err != nil {
		return -1, fmt.Errorf("read xattr request: %w", err)
	}
	if v == 0 {
		return -1, nil
	}
	if v < 0 {
		return -1, protoErrorf("xattr number %d after %d", v, *number)
	}
	*number += int(v)
	i = slices.IndexFunc(f.Abbrev, func(a Abbrev) bool { return a.number == *number })
	if i < 0 {
		return -1, protoErrorf("xattr number %d, which is not abbreviated", *number)
	}
	return i, nil
}

// XattrValues answers a request (xattrs.c:send_xattr_request):
//
//	varint number - number before, varint length, value    repeated
//	byte 0
func (w *Writer) XattrValues(f *File, wanted []int, value func(i int) []byte) error {
	before := 0
	for _, i := range wanted {
		number, v := f.Abbrev[i].number, value(i)
		if len(v) > maxXattrValue {
			return protoErrorf("xattr value of %d bytes", len(v))
		}
		if err := w.VarInt(int32(number - before)); err != nil {
			return err
		}
		if err := w.VarInt(int32(len(v))); err != nil {
			return err
		}
		if err := w.put(v); err != nil {
			return err
		}
		before = number
	}
	return w.Byte(0)
}

// XattrValues reads the answer to a request. The values go to f and to every
// other file with the same attributes (xattrs.c:recv_xattr_request).
func (d *ListDecoder) XattrValues(f *File) error {
	r := d.r
	for number, total := 0, 0; ; {
		i, err := r.xattrNumber(f, &number)
		if err != nil {
			return err
		}
		if i < 0 {
			d.t.fillXattrs(f)
			return nil
		}
		n, err := r.VarInt()
		if err != nil {
			return fmt.Errorf("read xattr value: %w", err)
		}
		if n < 0 || n > maxXattrValue || total+int(n) > maxXattrSet {
			return protoErrorf("xattr value of %d bytes", n)
		}
		total += int(n)
		v, err := r.Bytes(int(n))
		if err != nil {
			return fmt.Errorf("read xattr value: %w", err)
		}
		d.t.setXattr(f.xattrRef, f.Abbrev[i].Index, v)
	}
}

// MissingXattrs returns the places in f.Abbrev whose values have not been
// asked for, and notes them as asked for: a stock sender answers once for all
// files that share a set of attributes. [ListDecoder.FillXattrs] has the
// values when the answer to the record of f, which comes later than theirs,
// is being read. Safe for concurrent use.
func (d *ListDecoder) MissingXattrs(f *File) []int {
	d.t.mu.Lock()
	defer d.t.mu.Unlock()
	if f.xattrRef == 0 {
		return nil
	}
	set := &d.t.xattrs[f.xattrRef-1]
	if set.asked {
		return nil
	}
	set.asked = true
	all := make([]int, len(f.Abbrev))
	for i := range all {
		all[i] = i
	}
	return all
}

// FillXattrs puts the values that have arrived into f.
func (d *ListDecoder) FillXattrs(f *File) { d.t.fillXattrs(f) }

// setXattr stores a value. The slice of attributes is replaced, since files
// hold it.
func (t *tables) setXattr(ref, index int, value []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	set := &t.xattrs[ref-1]
	set.attrs = slices.Clone(set.attrs)
	set.attrs[index].Value = value
}

func (t *tables) fillXattrs(f *File) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if f.xattrRef > 0 {
		f.Xattrs = t.xattrs[f.xattrRef-1].attrs
	}
}
