package syncd

import (
	"path"
	"strings"

	"github.com/seed9553035b/syncd/syncd/cache"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
)

// A source with a cache remembers the sums of what it has hashed. A version names
// one content for all changes that the kernel gives a ctime: the source waits,
// before it reads, until the next change would get another one (see settle), and
// looks again when it has read. Writes through a mapping may get it late. Then a
// remembered digest is wrong, the sink sees that, and what it asks for again
// is hashed anew, and remembered. What is hashed for -c is remembered, but never
// taken from memory.

// rememberFrom is the length in bytes from which digests of bodies are remembered:
// what is shorter is hashed about as fast as it is looked up.
const rememberFrom = 1 << 20

// sumKey returns the key of the sums of the file at p; ok is false if nothing
// is remembered.
func (s *source) sumKey(p string, v wire.Version) (key cache.Key, ok bool) {
	if s.sums == nil {
		return key, false
	}
	key = cache.Key{Version: v, Alg: s.alg.String()}
	dirPath, name := path.Split(p)
	if dirPath == "" && s.view.root == nil {
		dir, name, err := s.view.parent(p)
		if err != nil {
			return key, false
		}
		defer dir.Close()
		key.Name = name
		key.Dev, key.Dir, err = identity(dir)
		return key, err == nil
	}
	d, err := s.open(strings.TrimSuffix(dirPath, "/"))
	if err != nil {
		return key, false
	}
	if d.ino == 0 {
		if d.dev, d.ino, err = identity(d.dir); err != nil {
			return key, false
		}
	}
	key.Name, key.Dev, key.Dir = name, d.dev, d.ino
	return key, true
}

// identity is what a directory is remembered by.
func identity(dir *tree.Dir) (dev, ino uint64, err error) {
	e, err := dir.Entry(".", tree.Want{})
	return e.Dev, e.Ino, err
}
