package rsync

import (
	"bytes"
	"cmp"
)

// compareNames orders two entries as both sides number them: component by
// component; in a directory all other files before all directories; a
// directory as if its name ended in "/", so that it precedes its contents;
// "." before everything (flist.c:f_name_cmp). Below protocol 29 paths are
// compared as bytes.
func compareNames(a, b []byte, aDir, bDir bool, protocol int) int {
	if protocol < 29 {
		return bytes.Compare(a, b)
	}
	aRoot, bRoot := aDir && string(a) == ".", bDir && string(b) == "."
	if aRoot || bRoot {
		return falseFirst(bRoot, aRoot)
	}
	// The first difference, and the start of the component that holds it.
	i, start := 0, 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		if a[i] == '/' {
			start = i + 1
		}
		i++
	}
	aUnder := aDir || bytes.IndexByte(a[start:], '/') >= 0
	bUnder := bDir || bytes.IndexByte(b[start:], '/') >= 0
	if aUnder != bUnder {
		return falseFirst(aUnder, bUnder)
	}
	if c := cmp.Compare(sortByte(a, i, aDir), sortByte(b, i, bDir)); c != 0 {
		return c
	}
	// One is the directory and the other in it, or both are the same.
	return cmp.Compare(len(a), len(b))
}

// falseFirst compares two bools.
func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// sortByte returns what stands at i, in 1..256, or 0 behind the end: there a
// directory has a slash.
func sortByte(s []byte, i int, dir bool) uint16 {
	switch {
	case i < len(s):
		return uint16(s[i]) + 1
	case dir:
		return '/' + 1
	}
	return 0
}
