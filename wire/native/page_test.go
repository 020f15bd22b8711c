package native

import (
	"errors"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
)

// entries is one of each kind, in order, with every field in use.
func entries() []wire.Entry {
	t1 := wire.Time{Sec: 1_700_000_000, Nsec: 999_999_999}
	t2 := wire.Time{Sec: -5_000_000_000, Nsec: 1}
	return []wire.Entry{
		{Name: ".", Mode: unix.S_IFDIR | 0o755, Nlink: 3, Mtime: t1, Ctime: t1, Dev: 7, Ino: 2},
		{Name: "-dash", Mode: unix.S_IFREG | 0o4755, Nlink: 1, Size: 1 << 50, Mtime: t2, Ctime: t1, Dev: 7, Ino: 1 << 60, UID: 1000, GID: 100, User: "ann", Group: "users"},
		{Name: "\xff\n", Mode: unix.S_IFLNK | 0o777, Nlink: 2, Size: 3, Mtime: t1, Ctime: t1, Dev: 8, Ino: 1, UID: 1000, GID: 100, User: "ann", Group: "users", Target: "../\xfe"},
	}
}

func rich() wire.Entry {
	return wire.Entry{
		Name: "rich", Mode: unix.S_IFDIR | 0o2770, Nlink: 1, Mtime: wire.Time{Sec: 1}, Ctime: wire.Time{Sec: 2}, Ino: 9,
		Xattrs:     []wire.Xattr{{Name: "user.a", Value: []byte("x\x00y")}, {Name: "user.b", Value: []byte{}}},
		ACL:        []wire.ACE{{Tag: wire.ACLUserObj, Perm: 7}, {Tag: wire.ACLUser, Perm: 5, ID: 65534, Name: "nobody"}},
		DefaultACL: []wire.ACE{{Tag: wire.ACLOther, Perm: 0}},
	}
}

// readAll decodes a page to its end.
func readAll(p *Page) (es []wire.Entry, err error) {
	for {
		var e wire.Entry
		ok, err := p.Next(&e)
		var bad *EntryError
		if err != nil && !errors.As(err, &bad) {
			return es, err
		}
		if !ok {
			return es, nil
		}
		es = append(es, e)
	}
}

func TestPageCarriesEveryField(t *testing.T) {
	want := entries()[:2]
	r := rich()
	want = append(want, wire.Entry{Name: "dev", Mode: unix.S_IFBLK | 0o600, Nlink: 1, Rdev: unix.Mkdev(259, 1<<19), Ino: 5}, r)
	link := entries()[2]
	want = append(want, link)
	var w PageWriter
	w.Reset()
	for i := range want {
		if err := w.Add(&want[i]); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readAll(NewPage(w.Bytes(), true, ""))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("entries differ (-want +got):\n%s", d)
	}
}

func TestPageReportsWhatCouldNotBeRead(t *testing.T) {
	var w PageWriter
	w.Reset()
	w.AddError("secret", syscall.EACCES, "permission denied")
	p := NewPage(w.Bytes(), false, "")
	var e wire.Entry
	ok, err := p.Next(&e)
	var bad *EntryError
	if !ok || !errors.As(err, &bad) || bad.Name != "secret" || !errors.Is(err, syscall.EACCES) {
		t.Fatalf("Next = %v, %v", ok, err)
	}
	if ok, err := p.Next(&e); ok || err != nil {
		t.Fatalf("after the error: %v, %v", ok, err)
	}
}

func TestPageRefuses(t *testing.T) {
	page := func(es ...wire.Entry) []byte {
		var w PageWriter
		w.Reset()
		for i := range es {
			if err := w.Add(&es[i]); err != nil {
				t.Fatal(err)
			}
		}
		return w.Bytes()
	}
	file := func(name string) wire.Entry { return wire.Entry{Name: name, Mode: unix.S_IFREG, Nlink: 1} }
	tests := []struct {
		name  string
		data  []byte
		after string
	}{
		{"dot dot", page(file("..")), ""},
		{"a slash", page(file("a/b")), ""},
		{"a NUL", page(file("a\x00")), ""},
		{"an empty name", page(file("")), ""},
		{"the root's name below the root", page(file(".")), ""},
		{"names out of order", page(file("b"), file("a")), ""},
		{"a name twice", page(file("a"), file("a")), ""},
		{"a name before the page", page(file("a")), "a"},
		{"a type that does not exist", page(wire.Entry{Name: "a", Mode: 0o030000}), ""},
		{"a symlink without a target", page(wire.Entry{Name: "a", Mode: unix.S_IFLNK}), ""},
		{"an unknown field", []byte{0xff, 0xff, 0x7f, 1, 'a'}, ""},
		{"an entry cut short", page(file("abc"))[:4], ""},
		{"a varint without an end", []byte{0x80, 0x80}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if es, err := readAll(NewPage(tt.data, false, tt.after)); !errors.Is(err, ErrProtocol) {
				t.Errorf("got %v, %v", es, err)
			}
		})
	}
}

func FuzzPage(f *testing.F) {
	var w PageWriter
	w.Reset()
	es := append(entries(), rich())
	for i := range es[:2] {
		_ = w.Add(&es[i])
	}
	w.AddError("broken", syscall.EIO, "input/output error")
	f.Add(append([]byte(nil), w.Bytes()...), true)
	w.Reset()
	_ = w.Add(&es[3])
	_ = w.Add(&es[2])
	f.Add(append([]byte(nil), w.Bytes()...), false)
	f.Fuzz(func(t *testing.T, data []byte, root bool) {
		got, err := readAll(NewPage(data, root, ""))
		if err != nil {
			return
		}
		// What was decoded must encode to the same again.
		var w PageWriter
		w.Reset()
		for i := range got {
			if got[i].Mode == 0 {
				return // an error entry
			}
			if err := w.Add(&got[i]); err != nil {
				return
			}
		}
		again, err := readAll(NewPage(w.Bytes(), root, ""))
		if err != nil {
			t.Fatalf("a page that was decoded does not decode again: %v", err)
		}
		if d := cmp.Diff(got, again); d != "" {
			t.Fatalf("entries changed on the way:\n%s", d)
		}
	})
}
