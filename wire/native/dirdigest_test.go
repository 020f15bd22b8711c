package native

import (
	"testing"

	"github.com/zeebo/xxh3"
	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
)

// hash128 is XXH3-128 as a hash.Hash.
type hash128 struct{ *xxh3.Hasher }

func (h hash128) Sum(b []byte) []byte { s := h.Sum128().Bytes(); return append(b, s[:]...) }

// TestDirDigest has each thing that a sink can make equal count, and nothing
// else.
func TestDirDigest(t *testing.T) {
	base := func(kind uint32) wire.Entry {
		e := wire.Entry{Name: "a", Mode: kind | 0o644, Nlink: 1, Mtime: wire.Time{Sec: 1, Nsec: 2}, Ctime: wire.Time{Sec: 3}, Dev: 4, Ino: 5,
			UID: 6, GID: 7, User: "u", Group: "g", Xattrs: []wire.Xattr{{Name: "user.a", Value: []byte("b")}},
			ACL: []wire.ACE{{Tag: wire.ACLUser, Perm: 4, ID: 8, Name: "v"}}}
		switch kind {
		case unix.S_IFREG:
			e.Size = 9
		case unix.S_IFLNK:
			e.Size, e.Target = 9, "somewhere"
		case unix.S_IFCHR:
			e.Rdev = 10
		case unix.S_IFDIR:
			e.DefaultACL = e.ACL
		}
		return e
	}
	d := NewDirDigest(hash128{xxh3.New()})
	sum := func(want uint8, es ...wire.Entry) [DigestLen]byte {
		d.Reset(want)
		for i := range es {
			d.Add(&es[i])
		}
		return d.Sum()
	}
	for _, c := range []struct {
		name   string
		kind   uint32
		want   uint8
		change func(e *wire.Entry)
		counts bool
	}{
		{"name", unix.S_IFREG, 0, func(e *wire.Entry) { e.Name = "b" }, true},
		{"mode", unix.S_IFREG, 0, func(e *wire.Entry) { e.Mode ^= 1 }, true},
		{"kind", unix.S_IFSOCK, 0, func(e *wire.Entry) { e.Mode = unix.S_IFIFO | 0o644 }, true},
		{"size", unix.S_IFREG, 0, func(e *wire.Entry) { e.Size++ }, true},
		{"mtime", unix.S_IFREG, 0, func(e *wire.Entry) { e.Mtime.Sec++ }, true},
		{"mtime's ns", unix.S_IFREG, 0, func(e *wire.Entry) { e.Mtime.Nsec++ }, true},
		{"user's name", unix.S_IFREG, 0, func(e *wire.Entry) { e.User = "w" }, true},
		{"group's name", unix.S_IFREG, 0, func(e *wire.Entry) { e.Group = "w" }, true},
		{"a name that one side lacks", unix.S_IFREG, 0, func(e *wire.Entry) { e.User = "" }, true},
		{"target", unix.S_IFLNK, 0, func(e *wire.Entry) { e.Target = "elsewhere" }, true},
		{"device number", unix.S_IFCHR, 0, func(e *wire.Entry) { e.Rdev++ }, true},
		{"xattr's name", unix.S_IFREG, 0, func(e *wire.Entry) { e.Xattrs[0].Name = "user.b" }, true},
		{"xattr's value", unix.S_IFREG, 0, func(e *wire.Entry) { e.Xattrs[0].Value = nil }, true},
		{"no xattr", unix.S_IFREG, 0, func(e *wire.Entry) { e.Xattrs = nil }, true},
		{"ACL", unix.S_IFREG, 0, func(e *wire.Entry) { e.ACL[0].Perm = 6 }, true},
		{"default ACL", unix.S_IFDIR, 0, func(e *wire.Entry) { e.DefaultACL = nil }, true},
		{"links", unix.S_IFREG, WantLinks, func(e *wire.Entry) { e.Nlink++ }, true},

		{"links that are not kept", unix.S_IFREG, 0, func(e *wire.Entry) { e.Nlink++ }, false},
		{"directories in a directory", unix.S_IFDIR, WantLinks, func(e *wire.Entry) { e.Nlink++ }, false},
		{"user's number", unix.S_IFREG, 0, func(e *wire.Entry) { e.UID++ }, false},
		{"group's number", unix.S_IFREG, 0, func(e *wire.Entry) { e.GID++ }, false},
		{"ctime", unix.S_IFREG, 0, func(e *wire.Entry) { e.Ctime.Sec++ }, false},
		{"inode", unix.S_IFREG, 0, func(e *wire.Entry) { e.Ino++ }, false},
		{"device", unix.S_IFREG, 0, func(e *wire.Entry) { e.Dev++ }, false},
	} {
		e := base(c.kind)
		before := sum(c.want, e)
		c.change(&e)
		if after := sum(c.want, e); (after != before) != c.counts {
			t.Errorf("%s: counts %t, want %t", c.name, after != before, c.counts)
		}
	}
	numbers := base(unix.S_IFREG)
	numbers.User = ""
	before := sum(0, numbers)
	numbers.UID++
	if sum(0, numbers) == before {
		t.Error("the number of a user without a name does not count")
	}
	a, b := base(unix.S_IFREG), base(unix.S_IFREG)
	b.Name = "b"
	if sum(0, a, b) == sum(0, b, a) || sum(0, a) == sum(0, a, b) || sum(0) == sum(0, a) {
		t.Error("which entries there are does not count")
	}
}

// TestDirDigestForgetsLargeBuffers has a directory with large attributes cost
// memory only while it is looked at.
func TestDirDigestForgetsLargeBuffers(t *testing.T) {
	d := NewDirDigest(hash128{xxh3.New()})
	d.Reset(0)
	d.Add(&wire.Entry{Name: "a", Mode: unix.S_IFREG, Nlink: 1, Xattrs: []wire.Xattr{{Name: "user.a", Value: make([]byte, 2*maxKeptBuf)}}})
	if d.Len() < 2*maxKeptBuf {
		t.Fatalf("%d bytes were added", d.Len())
	}
	if d.Reset(0); cap(d.buf) > maxKeptBuf || d.Len() != 0 {
		t.Errorf("%d bytes are kept, %d of them in use", cap(d.buf), d.Len())
	}
}
