package tree

import (
	"math"
	"slices"
	"testing"

	"github.com/seed9553035b/syncd/wire"
	"golang.org/x/sys/unix"
)

func TestDiff(t *testing.T) {
	base := wire.Entry{Mode: unix.S_IFREG | 0o644, Size: 10, Mtime: wire.Time{Sec: 100, Nsec: 5}, UID: 1000, GID: 1001,
		Xattrs: []wire.Xattr{{Name: "user.a", Value: []byte("1")}, {Name: "user.b", Value: []byte("2")}},
		ACL: []wire.ACE{{Tag: wire.ACLUserObj, Perm: 6}, {Tag: wire.ACLUser, Perm: 4, ID: 5},
			{Tag: wire.ACLUser, Perm: 4, ID: 6}, {Tag: wire.ACLGroupObj, Perm: 4}, {Tag: wire.ACLMask, Perm: 4},
			{Tag: wire.ACLOther, Perm: 4}}}
	const everything = ChangeTime | ChangePerms | ChangeOwner | ChangeGroup | ChangeACL | ChangeXattr
	tests := []struct {
		name string
		set  func(e *wire.Entry)
		want Change
	}{
		{"nothing", func(e *wire.Entry) {}, 0},
		{"size", func(e *wire.Entry) { e.Size++ }, ChangeSize},
		{"a nanosecond", func(e *wire.Entry) { e.Mtime.Nsec++ }, ChangeTime},
		{"a second", func(e *wire.Entry) { e.Mtime.Sec-- }, ChangeTime},
		{"mode", func(e *wire.Entry) { e.Mode ^= 0o001 }, ChangePerms},
		{"set-user-ID", func(e *wire.Entry) { e.Mode ^= unix.S_ISUID }, ChangePerms},
		{"owner", func(e *wire.Entry) { e.UID++ }, ChangeOwner},
		{"group", func(e *wire.Entry) { e.GID++ }, ChangeGroup},
		{"ctime, inode, device, links", func(e *wire.Entry) {
			e.Ctime.Sec, e.Ino, e.Dev, e.Nlink = 1, 1, 1, 1
		}, 0},
		{"owner by name", func(e *wire.Entry) { e.User, e.Group = "root", "root" }, ChangeOwner | ChangeGroup},
		{"an unknown name", func(e *wire.Entry) { e.User, e.Group = "no-such-user", "no-such-group" }, 0},
		{"a value", func(e *wire.Entry) { e.Xattrs[0].Value = []byte("2") }, ChangeXattr},
		{"one xattr less", func(e *wire.Entry) { e.Xattrs = e.Xattrs[1:] }, ChangeXattr},
		{"one xattr more", func(e *wire.Entry) { e.Xattrs = append(e.Xattrs, wire.Xattr{Name: "user.c"}) }, ChangeXattr},
		{"xattrs in another order", func(e *wire.Entry) { slices.Reverse(e.Xattrs) }, 0},
		{"an xattr that is not kept", func(e *wire.Entry) {
			e.Xattrs = append(e.Xattrs, wire.Xattr{Name: accessACL})
		}, 0},
		{"no ACL", func(e *wire.Entry) { e.ACL = nil }, ChangeACL},
		{"a permission in the ACL", func(e *wire.Entry) { e.ACL[1].Perm = 7 }, ChangeACL},
		{"the mask, which the mode shows", func(e *wire.Entry) { e.Mode, e.ACL[4].Perm = unix.S_IFREG|0o604, 0 }, ChangePerms},
		{"an id in the ACL", func(e *wire.Entry) { e.ACL[1].ID++ }, ChangeACL},
		{"a name in the ACL", func(e *wire.Entry) { e.ACL[1].Name = "root" }, ChangeACL},
		{"the ACL in another order", func(e *wire.Entry) { e.ACL[1], e.ACL[2] = e.ACL[2], e.ACL[1] }, 0},
		{"ids where there are none", func(e *wire.Entry) { e.ACL[0].ID = 7 }, 0},
		{"a default ACL", func(e *wire.Entry) { e.DefaultACL = e.ACL }, ChangeACL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := base
			want.Xattrs, want.ACL = slices.Clone(base.Xattrs), slices.Clone(base.ACL)
			tt.set(&want)
			if got := archive().Diff(&base, &want); got != tt.want {
				t.Errorf("archive: %b, want %b", got, tt.want)
			}
			var none Meta
			if got := none.Diff(&base, &want); got != tt.want&^everything {
				t.Errorf("nothing kept: %b, want %b", got, tt.want&^everything)
			}
		})
	}
}

