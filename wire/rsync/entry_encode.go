package rsync

import (
	"golang.org/x/sys/unix"
)

// write sends an entry whose checks are done.
func (e *ListEncoder) write(x *outgoing) error {
	f := &x.f
	e.link(x)
	e.setFlags(x)
	if err := e.xmitFlags(x.flags, f.IsDir()); err != nil {
		return err
	}
	if err := e.name(x); err != nil {
		return err
	}
	if x.link >= 0 {
		if err := e.w.VarInt(int32(x.link)); err != nil {
			return err
		}
	}
	if x.whole {
		if err := e.metadata(x); err != nil {
			return err
		}
	} else {
		e.prev.set(f)
	}
	if err := e.writeACLs(f, x.acls); err != nil {
		return err
	}
	if e.o.Xattrs > 0 && e.o.Protocol >= 30 {
		return e.writeXattrs(f, x.set, x.setKey)
	}
	return nil
}

// link finds the group of a hard link from protocol 30 on. A later member in
// the same list becomes a copy of the first one, which is what the peer makes
// of it even if the file changed in between.
func (e *ListEncoder) link(x *outgoing) {
	f := &x.f
	if !e.o.HardLinks || f.IsDir() || f.Nlink < 2 || f.Missing {
		f.Nlink = 1
		return
	}
	if e.o.Protocol < 30 {
		x.flags |= xmitHlinked
		return
	}
	x.flags |= xmitHlinked
	id := inode{f.Dev, f.Ino}
	group, known := e.links[id]
	if !known {
		x.flags |= xmitHlinkFirst
		group = e.l.Start + e.l.Len()
		e.links[id] = group
	} else {
		x.link = group
		if group >= e.l.Start {
			name := f.Name
			*f = *e.l.at(group - e.l.Start)
			f.Name, f.aclRef, f.xattrRef = name, [2]int{}, 0
			x.whole = false
		}
	}
	f.Dev, f.Ino = linkDev, uint64(group)
}

// setFlags compares an entry with the one before it.
func (e *ListEncoder) setFlags(x *outgoing) {
	f, p := &x.f, &e.prev
	set := func(on bool, flag int) {
		if on {
			x.flags |= flag
		}
	}
	if f.IsDir() {
		set(f.TopDir, xmitTopDir)
		if e.o.Protocol >= 30 && !f.Content {
			x.flags |= xmitNoContentDir
		}
	}
	set(f.Mode == p.mode, xmitSameMode)
	set(f.Mtime.Sec == p.mtime, xmitSameTime)
	set(f.Mtime.Nsec != 0 && e.o.Protocol >= 31, xmitModNsec)
	set(!e.o.Owner || p.started && f.UID == p.uid, xmitSameUID)
	set(!e.o.Group || p.started && f.GID == p.gid, xmitSameGID)
	set(e.o.Atimes && !f.IsDir() && f.Atime == p.atime && e.o.Protocol >= 30, xmitSameAtime)
	set(e.o.Crtimes && e.o.varintFlags() && f.Crtime == f.Mtime.Sec, xmitCrtimeSame)
	e.setRdevFlags(x)

	inline := e.o.incRecurse() && x.whole
	if e.o.Owner && x.flags&xmitSameUID == 0 {
		x.newUser = e.useName(&e.t.users, f.UID, f.User) && inline
		set(x.newUser, xmitUserName)
	}
	if e.o.Group && x.flags&xmitSameGID == 0 {
		x.newGroup = e.useName(&e.t.groups, f.GID, f.Group) && inline
		set(x.newGroup, xmitGroupName)
	}
	if e.o.Protocol < 30 && x.flags&xmitHlinked != 0 {
		if e.o.Protocol < 28 {
			x.flags &^= xmitHlinked // its flags have no room for it
		} else {
			set(p.dev == int64(f.Dev)+1, xmitSameDev)
		}
	}
	x.keep = 0
	for x.keep < min(len(f.Name), len(p.name), 255) && f.Name[x.keep] == p.name[x.keep] {
		x.keep++
	}
	set(x.keep > 0, xmitSameName)
	set(len(f.Name)-x.keep > 255, xmitLongName)
}

// setRdevFlags compares device numbers. A special file's is dummy: the major
// of the one before, minor 0.
func (e *ListEncoder) setRdevFlags(x *outgoing) {
	f, p := &x.f, &e.prev
	if !e.o.hasRdev(f.Type()) {
		return
	}
	if e.o.Protocol < 28 {
		if !f.IsDevice() || uint32(f.Rdev) == p.rdev27 {
			x.flags |= xmitSameRdev27
		}
		return
	}
	if !f.IsDevice() || unix.Major(f.Rdev) == p.major {
		x.flags |= xmitSameRdevMajor
	}
	if e.o.Protocol < 30 && (!f.IsDevice() || unix.Minor(f.Rdev) <= 0xFF) {
		x.flags |= xmitRdevMinor8
	}
}

