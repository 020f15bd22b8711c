package syncd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// TestScanHoldsLittle has a sink look at directories that fit into a page and at
// ones that never do.
func TestScanHoldsLittle(t *testing.T) {
	for _, c := range []struct {
		name        string
		dirs, bytes int // how many, and how long their names are
		asked       bool
	}{
		{"some directories", 100, 255, true},
		{"many of short names", native.MaxSameNames, 10, true},
		{"many of long names", native.MaxSameNames, 255, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := t.TempDir()
			for i := range c.dirs {
				name := fmt.Sprintf("%04d", i)
				if err := os.Mkdir(filepath.Join(path, name+strings.Repeat("x", c.bytes-len(name))), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			root, err := tree.OpenRoot(path, false)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			n := &node{}
			if n.dir, err = root.Dir(""); err != nil {
				t.Fatal(err)
			}
			defer n.dir.Close()
			if n.names, err = n.dir.Names(); err != nil {
				t.Fatal(err)
			}
			k := &sink{opt: &Options{}, meta: &tree.Meta{Perms: true, Times: true}}
			d := native.NewDirDigest(delta.XXH3128.New())
			own := k.scan(n, d)
			if asked := own != nil; asked != c.asked {
				t.Errorf("its digest is sent: %t, want %t", asked, c.asked)
			}
			if n := d.Len(); n > 2*maxScanned {
				t.Errorf("%d bytes are held", n)
			}
		})
	}
}

// TestSettledEntries are entries that equal ones of the source would leave alone.
func TestSettledEntries(t *testing.T) {
	symlink := wire.Entry{Name: "a", Mode: unix.S_IFLNK | 0o777, Nlink: 1, Target: "b"}
	file := wire.Entry{Name: "a", Mode: unix.S_IFREG | 0o644, Nlink: 1}
	linked := file
	linked.Nlink = 2
	for _, c := range []struct {
		name         string
		e            wire.Entry
		links, munge bool
		want         bool
	}{
		{"a symlink", symlink, false, false, true},
		{"a symlink whose target is changed on arrival", symlink, false, true, false},
		{"a file among symlinks that are", file, false, true, true},
		{"a file with other names", linked, false, false, true},
		{"a file with other names that have to be kept", linked, true, false, false},
	} {
		k := &sink{opt: &Options{HardLinks: c.links}, munge: c.munge, meta: &tree.Meta{Perms: true, Times: true}}
		if got := k.settledEntry(&node{}, &c.e); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}
