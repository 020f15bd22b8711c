package syncd

import (
	"path"
	"slices"
	"strings"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// node is a directory that the sink works in. Nodes exist only for
// directories with work under way and those above them; what is still to be
// entered waits, encoded, in its parent.
//
// refs counts what keeps the node from being finished: its listing, each child
// that waits or is a node, each job in it. Whoever takes the last one away has
// the node finished by the committer. All fields but refs and touched belong
// to the planner until then.
type node struct {
	parent *node
	path   string     // as the source names it, "" for the root
	entry  wire.Entry // what the directory shall be
	dir    *tree.Dir  // nil in a dry run if it does not exist
	staged *tree.StagedDir
	cur    *wire.Entry // what it was, nil if it is new

	private bool // not visible yet: it, or one above, is staged
	virtual bool // the root of a view of arguments, or one that had errors: nothing is deleted
	otherFS bool

	names *tree.Names // what is there
	mine  *ownDir     // what is there, while the source is asked whether it has the same
	next  int         // index in names that the listing has come to
	after string      // where the listing goes on
	// wait holds the children that wait, each encoded as a page of its own,
	// and at where each begins, in the order in which they are entered.
	wait []byte
	at   []uint32

	refs    int  // guarded by sink.mu
	own     int  // guarded by sink.mu: of refs, those of the listing, jobs and links
	touched bool // guarded by sink.mu: its times have to be set again
}

// join returns the path of an entry of n.
func (n *node) join(name string) string {
	if n.path == "" || name == "" || name == "." {
		return path.Join(n.path, name)
	}
	return n.path + "/" + name
}

// left reports whether a run that is gone has left a staging name in n.
func (n *node) left(name string) bool {
	if n.names == nil {
		return false
	}
	_, ok := slices.BinarySearch(n.names.Leftovers(), name)
	return ok
}

// push adds a child to those that wait; w is scratch.
func (n *node) push(e *wire.Entry, w *native.PageWriter) error {
	w.Reset()
	if err := w.Add(e); err != nil {
		return err
	}
	n.at = append(n.at, uint32(len(n.wait)))
	n.wait = append(n.wait, w.Bytes()...)
	return nil
}

// pop takes the first child that waits.
func (n *node) pop(e *wire.Entry) {
	n.child(n.at[0], e)
	if n.at = n.at[1:]; len(n.at) == 0 {
		n.wait, n.at = nil, nil
	}
}

// child decodes the child that is at a place of wait.
func (n *node) child(at uint32, e *wire.Entry) {
	ok, err := native.NewPage(n.wait[at:], false, "").Next(e)
	if err != nil || !ok {
		panic("syncd: a child that was encoded can't be decoded")
	}
}

// sortChildren puts the children that wait in the order of their names with a
// slash at the end, in which stock's lists come.
func (n *node) sortChildren() {
	names := make(map[uint32]string, len(n.at))
	for _, at := range n.at {
		var e wire.Entry
		n.child(at, &e)
		names[at] = e.Name + "/"
	}
	slices.SortFunc(n.at, func(a, b uint32) int { return strings.Compare(names[a], names[b]) })
}