// name sends the path's end behind what it shares with the last one.
func (e *ListEncoder) name(x *outgoing) error {
	if x.flags&xmitSameName != 0 {
		if err := e.w.Byte(byte(x.keep)); err != nil {
			return err
		}
	}
	end := x.f.Name[x.keep:]
	var err error
	// Protocol 27 sets the flag as a filler, so it is set for itself there.
	if x.flags&xmitLongName != 0 || e.o.Protocol < 28 && x.flags&0xFF == 0 && x.f.IsDir() {
		err = e.w.VarInt30(int32(len(end)))
	} else {
		err = e.w.Byte(byte(len(end)))
	}
	e.prev.name, e.prev.started = x.f.Name, true
	if err != nil {
		return err
	}
	return e.w.put([]byte(end))
}

// metadata sends the fields between name and ACLs.
func (e *ListEncoder) metadata(x *outgoing) error {
	f, w := &x.f, e.w
	size := f.Size
	if f.IsSymlink() {
		size = int64(len(f.Target))
	}
	if err := w.VarLong30(size, 3); err != nil {
		return err
	}
	if err := e.times(x); err != nil {
		return err
	}
	if err := e.owner(x); err != nil {
		return err
	}
	if e.o.hasRdev(f.Type()) {
		if err := e.rdev(x); err != nil {
			return err
		}
	}
	if e.o.Links && f.IsSymlink() {
		if err := w.VarInt30(int32(len(f.Target))); err != nil {
			return err
		}
		if err := w.put([]byte(f.Target)); err != nil {
			return err
		}
	}
	if err := e.oldLink(x); err != nil {
		return err
	}
	if !e.o.hasSum(f.Type()) {
		return nil
	}
	if !f.IsRegular() {
		return w.put(make([]byte, e.o.Checksum))
	}
	return w.put(f.Digest)
}

// times sends the times and, between them, the mode.
func (e *ListEncoder) times(x *outgoing) error {
	f, w, p := &x.f, e.w, &e.prev
	var err error
	field := func(on bool, put func() error) {
		if on && err == nil {
			err = put()
		}
	}
	field(x.flags&xmitSameTime == 0, func() error {
		if e.o.Protocol >= 30 {
			return w.VarLong(f.Mtime.Sec, 4)
		}
		return w.Int(int32(f.Mtime.Sec))
	})
	field(x.flags&xmitModNsec != 0, func() error { return w.VarInt(int32(f.Mtime.Nsec)) })
	field(e.o.Crtimes && x.flags&xmitCrtimeSame == 0, func() error { return w.VarLong(f.Crtime, 4) })
	field(x.flags&xmitSameMode == 0, func() error { return w.Int(int32(f.Mode)) })
	field(e.o.Atimes && !f.IsDir() && x.flags&xmitSameAtime == 0, func() error { return w.VarLong(f.Atime, 4) })
	p.mtime, p.mode = f.Mtime.Sec, f.Mode
	if !f.IsDir() {
		p.atime = f.Atime
	}
	return err
}

// owner sends user and group.
func (e *ListEncoder) owner(x *outgoing) error {
	f := &x.f
	if e.o.Owner && x.flags&xmitSameUID == 0 {
		if err := e.id(f.UID, f.User, x.newUser); err != nil {
			return err
		}
	}
	if e.o.Group && x.flags&xmitSameGID == 0 {
		if err := e.id(f.GID, f.Group, x.newGroup); err != nil {
			return err
		}
	}
	e.prev.uid, e.prev.gid = f.UID, f.GID
	return nil
}

// id sends an id, and its name if that is due.
func (e *ListEncoder) id(id uint32, name string, named bool) error {
	if err := e.w.VarInt30(int32(id)); err != nil || !named {
		return err
	}
	return e.w.name(name)
}

// rdev sends a device number.
func (e *ListEncoder) rdev(x *outgoing) error {
	f, w, p := &x.f, e.w, &e.prev
	if e.o.Protocol < 28 {
		if x.flags&xmitSameRdev27 != 0 {
			return nil
		}
		p.rdev27 = uint32(f.Rdev)
		return w.Int(int32(f.Rdev))
	}
	if x.flags&xmitSameRdevMajor == 0 {
		p.major = unix.Major(f.Rdev)
		if err := w.VarInt30(int32(p.major)); err != nil {
			return err
		}
	}
	var minor uint32
	if f.IsDevice() {
		minor = unix.Minor(f.Rdev)
	}
	switch {
	case e.o.Protocol >= 30:
		return w.VarInt(int32(minor))
	case x.flags&xmitRdevMinor8 != 0:
		return w.Byte(byte(minor))
	}
	return w.Int(int32(minor))
}

// oldLink sends the hard links of protocols below 30.
func (e *ListEncoder) oldLink(x *outgoing) error {
	f, w, p := &x.f, e.w, &e.prev
	if e.o.Protocol >= 30 || !e.o.HardLinks {
		return nil
	}
	if e.o.Protocol < 28 && !f.IsRegular() || e.o.Protocol >= 28 && x.flags&xmitHlinked == 0 {
		return nil
	}
	if x.flags&xmitSameDev == 0 || e.o.Protocol < 28 {
		p.dev = int64(f.Dev) + 1
		if err := w.LongInt(p.dev); err != nil {
			return err
		}
	}
	return w.LongInt(int64(f.Ino))
}
