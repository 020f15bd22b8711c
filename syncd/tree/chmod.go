package tree

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/wire"
)

// A Chmod is a list of changes to permission bits, in rsync's notation:
//
//	change = [D|F] ( octal | [ugoa]* (+|-|=) [rwxXst]* )
//
// with commas between changes. D is for directories only, F for all others; X
// is x for directories and for what someone may execute already. Without one
// of "ugoa" all are meant, less the umask (rsync(1), --chmod; chmod.c).
type Chmod []chmodStep

// A chmodStep keeps some bits and sets others.
type chmodStep struct {
	keep, set         uint32
	dirsOnly, notDirs bool
	keepX             bool // x only where there is one, or for directories
}

// ParseChmod parses a list of changes. Empty text is none.
func ParseChmod(text string) (Chmod, error) {
	if text == "" {
		return nil, nil
	}
	var c Chmod
	for change := range strings.SplitSeq(text, ",") {
		s, err := parseChmodStep(change)
		if err != nil {
			return nil, fmt.Errorf("%q is no change of permissions: %w", change, err)
		}
		c = append(c, s)
	}
	return c, nil
}

func parseChmodStep(change string) (s chmodStep, err error) {
	for change != "" && (change[0] == 'D' || change[0] == 'F') {
		s.dirsOnly, s.notDirs = change[0] == 'D', change[0] == 'F'
		change = change[1:]
	}
	if change != "" && change[0] >= '0' && change[0] <= '9' {
		n, err := strconv.ParseUint(change, 8, 32)
		if err != nil || n > 0o7777 {
			return s, fmt.Errorf("want an octal number up to 7777, or something such as go-w")
		}
		s.set = uint32(n)
		return s, nil
	}
	i := strings.IndexAny(change, "+-=")
	if i < 0 {
		return s, fmt.Errorf("there is none of \"+\", \"-\" and \"=\"")
	}
	who, special, mask, err := parseWho(change[:i])
	if err != nil {
		return s, err
	}
	bits, err := s.parseWhat(change[i+1:], who, special)
	if err != nil {
		return s, err
	}
	bits &^= mask
	switch change[i] {
	case '+':
		s.keep, s.set = 0o7777, bits
	case '-':
		s.keep = 0o7777 &^ bits
	case '=':
		s.keep, s.set = 0o7777&^(who*7|bits), bits // other special bits stay
	}
	return s, nil
}

// parseWho returns 1 in the last bit of each octal digit that is meant, the
// set-ID bits of those, and the bits that the umask takes away.
func parseWho(text string) (who, special, mask uint32, err error) {
	for _, c := range text {
		switch c {
		case 'u':
			who, special = who|0o100, special|unix.S_ISUID
		case 'g':
			who, special = who|0o010, special|unix.S_ISGID
		case 'o':
			who |= 0o001
		case 'a':
			who, special = who|0o111, special|unix.S_ISUID|unix.S_ISGID
		default:
			return 0, 0, 0, fmt.Errorf("%q is none of \"ugoa\"", c)
		}
	}
	if who == 0 {
		return 0o111, unix.S_ISUID | unix.S_ISGID, umask(), nil
	}
	return who, special, 0, nil
}

// parseWhat returns the bits that are meant.
func (s *chmodStep) parseWhat(text string, who, special uint32) (bits uint32, err error) {
	for _, c := range text {
		switch c {
		case 'r':
			bits |= who * 4
		case 'w':
			bits |= who * 2
		case 'X':
			s.keepX = true
			bits |= who
		case 'x':
			bits |= who
		case 's':
			bits |= special
		case 't':
			bits |= unix.S_ISVTX
		default:
			return 0, fmt.Errorf("%q is none of \"rwxXst\"", c)
		}
	}
	return bits, nil
}

// Apply returns what becomes of the mode of e, whose other bits stay. A symlink
// keeps its mode.
func (c Chmod) Apply(e *wire.Entry, mode uint32) uint32 {
	if e.IsSymlink() {
		return mode
	}
	dir, hadX := e.IsDir(), mode&0o111 != 0
	for _, s := range c {
		if s.dirsOnly && !dir || s.notDirs && dir {
			continue
		}
		set := s.set
		if s.keepX && !dir && !hadX {
			set &^= 0o111
		}
		mode = mode&^0o7777 | mode&s.keep | set
	}
	return mode
}
