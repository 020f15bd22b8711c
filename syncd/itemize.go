package syncd

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
)

// item is what was done about one entry.
type item struct {
	update  byte // '>' or '<' content came, 'c' made here, 'h' hard link, '.' attributes
	isNew   bool
	content bool // content differs beyond what size and time tell
	change  tree.Change
	now     bool // a change of time is to that of the transfer
}

// timed is i for an entry that is made or fetched: where its time is not kept it
// gets another one (generator.c:itemize).
func (k *sink) timed(i item, e *wire.Entry) item {
	if !k.meta.KeepsTime(e) {
		i.now = !k.meta.Times
		i.change |= tree.ChangeTime
	}
	return i
}

// letters returns rsync's itemized string of 11 columns, YXcstpoguax; see
// rsync(1), --itemize-changes.
func (i item) letters(e *wire.Entry) string {
	b := []byte{i.update, typeLetter(e)}
	if i.isNew {
		return string(b) + "+++++++++"
	}
	col := func(on bool, c byte) {
		if !on {
			c = '.'
		}
		b = append(b, c)
	}
	col(i.content, 'c')
	col(i.change&tree.ChangeSize != 0, 's')
	if i.now {
		col(i.change&tree.ChangeTime != 0, 'T')
	} else {
		col(i.change&tree.ChangeTime != 0, 't')
	}
	col(i.change&tree.ChangePerms != 0, 'p')
	col(i.change&tree.ChangeOwner != 0, 'o')
	col(i.change&tree.ChangeGroup != 0, 'g')
	col(false, 'u')
	col(i.change&tree.ChangeACL != 0, 'a')
	col(i.change&tree.ChangeXattr != 0, 'x')
	if i.update != '<' && i.update != '>' && string(b[2:]) == "........." {
		return string(b[:2]) + "         "
	}
	return string(b)
}

func typeLetter(e *wire.Entry) byte {
	switch e.Type() {
	case unix.S_IFDIR:
		return 'd'
	case unix.S_IFLNK:
		return 'L'
	case unix.S_IFCHR, unix.S_IFBLK:
		return 'D'
	case unix.S_IFIFO, unix.S_IFSOCK:
		return 'S'
	}
	return 'f'
}

// shownName is the name of an entry as rsync prints it: directories end in a
// slash, symlinks tell their target, hard links the other name.
func shownName(p string, e *wire.Entry, link string) string {
	switch {
	case p == "":
		return "./"
	case e.IsDir():
		return Printable(p) + "/"
	case link != "":
		return Printable(p) + " => " + Printable(link)
	case e.IsSymlink():
		return Printable(p) + " -> " + Printable(e.Target)
	}
	return Printable(p)
}

// Printable returns a name as rsync shows it where text is UTF-8: bytes that
// are none, control characters but the tab, and a backslash that would read as
// one of the escapes, as \#ooo (log.c:rwrite, filtered_fwrite).
func Printable(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || unprintable(r) }) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		escape := r == '\\' && i+4 < len(s) && s[i+1] == '#' && isDigit(s[i+2]) && isDigit(s[i+3]) && isDigit(s[i+4])
		if escape || unprintable(r) && (r != utf8.RuneError || n == 1) {
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, "\\#%03o", c)
			}
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// unprintable reports whether a rune could steer a terminal, or may be what a
// byte that is no UTF-8 decodes to.
func unprintable(r rune) bool {
	return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
