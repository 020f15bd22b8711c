package rsync

import (
	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
)

// metadata reads an entry's fields between its name and its ACLs.
func (d *ListDecoder) metadata(f *File, flags int) error {
	size, err := d.r.VarLong30(3)
	if err != nil {
		return err
	}
	if size < 0 {
		return protoErrorf("file of %d bytes", size)
	}
	if err := d.times(f, flags); err != nil {
		return err
	}
	if err := d.owner(f, flags); err != nil {
		return err
	}
	if d.o.hasRdev(f.Type()) {
		if err := d.rdev(f, flags); err != nil {
			return err
		}
	}
	if f.IsRegular() {
		f.Size = size
	}
	if d.o.Links && f.IsSymlink() {
		if err := d.target(f); err != nil {
			return err
		}
	}
	if err := d.oldLink(f, flags); err != nil {
		return err
	}
	if f.Nlink == 0 {
		f.Nlink = 1
	}
	if !d.o.hasSum(f.Type()) {
		return nil
	}
	f.Digest, err = d.r.Bytes(d.o.Checksum)
	if !f.IsRegular() {
		f.Digest = nil
	}
	return err
}

// times reads the times and, between them, the mode.
func (d *ListDecoder) times(f *File, flags int) (err error) {
	r, p := d.r, &d.prev
	if flags&xmitSameTime == 0 {
		if d.o.Protocol >= 30 {
			p.mtime, err = r.VarLong(4)
		} else {
			var v int32
			v, err = r.Int()
			p.mtime = int64(uint32(v))
		}
		if err != nil {
			return err
		}
	}
	f.Mtime = wire.Time{Sec: p.mtime}
	if flags&xmitModNsec != 0 && d.o.Protocol >= 31 {
		v, err := r.VarInt()
		if err != nil {
			return err
		}
		if v < 0 || v > 999_999_999 {
			return protoErrorf("%d nanoseconds", v)
		}
		f.Mtime.Nsec = uint32(v)
	}
	if d.o.Crtimes {
		f.Crtime = f.Mtime.Sec
		if flags&xmitCrtimeSame == 0 {
			if f.Crtime, err = r.VarLong(4); err != nil {
				return err
			}
		}
	}
	if err := d.mode(f, flags); err != nil {
		return err
	}
	if d.o.Atimes && !f.IsDir() {
		if flags&xmitSameAtime == 0 {
			if p.atime, err = r.VarLong(4); err != nil {
				return err
			}
		}
		f.Atime = p.atime
	}
	return nil
}

// mode reads the mode. 0 stands for an argument that is missing.
func (d *ListDecoder) mode(f *File, flags int) error {
	if flags&xmitSameMode == 0 {
		v, err := d.r.Int()
		if err != nil {
			return err
		}
		d.prev.mode = uint32(v)
	}
	f.Mode = d.prev.mode
	switch {
	case f.Mode == 0 && d.o.MissingNames:
		f.Missing = true
	case f.Mode>>16 != 0 || !knownType(f.Type()):
		return protoErrorf("mode %#o", f.Mode)
	case f.Name == "." && !f.IsDir():
		return protoErrorf("root of the transfer with mode %#o", f.Mode)
	}
	return nil
}

// owner reads user and group.
func (d *ListDecoder) owner(f *File, flags int) error {
	p := &d.prev
	if d.o.Owner {
		err := d.id(&p.uid, &d.t.users, flags&xmitSameUID != 0, flags&xmitUserName != 0)
		if err != nil {
			return err
		}
		f.UID = p.uid
	}
	if d.o.Group {
		err := d.id(&p.gid, &d.t.groups, flags&xmitSameGID != 0, flags&xmitGroupName != 0)
		if err != nil {
			return err
		}
		f.GID = p.gid
	}
	return nil
}

// id reads an id, and its name if there is one.
func (d *ListDecoder) id(prev *uint32, names *idNames, same, named bool) error {
	if same {
		return nil
	}
	v, err := d.r.VarInt30()
	if err != nil {
		return err
	}
	*prev = uint32(v)
	if !named || d.o.Protocol < 30 {
		return nil
	}
	if !d.o.incRecurse() {
		return protoErrorf("name of id %d without incremental recursion", *prev)
	}
	name, err := d.r.name()
	if err != nil {
		return err
	}
	return d.learn(names, *prev, name)
}

// rdev reads a device number; that of a special file says nothing.
func (d *ListDecoder) rdev(f *File, flags int) error {
	r, p := d.r, &d.prev
	if d.o.Protocol < 28 {
		if flags&xmitSameRdev27 == 0 {
			v, err := r.Int()
			if err != nil {
				return err
			}
			p.rdev27 = uint32(v)
		}
		if f.IsDevice() {
			f.Rdev = uint64(p.rdev27)
		}
		return nil
	}
	if flags&xmitSameRdevMajor == 0 {
		v, err := r.VarInt30()
		if err != nil {
			return err
		}
		p.major = uint32(v)
	}
	var minor int32
	var err error
	switch {
	case d.o.Protocol >= 30:
		minor, err = r.VarInt()
	case flags&xmitRdevMinor8 != 0:
		var b byte
		b, err = r.Byte()
		minor = int32(b)
	default:
		minor, err = r.Int()
	}
	if err == nil && f.IsDevice() {
		f.Rdev = unix.Mkdev(p.major, uint32(minor))
	}
	return err
}

// target reads where a symlink points.
func (d *ListDecoder) target(f *File) error {
	n, err := d.r.VarInt30()
	if err != nil {
		return err
	}
	if n < 1 || n > maxPath {
		return protoErrorf("symlink target of %d bytes", n)
	}
	b, err := d.r.Bytes(int(n))
	for _, c := range b {
		if c == 0 {
			return protoErrorf("NUL in a symlink's target")
		}
	}
	f.Target, f.Size = string(b), int64(n)
	return err
}

// oldLink reads the hard links of protocols below 30: device and inode.
func (d *ListDecoder) oldLink(f *File, flags int) (err error) {
	if d.o.Protocol >= 30 {
		return nil
	}
	linked := flags&xmitHlinked != 0 && d.o.Protocol >= 28
	if linked && !d.o.HardLinks {
		return protoErrorf("hard link without --hard-links")
	}
	if d.o.Protocol < 28 {
		linked = d.o.HardLinks && f.IsRegular()
	}
	if !linked {
		return nil
	}
	if d.o.Protocol < 28 || flags&xmitSameDev == 0 {
		if d.prev.dev, err = d.r.LongInt(); err != nil {
			return err
		}
	}
	ino, err := d.r.LongInt()
	f.Dev, f.Ino, f.Nlink = uint64(d.prev.dev), uint64(ino), 2
	return err
}
