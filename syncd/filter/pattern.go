package filter

import "strings"

// extent is the part of a path that a pattern is held against.
type extent uint8

const (
	lastElement extent = iota // no slash in the pattern: the last element
	whole                     // anchored, or with a leading "**": all of it
	tail                      // a slash inside: as many last elements as the pattern has
	anyStart                  // "**" not in front: from the start and after each slash
)

// pattern is a compiled pattern of an include or exclude rule. It mirrors
// add_rule and rule_matches in exclude.c.
type pattern struct {
	text    string // as written, less the final slash of dirOnly
	dirOnly bool
	extent  extent
	elems   int // extent tail: how many elements
	// underRoot holds the pattern against List.Root + "/" + path.
	underRoot bool
	// base is the directory that the pattern is anchored in, "" for the start
	// of what it is held against.
	base string
	// leadSlash lets a leading "**/" match at the start, trailSlash lets a
	// trailing "/***" match the directory itself: a slash is put around the
	// path there.
	leadSlash, trailSlash bool

	// One of these three decides; never is a pattern that stock accepts and
	// that no path matches ("[" without "]").
	literal string // without wildcards, or "*" + literal if suffix
	suffix  bool
	auto    *automaton
	never   bool
}

// anchor says where the leading slash of a pattern points.
type anchor struct {
	dir string // without slashes at its ends, "" for the start
	// absolute: dir counts from the root of the file system rather than from
	// the root of the transfer.
	absolute bool
}

// compile makes the pattern of a rule. text is not empty.
func compile(text string, mods modifiers, at anchor) pattern {
	var p pattern
	if len(text) > 1 && text[len(text)-1] == '/' {
		text = text[:len(text)-1]
		p.dirOnly = true
	}
	p.text = text
	p.underRoot = mods.has(absolute)
	body, anchored := strings.CutPrefix(text, "/")
	if anchored && !p.underRoot {
		p.base, p.underRoot = at.dir, at.absolute
	}

	wild := strings.ContainsAny(text, "*?[")
	// Stock looks for "**" in the text, escaped or not.
	deep := strings.Index(text, "**")
	slashes := strings.Count(text, "/")
	switch {
	case slashes == 0 && deep < 0:
		p.extent = lastElement
	case anchored || deep == 0:
		p.extent = whole
	case deep > 0:
		p.extent = anyStart
	default:
		p.extent, p.elems = tail, slashes+1
	}
	p.leadSlash = deep == 0
	p.trailSlash = deep >= 0 && strings.HasSuffix(text, "***")

	switch {
	case !wild:
		p.literal = body
	case text[0] == '*' && p.extent == lastElement && !strings.ContainsAny(text[1:], `*?[\`):
		p.literal, p.suffix = text[1:], true // "*.o": most wildcards are like this
	default:
		p.auto = newAutomaton(body, p.extent == anyStart)
		p.never = p.auto == nil
	}
	return p
}

// match reports whether the pattern matches path. root is where path counts
// from, without slashes at its ends.
func (p *pattern) match(root, path string, isDir bool) bool {
	if p.never || p.dirOnly && !isDir {
		return false
	}
	lead := p.leadSlash
	switch {
	case p.extent == lastElement:
		path = path[strings.LastIndexByte(path, '/')+1:]
	case p.underRoot && root != "":
		path = root + "/" + path
		lead = false
	}
	if p.base != "" {
		rest, ok := strings.CutPrefix(path, p.base)
		if !ok || rest == "" || rest[0] != '/' {
			return false
		}
		path = rest[1:]
	}
	if p.extent == tail {
		var ok bool
		if path, ok = lastElements(path, p.elems); !ok {
			return false
		}
	}
	switch {
	case p.auto != nil:
		return p.auto.match(lead, path, p.trailSlash && isDir)
	case p.suffix:
		return strings.HasSuffix(path, p.literal)
	}
	return path == p.literal
}

// lastElements returns the last n elements of path, n > 0; false if there are
// fewer.
func lastElements(path string, n int) (string, bool) {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			if n--; n == 0 {
				return path[i+1:], true
			}
		}
	}
	return path, n == 1
}

// size returns about how many bytes the pattern keeps.
func (p *pattern) size() int {
	n := len(p.text) + len(p.base)
	if p.auto != nil {
		n += p.auto.size()
	}
	return n
}
