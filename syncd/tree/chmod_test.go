package tree

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
)

// TestChmodLikeStock has stock rsync apply the same changes to a file and a
// directory.
func TestChmodLikeStock(t *testing.T) {
	for _, text := range []string{"D2775,F664", "ug+rwX", "a-w", "go=", "Du=rwx,Dg=rx,Do=", "Fa-x,F+r", "u+s,g+s,+t", "F0600,Dug+s", "a=rX",
		"Fo+X", "g=s", "u-s", "o+t", "=rw", "-x", "F755,Fg-x", "Dgo-w,Fgo+X", "a+X,a-x", "+X"} {
		for _, modes := range [][2]uint32{{0o644, 0o755}, {0o4711, 0o2700}, {0o600, 0o1777}} {
			dir := t.TempDir()
			src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
			for _, err := range []error{os.MkdirAll(filepath.Join(src, "d"), 0o755), os.WriteFile(filepath.Join(src, "f"), nil, 0o600),
				unix.Chmod(filepath.Join(src, "f"), modes[0]), unix.Chmod(filepath.Join(src, "d"), modes[1])} {
				if err != nil {
					t.Fatal(err)
				}
			}
			if out, err := exec.Command("rsync", "-a", "--chmod="+text, src+"/", dst).CombinedOutput(); err != nil {
				t.Fatalf("%q: %v: %s", text, err, out)
			}
			c, err := ParseChmod(text)
			if err != nil {
				t.Fatal(err)
			}
			for i, name := range []string{"f", "d"} {
				var st unix.Stat_t
				if err := unix.Stat(filepath.Join(dst, name), &st); err != nil {
					t.Fatal(err)
				}
				e := &wire.Entry{Mode: modes[i] | []uint32{unix.S_IFREG, unix.S_IFDIR}[i]}
				if got := c.Apply(e, e.Mode); got != st.Mode {
					t.Errorf("%q on %s %#o: got %#o, stock %#o", text, name, modes[i], got, st.Mode)
				}
			}
		}
	}
	link := &wire.Entry{Mode: unix.S_IFLNK | 0o777}
	if c, _ := ParseChmod("a-w"); c.Apply(link, link.Mode) != link.Mode {
		t.Error("the mode of a symlink changes")
	}
}

func TestBadChmod(t *testing.T) {
	for _, text := range []string{"x", "u", "8", "77777", "q+r", "u+q", "D", "u+r,z", "u+r,", ","} {
		if c, err := ParseChmod(text); err == nil {
			t.Errorf("%q is taken: %v", text, c)
		}
	}
}

// FuzzChmod parses anything; what it allows is permission bits only.
func FuzzChmod(f *testing.F) {
	for _, text := range []string{"D2775,F664", "ug+rwX,o=", "a-w"} {
		f.Add(text, uint32(0o644))
	}
	f.Fuzz(func(t *testing.T, text string, mode uint32) {
		c, err := ParseChmod(text)
		if err != nil {
			return
		}
		if got := c.Apply(&wire.Entry{Mode: mode}, mode); got&^0o7777 != mode&^0o7777 {
			t.Errorf("%q makes %#o of %#o", text, got, mode)
		}
	})
}
