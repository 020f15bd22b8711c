package syncd

import (
	"os"
	"sync"
	"syscall"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/wire"
)

// memoryBytes bounds what a memory holds, in bytes of sums: two generations of
// this much. It is enough for the digests of 16 TiB, or for the signatures of
// some hundred files of a GiB.
const memoryBytes = 32 << 20

// rememberFrom is the length in bytes from which digests are remembered: what
// is shorter is hashed about as fast as it is looked up.
const rememberFrom = 1 << 20

// memory remembers the sums of files that a daemon has hashed, so that a file
// that many clients pull is hashed once. It is safe for concurrent use.
//
// A sum belongs to a version of a file: device, inode, size, mtime and ctime. A
// source waits, before it reads, until the next change would get another ctime
// (see settle), and looks again when it has read; so a version names one content
// for all changes that the kernel gives a ctime. Writes through a mapping may get
// it late. Then a remembered digest is wrong, the sink sees that, and what it
// asks for again is hashed anew.
type memory struct {
	mu       sync.Mutex
	now, old map[sumKey][]byte // of each generation
	size     int               // bytes in now
}

// sumKey says what a sum is of.
type sumKey struct {
	dev     uint64
	version wire.Version
	alg     delta.Algorithm
	off, n  int64 // the range of a digest; 0 for a signature
	block   int   // of a signature; 0 for a digest
}

func newMemory() *memory {
	return &memory{now: make(map[sumKey][]byte), old: make(map[sumKey][]byte)}
}

// get returns what was put for key, or nil. The caller must not change it. A nil
// memory has nothing.
func (m *memory) get(key sumKey) []byte {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if sum := m.now[key]; sum != nil {
		return sum
	}
	sum := m.old[key]
	if sum != nil {
		m.add(key, sum) // it is in use: it lives on
	}
	return sum
}

// put remembers sum, which must not be changed later. What was not asked for
// since a whole generation is forgotten.
func (m *memory) put(key sumKey, sum []byte) {
	if m == nil || len(sum) > memoryBytes {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(key, sum)
}

func (m *memory) add(key sumKey, sum []byte) {
	const entry = 150 // about what the map needs besides
	if m.size += len(sum) + entry; m.size > memoryBytes {
		m.old, m.now, m.size = m.now, make(map[sumKey][]byte), len(sum)+entry
	}
	m.now[key] = sum
}

// sumKey returns the key of a sum of f; ok is false if there is nothing to
// remember it by.
func (s *source) sumKey(f *os.File, v wire.Version) (key sumKey, ok bool) {
	if s.memory == nil {
		return key, false
	}
	st, err := f.Stat()
	if err != nil {
		return key, false
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return key, false
	}
	return sumKey{dev: sys.Dev, version: v, alg: s.alg}, true
}
