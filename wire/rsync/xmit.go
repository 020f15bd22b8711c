package rsync

// The flags that start an entry of a file list (rsync.h:XMIT_*).
const (
	xmitTopDir        = 1 << 0
	xmitSameMode      = 1 << 1
	xmitExtended      = 1 << 2 // a second byte follows; filler of a varint 0
	xmitSameRdev27    = 1 << 2 // protocol 27
	xmitSameUID       = 1 << 3
	xmitSameGID       = 1 << 4
	xmitSameName      = 1 << 5
	xmitLongName      = 1 << 6
	xmitSameTime      = 1 << 7
	xmitSameRdevMajor = 1 << 8 // devices, >= 28
	xmitNoContentDir  = 1 << 8 // directories, >= 30
	xmitHlinked       = 1 << 9
	xmitUserName      = 1 << 10 // >= 30
	xmitSameDev       = 1 << 10 // 28, 29
	xmitGroupName     = 1 << 11 // >= 30
	xmitRdevMinor8    = 1 << 11 // 28, 29
	xmitHlinkFirst    = 1 << 12 // >= 30, with xmitHlinked
	xmitIOError       = 1 << 12 // with xmitExtended alone: the end of a list
	xmitModNsec       = 1 << 13 // >= 31
	xmitSameAtime     = 1 << 14
	xmitCrtimeSame    = 1 << 17 // varint flags only

	xmitEnd = 0 // ends a list
)

// attrs are the values that an entry takes from the one before it. They live
// as long as the session.
type attrs struct {
	name     string
	mode     uint32
	mtime    int64
	atime    int64
	uid, gid uint32
	major    uint32 // of rdev; protocol 27 compares all of rdev
	rdev27   uint32
	dev      int64 // protocols 28 and 29: dev+1 as sent
	started  bool
}

// xmitFlags writes the flags of an entry, which must not read as an end
// (flist.c:send_file_entry).
func (e *ListEncoder) xmitFlags(flags int, dir bool) error {
	w := e.w
	switch {
	case e.o.varintFlags():
		if flags == xmitEnd {
			flags = xmitExtended
		}
		return w.VarInt(int32(flags))
	case e.o.Protocol >= 28:
		if flags == 0 && !dir {
			flags |= xmitTopDir
		}
		if flags&0xFF00 != 0 || flags == 0 {
			return w.ShortInt(flags | xmitExtended)
		}
	case flags&0xFF == 0:
		flags = xmitTopDir
		if dir {
			flags = xmitLongName
		}
	}
	return w.Byte(byte(flags))
}

// xmitFlags reads the flags of an entry. end: the list ends, and the io_error
// that came with it (flist.c:recv_file_list).
func (d *ListDecoder) xmitFlags() (flags int, end bool, ioErr int, err error) {
	r := d.r
	if d.o.varintFlags() {
		v, err := r.VarInt()
		if err != nil || v != xmitEnd {
			return int(v), false, 0, err
		}
		v, err = r.VarInt()
		return 0, true, int(v), err
	}
	b, err := r.Byte()
	if err != nil || b == xmitEnd {
		return 0, true, 0, err
	}
	flags = int(b)
	if d.o.Protocol < 28 || flags&xmitExtended == 0 {
		return flags, false, 0, nil
	}
	if b, err = r.Byte(); err != nil {
		return 0, false, 0, err
	}
	if flags |= int(b) << 8; flags != xmitExtended|xmitIOError {
		return flags, false, 0, nil
	}
	if !d.o.safeEnd() {
		return 0, false, 0, protoErrorf("file list flags %#x", flags)
	}
	v, err := r.VarInt()
	return 0, true, int(v), err
}

// xmitEnd ends a list (flist.c:write_end_of_flist).
func (e *ListEncoder) xmitEnd(ioErr int) error {
	w := e.w
	switch {
	case e.o.varintFlags():
		if err := w.VarInt(xmitEnd); err != nil {
			return err
		}
		return w.VarInt(int32(ioErr))
	case ioErr != 0 && e.o.safeEnd():
		if err := w.ShortInt(xmitExtended | xmitIOError); err != nil {
			return err
		}
		return w.VarInt(int32(ioErr))
	}
	return w.Byte(xmitEnd)
}