func TestDiffOfOtherTypes(t *testing.T) {
	link := wire.Entry{Mode: unix.S_IFLNK | 0o777, Target: "a", Size: 1}
	dir := wire.Entry{Mode: unix.S_IFDIR | 0o755, Size: 4096}
	dev := wire.Entry{Mode: unix.S_IFCHR | 0o600, Rdev: 5}
	tests := []struct {
		name string
		cur  wire.Entry
		set  func(m *Meta, e *wire.Entry)
		want Change
	}{
		{"mode of a symlink", link, func(_ *Meta, e *wire.Entry) { e.Mode = unix.S_IFLNK | 0o700 }, 0},
		{"ACL of a symlink", link, func(_ *Meta, e *wire.Entry) { e.ACL = []wire.ACE{{Tag: 2}} }, 0},
		{"target", link, func(_ *Meta, e *wire.Entry) { e.Target = "b" }, ChangeSize},
		{"time of a symlink", link, func(_ *Meta, e *wire.Entry) { e.Mtime.Sec++ }, ChangeTime},
		{"time of a symlink, omitted", link, func(m *Meta, e *wire.Entry) { e.Mtime.Sec++; m.OmitLinkTimes = true }, 0},
		{"owner of a symlink", link, func(_ *Meta, e *wire.Entry) { e.UID++ }, ChangeOwner},
		{"size of a directory", dir, func(_ *Meta, e *wire.Entry) { e.Size = 0 }, 0},
		{"time of a directory", dir, func(_ *Meta, e *wire.Entry) { e.Mtime.Sec++ }, ChangeTime},
		{"time of a directory, omitted", dir, func(m *Meta, e *wire.Entry) { e.Mtime.Sec++; m.OmitDirTimes = true }, 0},
		{"time of a directory, links omitted", dir, func(m *Meta, e *wire.Entry) { e.Mtime.Sec++; m.OmitLinkTimes = true }, ChangeTime},
		{"default ACL", dir, func(_ *Meta, e *wire.Entry) { e.DefaultACL = []wire.ACE{{Tag: 1}} }, ChangeACL},
		{"device", dev, func(_ *Meta, e *wire.Entry) { e.Rdev++ }, ChangeSize},
		{"owner by number", dir, func(m *Meta, e *wire.Entry) { e.User, m.NumericIDs = "daemon", true }, 0},
		{"number 0 has no other name", dir, func(m *Meta, e *wire.Entry) { e.User = "daemon" }, 0},
	}
	for _, tt := range tests {
		want, m := tt.cur, archive()
		tt.set(m, &want)
		if got := m.Diff(&tt.cur, &want); got != tt.want {
			t.Errorf("%s: %b, want %b", tt.name, got, tt.want)
		}
	}
}

func TestSameTime(t *testing.T) {
	at := func(sec int64, nsec uint32) wire.Time { return wire.Time{Sec: sec, Nsec: nsec} }
	tests := []struct {
		window int64
		whole  bool
		a, b   wire.Time
		want   bool
	}{
		{0, false, at(1, 1), at(1, 1), true},
		{0, false, at(1, 1), at(1, 2), false},
		{0, true, at(1, 1), at(1, 2), true},
		{0, true, at(1, 999999999), at(2, 0), false},
		{1, false, at(1, 0), at(2, 0), true},
		{1, false, at(1, 0), at(2, 999999999), true},
		{1, false, at(1, 999999999), at(3, 0), false},
		{1, true, at(-1, 999999999), at(0, 999999999), true},
		{1, false, at(math.MinInt64, 0), at(math.MaxInt64, 0), false},
		{math.MaxInt64, false, at(math.MinInt64, 0), at(math.MaxInt64, 0), false},
		{math.MaxInt64, false, at(0, 0), at(math.MaxInt64, 0), true},
	}
	for _, tt := range tests {
		m := Meta{ModifyWindow: tt.window, WholeSeconds: tt.whole}
		if m.SameTime(tt.a, tt.b) != tt.want || m.SameTime(tt.b, tt.a) != tt.want {
			t.Errorf("%v and %v within %v are not %v", tt.a, tt.b, tt.window, tt.want)
		}
	}
}

func TestMakes(t *testing.T) {
	for _, typ := range []uint32{unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK, unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFCHR, unix.S_IFBLK} {
		e := wire.Entry{Mode: typ}
		for _, m := range []*Meta{{}, {Devices: true}, {Specials: true}} {
			want := !e.IsDevice() && !e.IsSpecial() || e.IsDevice() && m.Devices || e.IsSpecial() && m.Specials
			if got := m.Makes(&e); got != want {
				t.Errorf("%o: %v with Devices %v and Specials %v", typ, got, m.Devices, m.Specials)
			}
		}
	}
}

func TestWant(t *testing.T) {
	tests := []struct {
		m    *Meta
		want Want
	}{
		{&Meta{}, Want{}},
		{&Meta{Perms: true, Times: true}, Want{}},
		{&Meta{Owner: true}, Want{Names: true}},
		{&Meta{Group: true}, Want{Names: true}},
		{&Meta{Owner: true, Group: true, NumericIDs: true}, Want{}},
		{&Meta{Xattrs: true}, Want{Xattrs: true}},
		{&Meta{ACLs: true}, Want{ACLs: true, Names: true}},
	}
	for _, tt := range tests {
		if got := tt.m.Want(); got != tt.want {
			t.Errorf("%+v, want %+v", got, tt.want)
		}
	}
}

func TestUmaskIsReadWithoutSettingIt(t *testing.T) {
	defer unix.Umask(unix.Umask(0o027))
	if got := umask(); got != 0o027 {
		t.Errorf("umask %o", got)
	}
}
