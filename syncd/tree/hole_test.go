package tree

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const page = 4096

// sparse makes a file of 8 blocks of which the given ones have data.
func sparse(t *testing.T, path string, blocks ...int64) *File {
	t.Helper()
	f, err := openTestDir(t, filepath.Dir(path)).Create(filepath.Base(path), 0o600)
	must(t, err)
	t.Cleanup(func() { f.Close() })
	must(t, f.Truncate(8*page))
	for _, b := range blocks {
		_, err := f.WriteAt(bytes.Repeat([]byte{1}, page), b*page)
		must(t, err)
	}
	return f
}

func TestExtents(t *testing.T) {
	data := func(off, n int64) Extent { return Extent{Off: off, Len: n} }
	hole := func(off, n int64) Extent { return Extent{Off: off, Len: n, Hole: true} }
	tests := []struct {
		name   string
		blocks []int64
		off, n int64
		want   []Extent
	}{
		{"nothing asked", []int64{0}, 0, 0, nil},
		{"all hole", nil, 0, 8 * page, []Extent{hole(0, 8*page)}},
		{"all data", []int64{0, 1, 2, 3, 4, 5, 6, 7}, 0, 8 * page, []Extent{data(0, 8*page)}},
		{"data first and last", []int64{0, 7}, 0, 8 * page,
			[]Extent{data(0, page), hole(page, 6*page), data(7*page, page)}},
		{"hole first and last", []int64{3}, 0, 8 * page,
			[]Extent{hole(0, 3*page), data(3*page, page), hole(4*page, 4*page)}},
		{"within the data", []int64{3}, 3*page + 1, page - 2, []Extent{data(3*page+1, page-2)}},
		{"one byte on each side", []int64{3}, 3*page - 1, page + 2,
			[]Extent{hole(3*page-1, 1), data(3*page, page), hole(4*page, 1)}},
		{"up to the data", []int64{3}, 0, 3 * page, []Extent{hole(0, 3*page)}},
		{"one byte further", []int64{3}, 0, 3*page + 1, []Extent{hole(0, 3*page), data(3*page, 1)}},
		{"the last byte", nil, 8*page - 1, 1, []Extent{hole(8*page-1, 1)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := sparse(t, filepath.Join(t.TempDir(), "f"), tt.blocks...)
			var got []Extent
			for x, err := range Extents(f, tt.off, tt.n) {
				must(t, err)
				got = append(got, x)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			for range Extents(f, tt.off, tt.n) {
				break // the loop may end early
			}
		})
	}
}

func TestExtentsBeyondTheEnd(t *testing.T) {
	f := sparse(t, filepath.Join(t.TempDir(), "f"), 7)
	tests := []struct {
		off, n int64
		want   error
	}{
		{0, 8*page + 1, io.ErrUnexpectedEOF}, {8 * page, 1, io.ErrUnexpectedEOF},
		{9 * page, 1, io.ErrUnexpectedEOF}, {8 * page, 0, nil},
		{-1, 1, unix.EINVAL}, {0, -1, unix.EINVAL}, {1, 1<<63 - 1, unix.EINVAL},
	}
	for _, tt := range tests {
		var got error
		for _, err := range Extents(f, tt.off, tt.n) {
			got = errors.Join(got, err)
		}
		if !errors.Is(got, tt.want) {
			t.Errorf("%d bytes from %d: %v, want %v", tt.n, tt.off, got, tt.want)
		}
	}
}

func TestExtentsWhereHolesAreNotKnown(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mnt")
	mount(t, "ramfs", dir)
	f := sparse(t, filepath.Join(dir, "f"), 3)
	defer f.Close()
	for x, err := range Extents(f, 1, 8*page-1) {
		if err != nil || x != (Extent{Off: 1, Len: 8*page - 1}) {
			t.Errorf("%+v, %v", x, err)
		}
	}
}

func TestPunch(t *testing.T) {
	for _, fstype := range []string{"", "ramfs"} { // the latter has no fallocate
		dir := t.TempDir()
		if fstype != "" {
			dir = filepath.Join(dir, "mnt")
			mount(t, fstype, dir)
		}
		tests := []struct{ off, n int64 }{
			{0, 0}, {0, 1}, {0, page}, {1, page - 1}, {page - 1, page + 2}, {3 * page, 3 * page}, {0, 8 * page},
			{7 * page, 2 * page}, {8 * page, 1}, {8*page - 1, 2}, {0, 100 << 20}, {9 * page, page},
		}
		for _, tt := range tests {
			path := filepath.Join(dir, "f")
			f := sparse(t, path, 0, 1, 2, 3, 4, 5, 6, 7)
			must(t, Punch(f, tt.off, tt.n))
			want := bytes.Repeat([]byte{1}, 8*page)
			for i := min(tt.off, 8*page); i < min(tt.off+tt.n, 8*page); i++ {
				want[i] = 0
			}
			got, err := os.ReadFile(path)
			must(t, err)
			if !bytes.Equal(got, want) {
				t.Errorf("%q: %d bytes from %d: content or size %d is wrong", fstype, tt.n, tt.off, len(got))
			}
			must(t, f.Close())
			must(t, os.Remove(path))
		}
	}
}

func TestPunchFailures(t *testing.T) {
	d, path := testDir(t)
	write(t, filepath.Join(path, "file"), "x")
	f, _, err := d.Open("file")
	must(t, err)
	defer f.Close()
	wantErr(t, Punch(f, 0, 1), unix.EBADF, "file") // open for reading
	wantErr(t, Punch(f, -1, 1), unix.EINVAL, "file")
}
