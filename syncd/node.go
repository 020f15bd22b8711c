package syncd

import (
	"path"

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
	next  int         // index in names that the listing has come to
	after string      // where the listing goes on
	wait  native.PageWriter
	queue *native.Page // reads wait, once the listing is complete
	nwait int

	refs    int  // guarded by sink.mu
	touched bool // guarded by sink.mu: its times have to be set again
}

// join returns the path of an entry of n.
func (n *node) join(name string) string { return path.Join(n.path, name) }

// push adds a child to those that wait.
func (n *node) push(e *wire.Entry) error {
	if n.nwait == 0 {
		n.wait.Reset()
	}
	if err := n.wait.Add(e); err != nil {
		return err
	}
	n.nwait++
	return nil
}

// pop takes the first child that waits.
func (n *node) pop(e *wire.Entry) {
	if n.queue == nil {
		n.queue = native.NewPage(n.wait.Bytes(), false, "")
	}
	ok, err := n.queue.Next(e)
	if err != nil || !ok {
		panic("syncd: a child that was encoded can't be decoded")
	}
	n.nwait--
}
