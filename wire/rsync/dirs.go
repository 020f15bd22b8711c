package rsync

import (
	"path"
	"strings"
)

// A dirTable numbers the directories of a session with incremental recursion,
// in the order of the lists and within each in sorted order. A path is kept
// only until its list has come or gone.
type dirTable struct {
	paths []string
	path  string // of the directory whose list is being read
	// todo are ranges of numbers whose lists are still to be sent, the
	// deepest last.
	todo [][2]int
}

// add appends the directories of a list, dropped ones too. The root needs no
// list of its own: the first one is its content
// (flist.c:recv_file_list, add_dirs_to_tree).
func (t *dirTable) add(l *List, o ListOptions) error {
	if !o.incRecurse() {
		return nil
	}
	from := len(t.paths)
	for i, pos := range l.order {
		b, dir := l.name(pos)
		if !dir {
			continue
		}
		name := strings.TrimPrefix(string(b), "/")
		if name == "." {
			if from != 0 || i != 0 {
				return protoErrorf("second root of the transfer")
			}
			l.Dir = 0
			name = ""
		}
		t.paths = append(t.paths, name)
	}
	if len(t.paths) > from {
		t.todo = append(t.todo, [2]int{from, len(t.paths)})
	}
	return nil
}

// announce starts the list of a directory.
func (t *dirTable) announce(dir int) error {
	if dir < 0 || dir >= len(t.paths) {
		return protoErrorf("list of directory %d of %d", dir, len(t.paths))
	}
	if t.paths[dir] == "" {
		return protoErrorf("second list of directory %d", dir)
	}
	t.path, t.paths[dir] = t.paths[dir], ""
	return nil
}

// pending returns the next directory in depth-first order whose list has not
// been sent.
func (t *dirTable) pending() (dir int, name string, ok bool) {
	for len(t.todo) > 0 {
		top := &t.todo[len(t.todo)-1]
		if top[0] == top[1] {
			t.todo = t.todo[:len(t.todo)-1]
			continue
		}
		dir = top[0]
		if t.paths[dir] != "" {
			return dir, t.paths[dir], true
		}
		top[0]++
	}
	return 0, "", false
}

// holds reports whether an entry is directly in the announced directory.
func (t *dirTable) holds(name string) bool { return path.Dir(name) == t.path }
