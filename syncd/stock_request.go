package syncd

import (
	"fmt"
	"path"
	"strings"

	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// request is what was asked of a sender. What it lists besides is refused: a
// sender could else put files where nobody wanted any (CVE-2022-29154).
type request struct {
	any   bool         // the sender is the client: it chooses
	paths []string     // wildcards in them are the sender's
	rules *filter.List // excluded is excluded, nil for none
	as    string       // the name that a single file gets here
}

// check refuses entries outside the request.
func (q *request) check(l *rsync.List) error {
	content := len(q.paths) == 1 && isContent(q.paths[0])
	for i := range l.Len() {
		name, dir := l.Name(l.Start + i)
		if name == "" {
			continue
		}
		if name == "." && !dir {
			return fmt.Errorf("%w: the root is no directory", rsync.ErrProtocol)
		}
		if q.any {
			continue
		}
		if !content && (name == "." || !q.named(name)) {
			return fmt.Errorf("%w: the sender lists %.100q, which was not asked for", rsync.ErrProtocol, name)
		}
		if q.rules != nil && q.rules.Match(name, dir, filter.Sender) == filter.Exclude {
			return fmt.Errorf("%w: the sender lists %.100q, which a filter excludes", rsync.ErrProtocol, name)
		}
	}
	return nil
}

// named reports whether a path begins with a name that was asked for.
func (q *request) named(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	for _, p := range q.paths {
		base := path.Base(p)
		if ok, err := path.Match(base, top); ok || err != nil && base == top {
			return true
		}
		if isContent(p) {
			return true
		}
	}
	return false
}

// shown returns the name that an entry of dir has on this side.
func (q *request) shown(dir, name string) string {
	if dir == "" && q.as != "" {
		return q.as
	}
	return name
}
