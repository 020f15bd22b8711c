package cache

import (
	"log/slog"
	"sync"
	"time"
)

// Tuning. memoryBytes bounds the records of one generation in memory: enough
// for the digests of 2 TiB or of 200,000 small files, or for the signatures of 30
// files of a GiB. Fresh sums are merged once there are mergeAt of them, or after
// writeEvery if there is a file; beyond maxFresh and maxFreshBytes they are
// forgotten, so that a slow disk costs no memory.
const (
	memoryBytes   = 16 << 20
	mergeAt       = 4096
	maxFresh      = 4 * mergeAt
	maxFreshBytes = 2 * memoryBytes
	writeEvery    = time.Second
)

// Cache remembers sums. It is safe for concurrent use.
type Cache struct {
	log   *slog.Logger
	now   func() time.Time
	every time.Duration // writeEvery

	mu         sync.Mutex
	fresh      map[Key][]byte // put and not merged
	freshBytes int
	merging    map[Key][]byte // being merged
	gen        uint32         // of the file
	file       *file          // nil: none, not yet, or none any more

	// Records of the two generations in memory. An empty one says that the file
	// has none.
	young, old map[recordKey]record
	size       int // bytes of young

	wake   chan struct{} // the writer's, if it runs: fresh sums wait, or are many
	done   chan struct{} // closed when it shall end
	writer sync.WaitGroup
}

// New returns a cache without a file.
func New(log *slog.Logger) *Cache {
	return &Cache{log: log, now: time.Now, every: writeEvery, fresh: make(map[Key][]byte),
		young: make(map[recordKey]record), old: make(map[recordKey]record)}
}

// Get returns what was put for key, or nil. The caller must not change it.
func (c *Cache) Get(key Key) []byte {
	now := c.clock()
	if c == nil || !settled(&key.Version, now) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range []map[Key][]byte{c.fresh, c.merging} {
		if sum := m[key]; sum != nil {
			return sum
		}
	}
	rk, tag := key.record()
	r, known := c.remembered(rk)
	if !known && c.file != nil {
		r = c.read(rk)
	}
	sum, gen := r.find(tag, &key.Version, now)
	if sum != nil && gen < c.gen {
		c.add(key, sum) // it is in use: it lives on
	}
	return sum
}

func (c *Cache) clock() time.Time {
	if c == nil {
		return time.Time{}
	}
	return c.now()
}

// Put remembers sum, which must not be changed later.
func (c *Cache) Put(key Key, sum []byte) {
	if c == nil || len(sum) == 0 || len(sum) > memoryBytes || !settled(&key.Version, c.clock()) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(key, sum)
}

// add keeps a sum until it is merged. c.mu is held.
func (c *Cache) add(key Key, sum []byte) {
	if len(c.fresh) >= maxFresh || c.freshBytes+len(sum) > maxFreshBytes {
		return
	}
	c.fresh[key] = sum
	c.freshBytes += len(sum)
	switch {
	case c.wake == nil && c.full():
		c.merge()
	case c.wake != nil && (c.full() || len(c.fresh) == 1):
		select {
		case c.wake <- struct{}{}:
		default: // it was told
		}
	}
}

// full reports whether fresh sums should wait no longer. c.mu is held.
func (c *Cache) full() bool {
	return len(c.fresh) >= mergeAt || c.freshBytes >= memoryBytes/2
}

// remembered returns a record that is in memory, if it is. c.mu is held.
func (c *Cache) remembered(rk recordKey) (r record, known bool) {
	if r, known = c.young[rk]; known {
		return r, true
	}
	if r, known = c.old[rk]; known {
		c.keep(rk, r)
	}
	return r, known
}

// keep puts a record into memory, and drops the old generation if the young
// one is full. c.mu is held.
func (c *Cache) keep(rk recordKey, r record) {
	const entry = 100 // about what the map needs besides
	if n := len(r) + entry; n <= memoryBytes {
		if prev, ok := c.young[rk]; ok {
			c.size -= len(prev) + entry
		}
		if c.size += n; c.size > memoryBytes {
			c.old, c.young, c.size = c.young, make(map[recordKey]record), n
		}
		c.young[rk] = r
	}
}

// read returns the file's record. c.mu is held, but not meanwhile.
func (c *Cache) read(rk recordKey) record {
	f := c.file
	c.mu.Unlock()
	r, err := f.read(rk)
	c.mu.Lock()
	if err != nil {
		c.broken(f, err)
	}
	if newer, known := c.remembered(rk); known {
		return newer
	}
	c.keep(rk, r)
	return r
}

// change is a record that was merged.
type change struct {
	key    recordKey
	record record
}

// merge makes records of the fresh sums and returns them. c.mu is held, but not
// while the file is read.
func (c *Cache) merge() (changes []change) {
	groups := make(map[recordKey][]item)
	c.merging, c.fresh, c.freshBytes = c.fresh, make(map[Key][]byte), 0
	for key, sum := range c.merging {
		rk, tag := key.record()
		groups[rk] = append(groups[rk], newItem(tag, &key.Version, c.gen, sum))
	}
	for rk, items := range groups {
		r, known := c.remembered(rk)
		if !known && c.file != nil {
			r = c.read(rk)
		}
		r = merge(rk.bytes(), r, items, c.gen, c.now())
		c.keep(rk, r)
		changes = append(changes, change{rk, r})
	}
	c.merging = nil
	return changes
}
