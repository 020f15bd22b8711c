package tree

import (
	"fmt"
	"math"
	"os/user"
	"path"
	"strconv"
	"strings"
)

// An IDMap says which owners of a source become which here, before names and
// numbers are compared: rules of --usermap or --groupmap, of which the first
// that matches counts (uidlist.c:parse_name_map, recv_add_id).
type IDMap []idRule

// An idRule matches names or numbers.
type idRule struct {
	byName    bool
	pattern   string // path.Match's, see matchPattern; "" is for owners without a name
	low, high uint32
	to        string
	id        uint32 // of to
}

// ParseIDMap parses rules FROM:TO with commas between them. FROM is a name, in
// which wildcards may be, a number or a range of numbers LOW-HIGH; TO is a name or
// a number, which Resolve looks up.
func ParseIDMap(text string) (IDMap, error) {
	if text == "" {
		return nil, nil
	}
	var m IDMap
	for rule := range strings.SplitSeq(text, ",") {
		from, to, ok := strings.Cut(rule, ":")
		if !ok || to == "" {
			return nil, fmt.Errorf("%q is not FROM:TO", rule)
		}
		r, err := parseIDs(from)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", rule, err)
		}
		r.to = to
		m = append(m, r)
	}
	return m, nil
}

func parseIDs(from string) (r idRule, err error) {
	if from == "" || from[0] < '0' || from[0] > '9' {
		pattern := matchPattern(from)
		if _, err := path.Match(pattern, ""); err != nil {
			return r, fmt.Errorf("%q is no pattern", from)
		}
		return idRule{byName: true, pattern: pattern}, nil
	}
	low, high, isRange := strings.Cut(from, "-")
	if !isRange {
		high = low
	}
	for _, x := range []struct {
		text string
		to   *uint32
	}{{low, &r.low}, {high, &r.high}} {
		n, err := strconv.ParseUint(x.text, 10, 32)
		if err != nil || n == math.MaxUint32 {
			return r, fmt.Errorf("%q is no number of an owner", x.text)
		}
		*x.to = uint32(n)
	}
	if r.low > r.high {
		return r, fmt.Errorf("%s is above %s", low, high)
	}
	return r, nil
}

// matchPattern turns a pattern of rsync's (wildmatch.c:dowild) into one of
// path.Match, which knows "[^" only.
func matchPattern(text string) string {
	b := []byte(text)
	inClass := false
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] == '\\':
			i++
		case inClass:
			inClass = b[i] != ']'
		case b[i] == '[':
			inClass = true
			if i+1 < len(b) && b[i+1] == '!' {
				b[i+1] = '^'
			}
		}
	}
	return string(b)
}

// ResolveUsers looks the users up that m's rules lead to.
func (m IDMap) ResolveUsers() error {
	return m.resolve("user", func(name string) (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
}

// ResolveGroups looks the groups up that m's rules lead to.
func (m IDMap) ResolveGroups() error {
	return m.resolve("group", func(name string) (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
}

func (m IDMap) resolve(kind string, lookup func(string) (string, error)) error {
	for i := range m {
		to := m[i].to
		if to[0] < '0' || to[0] > '9' {
			var err error
			if to, err = lookup(to); err != nil {
				return fmt.Errorf("the %s %q is not known here", kind, m[i].to)
			}
		}
		id, err := strconv.ParseUint(to, 10, 32)
		if err != nil || id == math.MaxUint32 {
			return fmt.Errorf("%q is neither a %s nor a number of one", m[i].to, kind)
		}
		m[i].id = uint32(id)
	}
	return nil
}

// find returns what an owner becomes, if a rule says so. name is "" if it is not
// known.
func (m IDMap) find(id uint32, name string) (uint32, bool) {
	for _, r := range m {
		ok := id >= r.low && id <= r.high
		if r.byName {
			ok, _ = path.Match(r.pattern, name) // it has been parsed
		}
		if ok {
			return r.id, true
		}
	}
	return 0, false
}
