package filter

import "math/bits"

// tokenKind says what a token of a wildcard pattern matches.
type tokenKind uint8

const (
	tokenSet  tokenKind = iota // one byte out of a set
	tokenStar                  // "*": any bytes but slashes
	tokenDeep                  // "**" and longer: any bytes
)

// token is one element of a wildcard pattern.
type token struct {
	kind tokenKind
	set  byteSet // tokenSet: what it matches
	// mentioned are the bytes by which the set was written: all bytes outside
	// are treated alike.
	mentioned byteSet
}

// accepts reports whether the token takes b as its one byte.
func (t *token) accepts(b byte) bool { return t.kind == tokenSet && t.set.has(b) }

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) add(b byte)      { s[b/64] |= 1 << (b % 64) }
func (s *byteSet) remove(b byte)   { s[b/64] &^= 1 << (b % 64) }
func (s *byteSet) has(b byte) bool { return s[b/64]>>(b%64)&1 == 1 }

func (s *byteSet) union(t *byteSet) {
	for i := range s {
		s[i] |= t[i]
	}
}

func (s *byteSet) complement() {
	for i := range s {
		s[i] = ^s[i]
	}
}

func (s *byteSet) len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// tokenize splits a wildcard pattern. It returns false for a pattern that no
// text matches: a class that does not end or has an unknown name, a backslash
// at the end. The syntax is that of dowild in lib/wildmatch.c.
func tokenize(text string) ([]token, bool) {
	var tokens []token
	for i := 0; i < len(text); {
		var t token
		ok := true
		switch text[i] {
		case '*':
			end := i + 1
			for end < len(text) && text[end] == '*' {
				end++
			}
			t.kind = tokenStar
			if end-i > 1 {
				t.kind = tokenDeep
			}
			i = end
		case '?':
			t.set.complement()
			t.set.remove('/')
			i++
		case '[':
			t, i, ok = parseClass(text, i+1)
		case '\\':
			if i++; i == len(text) {
				return nil, false
			}
			fallthrough
		default:
			t.set.add(text[i])
			t.mentioned.add(text[i])
			i++
		}
		if !ok {
			return nil, false
		}
		tokens = append(tokens, t)
	}
	return tokens, true
}

// parseClass reads a class whose "[" is right before text[i]; it returns the
// index behind its "]".
func parseClass(text string, i int) (t token, end int, ok bool) {
	c := classParser{text: text, pos: i}
	invert := c.pos < len(text) && (text[c.pos] == '!' || text[c.pos] == '^')
	if invert {
		c.pos++
	}
	// A "]" in first place is a member.
	for first := true; ; first = false {
		if c.pos >= len(text) {
			return token{}, 0, false
		}
		if text[c.pos] == ']' && !first {
			break
		}
		if !c.member() {
			return token{}, 0, false
		}
	}
	t.set, t.mentioned = c.set, c.set
	if invert {
		t.set.complement()
	}
	t.set.remove('/') // a class never crosses into another path element
	return t, c.pos + 1, true
}

// classParser collects the members of a class.
type classParser struct {
	text string
	pos  int
	set  byteSet
	prev byte // the member before, if a "-" may follow it; otherwise 0
}

// member reads a byte, a range or a named class; false if the class is bad.
func (c *classParser) member() bool {
	b := c.text[c.pos]
	switch {
	case b == '\\':
		if b = c.at(1); b == 0 {
			return false
		}
		c.pos += 2
	case b == '-' && c.prev != 0 && c.at(1) != 0 && c.at(1) != ']':
		return c.span()
	case b == '[' && c.at(1) == ':':
		if handled, ok := c.named(); handled {
			return ok
		}
		c.pos++
	default:
		c.pos++
	}
	c.set.add(b)
	c.prev = b
	return true
}

// at returns the byte n behind the current one, 0 behind the end.
func (c *classParser) at(n int) byte {
	if c.pos+n < len(c.text) {
		return c.text[c.pos+n]
	}
	return 0
}

// span reads the "-" and the upper end of a range.
func (c *classParser) span() bool {
	c.pos++
	hi := c.text[c.pos]
	if hi == '\\' {
		if hi = c.at(1); hi == 0 {
			return false
		}
		c.pos++
	}
	c.pos++
	for b := int(c.prev); b <= int(hi); b++ {
		c.set.add(byte(b))
	}
	c.prev = 0
	return true
}

// named reads "[:name:]". It does not handle a "[:" without ":]", whose bytes
// are plain members.
func (c *classParser) named() (handled, ok bool) {
	start := c.pos + 2
	end := start
	for end < len(c.text) && c.text[end] != ']' {
		end++
	}
	if end == len(c.text) {
		return true, false
	}
	if end == start || c.text[end-1] != ':' {
		return false, false
	}
	member := classNamed(c.text[start : end-1])
	if member == nil {
		return true, false
	}
	for b := range 256 {
		if member(byte(b)) {
			c.set.add(byte(b))
		}
	}
	c.pos, c.prev = end+1, 0
	return true, true
}

// classNamed returns the members of a POSIX character class in the C locale,
// nil if there is no such class.
func classNamed(name string) func(byte) bool {
	in := func(lo, hi byte) func(byte) bool {
		return func(b byte) bool { return lo <= b && b <= hi }
	}
	upper, lower, digit, graph := in('A', 'Z'), in('a', 'z'), in('0', '9'), in(0x21, 0x7e)
	alnum := func(b byte) bool { return upper(b) || lower(b) || digit(b) }
	switch name {
	case "alnum":
		return alnum
	case "alpha":
		return func(b byte) bool { return upper(b) || lower(b) }
	case "blank":
		return func(b byte) bool { return b == ' ' || b == '\t' }
	case "cntrl":
		return func(b byte) bool { return b < 0x20 || b == 0x7f }
	case "digit":
		return digit
	case "graph":
		return graph
	case "lower":
		return lower
	case "print":
		return in(0x20, 0x7e)
	case "punct":
		return func(b byte) bool { return graph(b) && !alnum(b) }
	case "space":
		return isSpace
	case "upper":
		return upper
	case "xdigit":
		return func(b byte) bool { return digit(b) || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F' }
	}
	return nil
}

// isSpace is C's isspace in the C locale.
func isSpace(b byte) bool { return b == ' ' || '\t' <= b && b <= '\r' }
