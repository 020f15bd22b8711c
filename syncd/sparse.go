package syncd

import (
	"bytes"
	"io"

	"github.com/seed9553035b/syncd/syncd/tree"
)

// zeroRun is the block of a file system that a hole has to fill.
const zeroRun = 4 << 10

// punchZeros turns the blocks of f that hold only zeros into holes. It skips
// the holes that are there.
func punchZeros(f *tree.File, size int64) error {
	buf := make([]byte, hashBlock)
	zero := make([]byte, zeroRun)
	for e, err := range tree.Extents(f, 0, size) {
		if err != nil {
			return err
		}
		if e.Hole {
			continue
		}
		if err := punchExtent(f, e, buf, zero); err != nil {
			return err
		}
	}
	return nil
}

func punchExtent(f *tree.File, e tree.Extent, buf, zero []byte) error {
	start, end := int64(-1), e.Off // of the run of zeros at hand
	flush := func() error {
		if start < 0 {
			return nil
		}
		from := start
		start = -1
		return tree.Punch(f, from, end-from)
	}
	for off := e.Off; off < e.Off+e.Len; {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), e.Off+e.Len-off)], off)
		if n == 0 {
			if err == io.EOF {
				break
			}
			return err
		}
		for p := 0; p < n; p += zeroRun {
			block := buf[p:min(p+zeroRun, n)]
			if !bytes.Equal(block, zero[:len(block)]) {
				if err := flush(); err != nil {
					return err
				}
				continue
			}
			if start < 0 {
				start = off + int64(p)
			}
			end = off + int64(p+len(block))
		}
		off += int64(n)
	}
	return flush()
}
