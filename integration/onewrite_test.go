package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDeltaWhileOneWriteGoesOn has a basis overwritten by one write, which gives the
// file another version only when it begins. It is slow, for its bytes are read from
// the disk page by page.
func TestDeltaWhileOneWriteGoesOn(t *testing.T) {
	t.Run("on XFS", func(t *testing.T) { deltaWhileOneWriteGoesOn(t, t.TempDir()) })
	t.Run("on ext4", func(t *testing.T) { deltaWhileOneWriteGoesOn(t, mountExt4(t)) })
}

func deltaWhileOneWriteGoesOn(t *testing.T, dst string) {
	const size = 64 << 20
	src := t.TempDir()
	randomFile(t, filepath.Join(src, "f"), size, 5)
	old, err := os.ReadFile(filepath.Join(src, "f"))
	check(t, err)
	d := serve(t, daemonConfig{modules: []module{{name: "src", path: src}, {name: "dst", path: dst, writable: true}}})
	slow, err := os.CreateTemp(filepath.Dir(program), "slow")
	check(t, err)
	defer slow.Close()
	_, err = slow.Write(bytes.Repeat([]byte("other678"), size/8))
	check(t, err)
	check(t, slow.Sync())
	file := filepath.Join(dst, "f")
	for _, way := range [][]string{{src + "/", d.url("dst/")}, {d.url("src/"), dst + "/"}} {
		check(t, os.RemoveAll(file))
		check(t, os.WriteFile(file, append(old[:size-1:size-1], 1), 0o644))
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		check(t, err)
		check(t, f.Sync())
		check(t, unix.Fadvise(int(slow.Fd()), 0, 0, unix.FADV_DONTNEED))
		other, err := unix.Mmap(int(slow.Fd()), 0, size, unix.PROT_READ, unix.MAP_SHARED)
		check(t, err)
		check(t, unix.Madvise(other, unix.MADV_RANDOM))
		done := make(chan error)
		go func() {
			_, err := f.WriteAt(other, 0)
			done <- err
		}()
		time.Sleep(time.Millisecond)
		r := run(t, syncArgs(way[0], way[1])...)
		check(t, <-done)
		check(t, unix.Munmap(other))
		f.Close()
		wantExit(t, r, 0, 23)
		if r.code == 0 {
			wantEqual(t, filepath.Join(src, "f"), file)
		}
	}
}

// TestDeltaWhileTheBasisIsOpenedAnew has somebody open the basis for each write, also
// through a mapping, so that there are moments at which nobody has it open.
func TestDeltaWhileTheBasisIsOpenedAnew(t *testing.T) {
	t.Run("on XFS", func(t *testing.T) { deltaWhileTheBasisIsOpenedAnew(t, t.TempDir()) })
	t.Run("on ext4", func(t *testing.T) { deltaWhileTheBasisIsOpenedAnew(t, mountExt4(t)) })
}

func deltaWhileTheBasisIsOpenedAnew(t *testing.T, dst string) {
	src := t.TempDir()
	randomFile(t, filepath.Join(src, "f"), 64<<20, 5)
	d := serve(t, daemonConfig{modules: []module{{name: "src", path: src}, {name: "dst", path: dst, writable: true}}})
	file := filepath.Join(dst, "f")
	for i := range 4 {
		editFile(t, filepath.Join(src, "f"), file, 5)
		old := inode(t, file)
		stop, done := make(chan struct{}), make(chan error)
		go func() {
			for n := int64(0); ; n++ {
				select {
				case <-stop:
					done <- nil
					return
				case <-time.After(time.Duration(5+15*i) * time.Millisecond):
				}
				if err := writeAnew(file, old, n*977_777%(60<<20), n%2 == 0); err != nil {
					done <- err
					return
				}
			}
		}()
		from, to := d.url("src/"), dst+"/"
		if i%2 == 1 {
			from, to = src+"/", d.url("dst/")
		}
		r := run(t, syncArgs(from, to)...)
		close(stop)
		check(t, <-done)
		wantExit(t, r, 0, 23)
		if r.code == 0 {
			wantEqual(t, filepath.Join(src, "f"), file)
		}
	}
}

// writeAnew opens a file, changes a byte of it if it still is that inode, and closes it.
func writeAnew(name string, ino uint64, at int64, mapped bool) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Ino != ino {
		return err
	}
	if !mapped {
		_, err = f.WriteAt([]byte("changed"), at)
		return err
	}
	m, err := unix.Mmap(int(f.Fd()), at&^4095, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	m[at&4095]++
	return unix.Munmap(m)
}
