package rsync

import (
	"fmt"
	"slices"
)

// maxIDs bounds the names of a list of ids; a system has far fewer.
const maxIDs = 1 << 20

// idNames maps ids to the names that the sender has for them
// (uidlist.c:add_uid, recv_user_name).
type idNames struct {
	names map[uint32]string
	seen  map[uint32]bool // encoder: ids that were used
}

// learn notes a name of the peer's.
func (n *idNames) learn(id uint32, name string) error {
	if name == "" {
		return nil
	}
	if n.names == nil {
		n.names = make(map[uint32]string)
	}
	if len(n.names) == maxIDs {
		return protoErrorf("more than %d names of ids", maxIDs)
	}
	n.names[id] = name
	return nil
}

// use notes that the encoder needs the id, and reports whether this is the
// first time and the id has a name that can be sent.
func (n *idNames) use(id uint32, name string) bool {
	if n.seen == nil {
		n.seen = make(map[uint32]bool)
		n.names = make(map[uint32]string)
	}
	if n.seen[id] {
		return false
	}
	n.seen[id] = true
	if name == "" || len(name) > 255 {
		return false
	}
	n.names[id] = name
	return true
}

// name reads a name behind a length of one byte.
func (r *Reader) name() (string, error) {
	n, err := r.Byte()
	if err != nil {
		return "", err
	}
	b, err := r.Bytes(int(n))
	return string(b), err
}

// name writes a name of at most 255 bytes.
func (w *Writer) name(s string) error { return w.put(append([]byte{byte(len(s))}, s...)) }

// hasIDLists reports whether lists of users and groups follow a list
// (uidlist.c:send_id_lists).
func (o *ListOptions) hasIDLists() (users, groups bool) {
	if o.incRecurse() || o.NumericIDs {
		return false, false
	}
	return o.Owner || o.ACLs, o.Group || o.ACLs
}

// readIDs reads one list of ids (uidlist.c:recv_id_list):
//
//	varint30 id != 0, byte length, name     repeated
//	varint30 0
//	byte length, name of id 0               with ID0Names
func (d *ListDecoder) readIDs(n *idNames) error {
	for {
		id, err := d.r.VarInt30()
		if err != nil {
			return fmt.Errorf("read names of ids: %w", err)
		}
		if id == 0 && d.o.Compat&ID0Names == 0 {
			return nil
		}
		name, err := d.r.name()
		if err != nil {
			return fmt.Errorf("read names of ids: %w", err)
		}
		if err := d.learn(n, uint32(id), name); err != nil || id == 0 {
			return err
		}
	}
}

// writeIDs writes one list of ids (uidlist.c:send_id_list).
func (e *ListEncoder) writeIDs(n *idNames) error {
	ids := make([]uint32, 0, len(n.names))
	for id := range n.names {
		if id != 0 {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		if err := e.w.VarInt30(int32(id)); err != nil {
			return err
		}
		if err := e.w.name(n.names[id]); err != nil {
			return err
		}
	}
	if err := e.w.VarInt30(0); err != nil {
		return err
	}
	if e.o.Compat&ID0Names != 0 {
		return e.w.name(n.names[0])
	}
	return nil
}
