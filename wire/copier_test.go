package wire

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// refuse replaces the copying system calls by ones that fail with these
// errnos (0: the real one), for one test.
func refuse(t *testing.T, clone, copyRange unix.Errno) (clones, copies *int) {
	realClone, realCopy, really := cloneRange, copyFileRange, justSplices
	t.Cleanup(func() { cloneRange, copyFileRange, justSplices = realClone, realCopy, really })
	clones, copies = new(int), new(int)
	cloneRange = func(dst int, arg *unix.FileCloneRange) error {
		*clones++
		if clone != 0 {
			return clone
		}
		return realClone(dst, arg)
	}
	justSplices = func(int64) bool { return false }
	copyFileRange = func(r int, roff *int64, w int, woff *int64, n, flags int) (int, error) {
		*copies++
		if copyRange != 0 {
			return 0, copyRange
		}
		return realCopy(r, roff, w, woff, n, flags)
	}
	return clones, copies
}

func TestCopyRangeBySize(t *testing.T) {
	content := randomBytes(3, 4<<20)
	cases := []struct {
		name      string
		clone, cp unix.Errno
		path      func(*Stats) int64
	}{
		{"as it comes", 0, 0, func(s *Stats) int64 { return s.CopyFileRange.Load() + s.Reflink.Load() }},
		{"copy_file_range", unix.EOPNOTSUPP, 0, func(s *Stats) int64 { return s.CopyFileRange.Load() }},
		{"splice", unix.EINVAL, unix.EXDEV, func(s *Stats) int64 { return s.Splice.Load() }},
		{"splice after EIO", unix.EIO, unix.EIO, func(s *Stats) int64 { return s.Splice.Load() }},
		{"splice after EPERM", unix.EPERM, unix.EPERM, func(s *Stats) int64 { return s.Splice.Load() }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			refuse(t, c.clone, c.cp)
			var copier Copier
			defer copier.Close()
			src, dst := fileOf(t, content), fileOf(t, nil)
			var st Stats
			var total int64
			for _, n := range bodySizes {
				for _, off := range []int64{0, 1, 4096} {
					if err := copier.CopyRange(dst, off+4096, src, off, int64(n), &st); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(contentOf(t, dst, off+4096, n), content[off:off+int64(n)]) {
						t.Fatalf("%d bytes from %d differ", n, off)
					}
					total += int64(n)
				}
			}
			if got := c.path(&st); got != total {
				t.Errorf("%d of %d bytes went that way", got, total)
			}
		})
	}
}

// TestCopierSplicesByItself is for file systems whose copy_file_range is slower.
func TestCopierSplicesByItself(t *testing.T) {
	_, copies := refuse(t, unix.EOPNOTSUPP, 0)
	justSplices = func(int64) bool { return true }
	var copier Copier
	defer copier.Close()
	var st Stats
	if err := copier.CopyRange(fileOf(t, nil), 0, fileOf(t, randomBytes(1, 8192)), 0, 8192, &st); err != nil {
		t.Fatal(err)
	}
	if *copies != 0 || st.Splice.Load() != 8192 {
		t.Errorf("%d copies were tried, %d bytes went by splice", *copies, st.Splice.Load())
	}
}

func TestCopierLearnsPerPairOfFileSystems(t *testing.T) {
	clones, copies := refuse(t, unix.EOPNOTSUPP, unix.EXDEV)
	var copier Copier
	defer copier.Close()
	src, dst := fileOf(t, randomBytes(1, 8192)), fileOf(t, nil)
	for range 3 {
		if err := copier.CopyRange(dst, 0, src, 0, 8192, new(Stats)); err != nil {
			t.Fatal(err)
		}
	}
	if *clones != 1 || *copies != 1 {
		t.Errorf("%d clones and %d copies were tried", *clones, *copies)
	}
	other := must[*os.File](t)(os.Create(filepath.Join(smallTmpfs(t, "1m"), "f")))
	defer other.Close()
	if err := copier.CopyRange(other, 0, src, 0, 8192, new(Stats)); err != nil {
		t.Fatal(err)
	}
	if *copies != 2 {
		t.Errorf("another pair: %d copies were tried", *copies)
	}
}

