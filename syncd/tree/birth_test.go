package tree

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
)

// TestApplyToNewFiles makes files one after the other: each gets what it is to have,
// whether or not it was looked at.
func TestApplyToNewFiles(t *testing.T) {
	d, path := testDir(t)
	must(t, os.Chown(path, 0, 1234))
	must(t, os.Chmod(path, 0o700|os.ModeSetgid)) // files get its group
	for _, c := range []struct {
		name     string
		made     uint32 // the mode that Create is asked for
		mode     uint32
		uid, gid uint32
		mtime    wire.Time
	}{
		{"first", 0o644, 0o644, 0, 0, wire.Time{Sec: 1}},
		{"like the first", 0o644, 0o644, 0, 0, wire.Time{Sec: 2}},
		{"of 1970", 0o644, 0o644, 0, 0, wire.Time{}},
		{"of another owner", 0o644, 0o644, 77, 1234, wire.Time{Sec: 3}},
		{"of another mode", 0o600, 0o4711, 0, 0, wire.Time{Sec: 4}},
		{"like the first again", 0o644, 0o644, 0, 0, wire.Time{Sec: 5}},
		{"of more than it was made with", 0o644, 0o777, 0, 0, wire.Time{Sec: 6}},
	} {
		f, err := d.Create(c.name, c.made)
		must(t, err)
		want := wire.Entry{Mode: unix.S_IFREG | c.mode, UID: c.uid, GID: c.gid, Mtime: c.mtime}
		for range 2 { // the second time it is looked at
			must(t, archive().Apply(f, &want, nil))
			got := entry(t, d, c.name, Want{})
			if got.Mode != want.Mode || got.UID != want.UID || got.GID != want.GID || got.Mtime != want.Mtime {
				t.Errorf("%s: %+v", c.name, got)
			}
		}
		must(t, f.Close())
		if info, err := os.Stat(filepath.Join(path, c.name)); err != nil || info.ModTime().Unix() != c.mtime.Sec {
			t.Errorf("%s: %v, %v", c.name, info, err)
		}
	}
}
