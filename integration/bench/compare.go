package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// compareTrees is nil if dst holds what src does: names, types, contents and,
// unless contentOnly, permissions and times.
func compareTrees(src, dst string, contentOnly bool) error {
	entries := 0
	err := filepath.WalkDir(src, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		entries++
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		if err := compareEntry(path, filepath.Join(dst, rel), contentOnly); err != nil {
			return fmt.Errorf("what arrived differs: %s: %w", rel, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return filepath.WalkDir(dst, func(path string, _ fs.DirEntry, err error) error {
		if entries--; err == nil && entries < 0 {
			err = fmt.Errorf("what arrived differs: more than was sent, for one %s", filepath.Base(path))
		}
		return err
	})
}

func compareEntry(a, b string, contentOnly bool) error {
	x, err := os.Lstat(a)
	if err != nil {
		return err
	}
	y, err := os.Lstat(b)
	if err != nil {
		return err
	}
	if !contentOnly && (x.Mode() != y.Mode() || !x.ModTime().Equal(y.ModTime())) {
		return fmt.Errorf("%v %v, not %v %v", y.Mode(), y.ModTime(), x.Mode(), x.ModTime())
	}
	if !x.Mode().IsRegular() {
		return nil
	}
	if x.Size() != y.Size() {
		return fmt.Errorf("%d bytes, not %d", y.Size(), x.Size())
	}
	return compareContent(a, b)
}

func compareContent(a, b string) error {
	f, err := os.Open(a)
	if err != nil {
		return err
	}
	defer f.Close()
	g, err := os.Open(b)
	if err != nil {
		return err
	}
	defer g.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	x := make([]byte, min(copyBuffer, st.Size()+1))
	y := make([]byte, len(x))
	for off := int64(0); ; off += int64(len(x)) {
		n, errX := io.ReadFull(f, x)
		m, errY := io.ReadFull(g, y)
		if !bytes.Equal(x[:n], y[:m]) {
			return fmt.Errorf("other bytes after %d", off)
		}
		if errX == io.EOF || errX == io.ErrUnexpectedEOF {
			return nil
		}
		if errX != nil {
			return errX
		}
		if errY != nil {
			return errY
		}
	}
}
