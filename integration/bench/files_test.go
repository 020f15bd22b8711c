package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func readAll(t *testing.T, r io.Reader) []byte {
	t.Helper()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEditsMakeAFileOfTheRightLength(t *testing.T) {
	for _, size := range []int64{0, 1, minEdit - 1, minEdit, maxEdit + 1, 3 * mib} {
		for _, step := range []int64{1, 4 * kib} {
			t.Run(fmt.Sprintf("size %d, step %d", size, step), func(t *testing.T) {
				base := readAll(t, io.LimitReader(randomBytes(1), size))
				edits := editList(7, size, 12, step)
				want, end := size, int64(0)
				for _, e := range edits {
					if e.off < end || e.off+e.cut > size {
						t.Fatalf("%+v overlaps or is outside", e)
					}
					if e.off%step+e.cut%step+e.insert%step != 0 {
						t.Fatalf("%+v is not in steps", e)
					}
					end = e.off + e.cut
					want += e.insert - e.cut
				}
				got := readAll(t, applyEdits(bytes.NewReader(base), edits, 7))
				if int64(len(got)) != want {
					t.Fatalf("%d bytes, want %d", len(got), want)
				}
				if !bytes.Equal(got, readAll(t, applyEdits(bytes.NewReader(base), edits, 7))) {
					t.Error("another file the second time")
				}
				if len(edits) > 0 {
					if n := edits[0].off; !bytes.Equal(got[:n], base[:n]) {
						t.Error("what is before the first edit changed")
					}
					rest := base[end:]
					if !bytes.HasSuffix(got, rest) {
						t.Error("what is after the last edit changed")
					}
				}
			})
		}
	}
}

func TestShiftedFilesDifferByOneByte(t *testing.T) {
	for _, variant := range []string{variantRandom, variantZeros, variantOne, variantTwo} {
		t.Run(variant, func(t *testing.T) {
			a, c := oneFile(3*twoBlock+1), contender{variant: variant}
			src, dst := t.TempDir(), t.TempDir()
			if err := (shifted{}).source(src, c, a); err != nil {
				t.Fatal(err)
			}
			if err := (shifted{}).basis(dst, c, a, 0); err != nil {
				t.Fatal(err)
			}
			x, y := readFile(t, filepath.Join(src, dataName)), readFile(t, filepath.Join(dst, dataName))
			if int64(len(x)) != a.bytes || int64(len(y)) != a.bytes {
				t.Fatalf("%d and %d bytes, want %d", len(x), len(y), a.bytes)
			}
			if !bytes.Equal(x[1:], y[:len(y)-1]) {
				t.Error("the basis is not the file without its first byte")
			}
		})
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCompareTreesSeesEveryDifference(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(dir string) error
		fine   bool
	}{
		{"nothing", func(string) error { return nil }, true},
		{"a byte", func(dir string) error {
			return writeData(dir, io.MultiReader(io.LimitReader(randomBytes(1), copyBuffer), bytes.NewReader([]byte{0})), -1, sourceTime)
		}, false},
		{"a byte less", func(dir string) error { return writeData(dir, randomBytes(1), copyBuffer, sourceTime) }, false},
		{"the time", func(dir string) error { return os.Chtimes(filepath.Join(dir, dataName), basisTime, basisTime) }, false},
		{"the mode", func(dir string) error { return os.Chmod(filepath.Join(dir, dataName), 0o600) }, false},
		{"one is missing", func(dir string) error { return os.Remove(filepath.Join(dir, dataName)) }, false},
		{"one is too many", func(dir string) error { return os.Mkdir(filepath.Join(dir, "more"), 0o755) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var dirs [2]string
			for i := range dirs {
				dirs[i] = t.TempDir()
				if err := writeData(dirs[i], randomBytes(1), copyBuffer+1, sourceTime); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.change(dirs[1]); err != nil {
				t.Fatal(err)
			}
			for _, dir := range dirs {
				if err := os.Chtimes(dir, sourceTime, sourceTime); err != nil {
					t.Fatal(err)
				}
			}
			if err := compareTrees(dirs[0], dirs[1], false); (err == nil) != c.fine {
				t.Errorf("compare: %v", err)
			}
		})
	}
}
