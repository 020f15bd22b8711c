package syncd

import (
	"runtime"
	"sync"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// Where nothing has changed, a sink tells its source the digest of each directory
// that it has, and the source answers SAME rather than with the entries. The sink
// has to look at its entries either way; here several goroutines do it, ahead of
// the answers. All that the comparison of a page would see is in the digest; what
// is not (see ownDir) keeps the sink from sending one.

// maxMisses is how many directories may have differed for nothing, beyond those
// that were the same, before a run stops asking: then its tree is another one, or
// the owners of one are not known at the other end.
const maxMisses = 32

// maxScanned is how many bytes the entries of a directory may have, encoded, for
// its digest to be asked about: more do not fit into the one page that SAME stands
// for, by far. It bounds what looking ahead holds in memory.
const maxScanned = 8 * pageBytes

// ownDir is what a sink remembers of its own directory until the answer comes.
type ownDir struct {
	digest  [native.DigestLen]byte
	dirs    []byte // its directories, each encoded as a page of its own
	at      []uint32
	entries int64
	size    int64 // of its regular files
}

// mayBeSame reports whether n's listing is to be preceded by a look at what is
// there.
func (k *sink) mayBeSame(n *node) bool {
	return k.scans != nil && n.dir != nil && n.cur != nil && !n.private &&
		n.names.Len() > 0 && n.names.Len() <= native.MaxSameNames && k.misses < maxMisses+k.hits
}

// startScans starts the goroutines that look at directories, for a source that
// answers SAME. It returns what ends them.
func (k *sink) startScans() (stop func()) {
	if _, ok := k.up.(*remote); !ok || k.opt.Checksum || k.opt.IgnoreTimes {
		return func() {}
	}
	k.scans = make(chan *node, native.MaxLists)
	var scanners sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		scanners.Go(func() {
			d := native.NewDirDigest(k.alg.New())
			for n := range k.scans {
				if k.interrupted() == nil {
					n.mine = k.scan(n, d)
				}
				k.mu.Lock()
				k.scanning--
				k.scanned = append(k.scanned, n)
				k.cond.Signal()
				k.mu.Unlock()
			}
		})
	}
	return func() {
		close(k.scans)
		scanners.Wait()
	}
}

// scan looks at the entries of n's directory. It returns nil if equal entries of
// the source would not mean that nothing is to do.
func (k *sink) scan(n *node, d *native.DirDigest) *ownDir {
	own := new(ownDir)
	var e wire.Entry
	var w native.PageWriter
	d.Reset(k.want())
	want := k.meta.Want()
	for i := range n.names.Len() {
		name := n.names.Name(i)
		if n.dir.EntryInto(name, want, &e) != nil || !k.settledEntry(n, &e) {
			return nil
		}
		if d.Add(&e); d.Len() > maxScanned || len(own.dirs) > maxScanned {
			return nil
		}
		own.entries++
		switch {
		case e.IsRegular():
			own.size += e.Size
		case e.IsDir():
			w.Reset()
			if w.Add(&e) != nil {
				return nil
			}
			own.at = append(own.at, uint32(len(own.dirs)))
			own.dirs = append(own.dirs, w.Bytes()...)
		}
	}
	own.digest = d.Sum()
	return own
}

// settledEntry reports whether an entry of this side, were it the source's too,
// would need nothing: that its owner's name means its owner here, that its kind
// is made, that it is no symlink that would get another target, nor a hard link
// whose others are elsewhere.
func (k *sink) settledEntry(n *node, e *wire.Entry) bool {
	return k.meta.Diff(e, e) == 0 && k.chmod.Apply(e, e.Mode) == e.Mode && k.meta.Makes(e) && !(k.munge && e.IsSymlink()) &&
		(!k.opt.HardLinks || e.IsDir() || e.Nlink == 1) &&
		(k.hidden.Empty() || !k.forbidden(n.join(e.Name), e.IsDir()))
}

// listScanned asks for the listings of what was looked at.
func (k *sink) listScanned() error {
	k.mu.Lock()
	nodes := k.scanned
	k.scanned = nil
	k.mu.Unlock()
	for _, n := range nodes {
		if err := k.list(listing{node: n}); err != nil {
			return err
		}
	}
	return nil
}

// onSame takes the answer to the oldest LIST that its digest is the source's.
func (k *stream) onSame(id uint32) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.lists) == 0 || k.lists[0].id != id || !k.lists[0].digest {
		return unasked("a digest", id)
	}
	k.pages = append(k.pages, arrived{listing: k.lists[0], same: true})
	k.lists = k.lists[1:]
	k.cond.Signal()
	return nil
}

// same ends the listing of a directory that is the source's: only the
// directories in it are left to be looked at.
func (k *sink) same(n *node) error {
	k.hits++
	own := n.mine
	n.mine = nil
	k.stats.Entries.Add(own.entries)
	k.stats.TotalSize.Add(own.size)
	if len(own.at) > 0 {
		n.wait, n.at = own.dirs, own.at
		k.mu.Lock()
		n.refs += len(own.at)
		k.mu.Unlock()
	}
	return k.listed(n)
}