func TestCopyRangeFailures(t *testing.T) {
	full := must[*os.File](t)(os.OpenFile("/dev/full", os.O_WRONLY, 0))
	defer full.Close()
	tmpfs := must[*os.File](t)(os.Create(filepath.Join(smallTmpfs(t, "64k"), "f")))
	defer tmpfs.Close()
	src := fileOf(t, randomBytes(1, 100000))
	name := fileOf(t, nil).Name()
	appending := must[*os.File](t)(os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0))
	defer appending.Close()
	cases := []struct {
		name           string
		dst            *os.File
		dstOff, srcOff int64
		n              int64
		want           error
	}{
		{"full device", full, 0, 0, 100000, unix.ENOSPC},
		{"full file system", tmpfs, 0, 0, 100000, unix.ENOSPC},
		{"short source", fileOf(t, nil), 0, 99999, 2, io.ErrUnexpectedEOF},
		{"nothing at all", fileOf(t, nil), 0, 200000, 1, io.ErrUnexpectedEOF},
		{"appending destination", appending, 0, 0, 10, nil},
		{"overlap", src, 10, 0, 11, unix.EINVAL},
		{"negative length", fileOf(t, nil), 0, 0, -1, unix.EINVAL},
		{"negative offset", fileOf(t, nil), 0, -1, 1, unix.EINVAL},
	}
	before := openFDs(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var copier Copier
			defer copier.Close()
			err := copier.CopyRange(c.dst, c.dstOff, src, c.srcOff, c.n, new(Stats))
			_, ok := errors.AsType[*FileError](err)
			if !ok || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("error is %v, want %v", err, c.want)
			}
		})
	}
	if after := openFDs(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestCopyWithinOneFile(t *testing.T) {
	var copier Copier
	defer copier.Close()
	content := randomBytes(1, 10000)
	f := fileOf(t, content)
	if err := copier.CopyRange(f, 5000, f, 0, 5000, new(Stats)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(contentOf(t, f, 5000, 5000), content[:5000]) {
		t.Error("content differs")
	}
}

func TestGeneratedFileIsCopied(t *testing.T) {
	src := must[*os.File](t)(os.Open("/proc/version"))
	defer src.Close()
	want := must[[]byte](t)(os.ReadFile("/proc/version"))
	var copier Copier
	defer copier.Close()
	dst := fileOf(t, nil)
	if err := copier.CopyRange(dst, 0, src, 0, int64(len(want)), new(Stats)); err != nil {
		t.Fatal(err)
	}
	if got := contentOf(t, dst, 0, len(want)); !bytes.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// reflinkFS makes and mounts an XFS with reflinks and returns its path.
func reflinkFS(t *testing.T) string {
	t.Helper()
	image := fileOf(t, nil)
	if err := image.Truncate(400 << 20); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, cmd := range [][]string{
		{"mkfs.xfs", "-q", "-m", "reflink=1", image.Name()},
		{"mount", "-o", "loop", image.Name(), dir},
	} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestReflinkSharesTheAlignedMiddle(t *testing.T) {
	dir := reflinkFS(t)
	content := randomBytes(1, 3<<20)
	src := must[*os.File](t)(os.Create(filepath.Join(dir, "src")))
	defer src.Close()
	must[int](t)(src.Write(content))
	cases := []struct {
		name              string
		dstOff, srcOff, n int64
		reflink           int64
	}{
		{"aligned", 8192, 4096, 1 << 20, 1 << 20},
		{"odd edges", 4097, 1, 1 << 20, 1<<20 - 4096},
		{"less than a block inside", 4097, 1, 8190, 0},
		{"exactly a block inside", 4097, 1, 8191, 4096},
		{"not congruent", 0, 1, 1 << 20, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dst := must[*os.File](t)(os.Create(filepath.Join(dir, "dst")))
			defer dst.Close()
			var copier Copier
			defer copier.Close()
			var st Stats
			if err := copier.CopyRange(dst, c.dstOff, src, c.srcOff, c.n, &st); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(contentOf(t, dst, c.dstOff, int(c.n)), content[c.srcOff:c.srcOff+c.n]) {
				t.Error("content differs")
			}
			if st.Reflink.Load() != c.reflink || st.Reflink.Load()+st.Splice.Load() != c.n {
				t.Errorf("reflink %d, splice %d; want %d of %d shared",
					st.Reflink.Load(), st.Splice.Load(), c.reflink, c.n)
			}

			if copier.Shares(dst, src) == 0 {
				t.Error("Shares says that the file system does not")
			}
			var only Stats
			must[int](t)(dst.WriteAt(make([]byte, c.n), c.dstOff))
			shared, err := copier.Share(dst, c.dstOff, src, c.srcOff, c.n, &only)
			if err != nil || shared != (c.reflink > 0) || only.Reflink.Load() != c.reflink {
				t.Errorf("Share: %v, %v, %d bytes shared", shared, err, only.Reflink.Load())
			}
			if got := contentOf(t, dst, c.dstOff, int(c.n)); shared && !bytes.Equal(got, content[c.srcOff:c.srcOff+c.n]) ||
				!shared && !bytes.Equal(got, make([]byte, c.n)) {
				t.Error("Share: content differs")
			}
		})
	}
}
