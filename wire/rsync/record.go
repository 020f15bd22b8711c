package rsync

import "fmt"

// IFlags say what a record reports or asks for (rsync.h:ITEM_*).
type IFlags uint16

// The iflags. The Report flags name what differs.
const (
	ReportAtime  IFlags = 1 << 0
	ReportChange IFlags = 1 << 1 // content
	ReportSize   IFlags = 1 << 2 // of a symlink: its time could not be set
	ReportTime   IFlags = 1 << 3
	ReportPerms  IFlags = 1 << 4
	ReportOwner  IFlags = 1 << 5
	ReportGroup  IFlags = 1 << 6
	ReportACL    IFlags = 1 << 7
	ReportXattr  IFlags = 1 << 8
	ReportCrtime IFlags = 1 << 10
	BasisFollows IFlags = 1 << 11
	XNameFollows IFlags = 1 << 12
	IsNew        IFlags = 1 << 13
	LocalChange  IFlags = 1 << 14 // made by the receiver itself
	Transfer     IFlags = 1 << 15
)

// Basis types (rsync.h:FNAMECMP_*). Below BasisFile: the number of an
// alternative destination; from BasisFuzzy+1: fuzzy in one of those.
const (
	BasisFile    = 0x80
	BasisPartial = 0x81
	BasisBackup  = 0x82
	BasisFuzzy   = 0x83

	maxAltDest = 20 // rsync.h:MAX_BASIS_DIRS
)

// A Record is the head of a request of the generator and of the sender's
// answer. Basis is a hint: what it and XName lead to is below the destination
// or nothing. It counts only for a transfer.
type Record struct {
	NDX    int
	IFlags IFlags
	Basis  byte // 0x80 unless sent
	XName  string
}

// KeepAlive reports whether the record is protocol 29's keep-alive, whose
// index is one past the list (io.c:maybe_send_keepalive).
func (rec *Record) KeepAlive(count int) bool { return rec.NDX == count && rec.IFlags == IsNew }

// Record writes a record's head. Below protocol 29 only transfers have one,
// the bare index (generator.c:itemize, sender.c:write_ndx_and_attrs).
func (w *Writer) Record(rec Record) error {
	if w.proto < 29 && rec.IFlags&Transfer == 0 {
		return nil
	}
	if err := w.NDX(rec.NDX); err != nil {
		return err
	}
	if w.proto < 29 {
		return nil
	}
	if err := w.ShortInt(int(rec.IFlags)); err != nil {
		return err
	}
	if rec.IFlags&BasisFollows != 0 {
		if err := w.Byte(rec.Basis); err != nil {
			return err
		}
	}
	if rec.IFlags&XNameFollows != 0 {
		return w.VString(rec.XName)
	}
	return nil
}

// Record reads what follows an index >= 0 (rsync.c:read_ndx_and_attrs). A
// transfer of anything but a regular file is for the caller to refuse: it
// knows the list.
func (r *Reader) Record(ndx int) (Record, error) {
	rec := Record{NDX: ndx, IFlags: Transfer, Basis: BasisFile}
	if r.proto < 29 {
		return rec, nil
	}
	v, err := r.ShortInt()
	if err != nil {
		return rec, fmt.Errorf("read record %d: %w", ndx, err)
	}
	rec.IFlags = IFlags(v)
	if rec.IFlags&BasisFollows != 0 {
		if rec.Basis, err = r.Byte(); err != nil {
			return rec, fmt.Errorf("read record %d: %w", ndx, err)
		}
		if rec.Basis < BasisFile && rec.Basis >= maxAltDest || rec.Basis > BasisFuzzy+maxAltDest {
			return rec, protoErrorf("record %d with basis type %#x", ndx, rec.Basis)
		}
	}
	if rec.IFlags&XNameFollows != 0 {
		if rec.XName, err = r.VString(maxPath); err != nil {
			return rec, fmt.Errorf("read record %d: %w", ndx, err)
		}
		if err := checkXName(rec.XName); err != nil {
			return rec, err
		}
	}
	return rec, nil
}

// checkXName refuses names that lead out of the destination: of a fuzzy basis
// or of a hard link's target (CVE-2024-12086).
func checkXName(name string) error {
	if name == "" {
		return nil // a hard link that is there already
	}
	if err := checkPath(name, false); err != nil {
		return fmt.Errorf("name of a basis or link: %w", err)
	}
	return nil
}
