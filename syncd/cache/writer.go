package cache

import (
	"errors"
	"os"
	"time"

	bolterrors "go.etcd.io/bbolt/errors"
)

// Open puts a file below the directory dir behind the cache, of at most limit
// bytes; both are made if need be. It returns at once: the file is there when
// it has been checked. What keeps it from being used is said in the log.
func (c *Cache) Open(dir string, limit int64) {
	c.mu.Lock()
	c.wake, c.done = make(chan struct{}, 1), make(chan struct{})
	c.mu.Unlock()
	c.writer.Go(func() {
		c.attach(dir, limit)
		for c.wait() {
			c.flush()
		}
		c.flush()
		c.detach()
	})
}

// Close writes what waits, and gives the file up. Sums may still be asked for,
// and put.
func (c *Cache) Close() {
	if c.done != nil {
		close(c.done)
		c.writer.Wait()
		c.done = nil
	}
}

// attach opens the file.
func (c *Cache) attach(dir string, limit int64) {
	f, err := openFile(dir, limit)
	if err != nil {
		c.log.Warn("no cache file: digests are kept in memory only", "dir", dir, "err", err.Error())
		return
	}
	if f.fault != nil {
		c.log.Warn("the cache file was made anew", "file", f.path, "err", f.fault.Error())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.file, c.gen = f, f.gen
	// Records in memory that the file knows nothing of would hide its own.
	clear(c.young)
	clear(c.old)
	c.size = 0
	c.log.Info("cache file opened", "file", f.path, "bytes", f.size)
}

// wait returns when there is something to write, false when the writer shall
// end.
func (c *Cache) wait() bool {
	select {
	case <-c.wake:
	case <-c.done:
		return false
	}
	c.mu.Lock()
	full := c.full()
	c.mu.Unlock()
	if full {
		return true
	}
	late := time.NewTimer(c.every)
	defer late.Stop()
	select {
	case <-late.C:
	case <-c.wake:
	case <-c.done:
	}
	return true
}

// flush merges the fresh sums and writes the records.
func (c *Cache) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.fresh) == 0 {
		return
	}
	changes := c.merge()
	f := c.file
	if f == nil {
		return
	}
	c.mu.Unlock()
	err := f.write(changes)
	c.mu.Lock()
	if err != nil {
		c.broken(f, err)
	} else if c.file == f {
		c.gen = f.gen
	}
}

// broken says what is wrong with the file, once, and goes on without it. A file
// of no more use is removed: the next start makes another. c.mu is held.
func (c *Cache) broken(f *file, err error) {
	if c.file != f {
		return
	}
	c.file = nil
	if errors.Is(err, errDamaged) || errors.Is(err, bolterrors.ErrMaxSizeReached) {
		err = errors.Join(err, os.Remove(f.path))
	}
	c.log.Warn("the cache file is given up: digests are kept in memory only", "file", f.path, "err", err.Error())
	f.close()
}

// detach gives the file up at the end.
func (c *Cache) detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.file; f != nil {
		c.file = nil
		f.close()
	}
	c.wake = nil
}
