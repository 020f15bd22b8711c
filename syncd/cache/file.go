package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"
)

// format names what the records look like and how they are found. A file of
// another format is made anew.
const format = "syncd sums 2"

// The bucket that describes the file, and its keys. Every other bucket is a
// generation of records, named by its number, big-endian.
var (
	metaBucket = []byte("meta")
	formatKey  = []byte("format")
	genKey     = []byte("generation") // u32
	usedKey    = []byte("used")       // u64: bytes of its records
)

const (
	fileName = "sums.db"
	pageSize = 4096
	minLimit = 4 << 20

	// A generation is full when its records take a quarter of the file's limit:
	// there are two, and pages of a B+ tree are half empty at worst.
	fullAt = 4
)

// file is the records on disk. Its methods contain what bbolt does when the
// file is not what it was.
type file struct {
	path  string
	limit int64
	fault error // why the file was made anew when it was opened, or nil
	size  int64 // when it was opened

	gen  uint32 // the writer's
	used int64  // bytes of records in gen; the writer's

	db     *bbolt.DB
	mu     sync.RWMutex // held while db is used; to close it, for writing
	closed bool
	lost   atomic.Bool // bbolt panicked: it can't be closed any more
}

// openFile opens the file in dir, which it makes if need be.
func openFile(dir string, limit int64) (f *file, err error) {
	if err := privateDir(dir); err != nil {
		return nil, err
	}
	f = &file{path: filepath.Join(dir, fileName), limit: max(limit, minLimit)}
	options := &bbolt.Options{
		PageSize: pageSize, FreelistType: bbolt.FreelistMapType, MaxSize: int(f.limit),
		// Nothing here is worth a disk's time: see the package's comment.
		NoSync: true, NoGrowSync: true, NoStatistics: true,
		OpenFile: f.checked,
	}
	err = contained(func() (err error) {
		if f.db, err = bbolt.Open(f.path, 0o600, options); err != nil {
			return err
		}
		f.db.AllocSize = min(1<<20, int(f.limit)/16)
		if err = f.db.Update(f.setup); err != nil {
			_ = f.db.Close() // err says more
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// privateDir makes the directory. One that others can write to could have sums
// in it that are not true.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: dir, Err: err}
	}
	if st.Mode&0o022 != 0 || int(st.Uid) != os.Geteuid() && st.Uid != 0 {
		return fmt.Errorf("%s: others can write to it; use a directory of this user's own with mode 0700", dir)
	}
	return nil
}

// errLocked says that another process has the file.
var errLocked = errors.New("another process uses it")

// checked opens the file for bbolt, locked, and empties it if it is damaged:
// then bbolt makes a new one.
func (f *file) checked(path string, flag int, mode os.FileMode) (*os.File, error) {
	o, err := os.OpenFile(path, flag|unix.O_NOFOLLOW, mode)
	if err != nil {
		return nil, err
	}
	// bbolt asks for the same lock again, which it then has.
	if err := unix.Flock(int(o.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		o.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, &fs.PathError{Op: "lock", Path: path, Err: err}
	}
	st, err := o.Stat()
	if err == nil && st.Size() > 0 {
		f.size = st.Size()
		if f.size > f.limit {
			f.fault = fmt.Errorf("it has %d bytes, more than the limit of %d", f.size, f.limit)
		} else {
			f.fault = verify(o, f.size)
		}
		if f.fault != nil {
			f.size = 0
			err = o.Truncate(0)
		}
	}
	if err != nil {
		o.Close()
		return nil, err
	}
	return o, nil
}

// setup reads what the file says of itself, and empties it if its format is
// another.
func (f *file) setup(tx *bbolt.Tx) error {
	if m := tx.Bucket(metaBucket); m != nil {
		gen, used := m.Get(genKey), m.Get(usedKey)
		if string(m.Get(formatKey)) == format && len(gen) == 4 && len(used) == 8 {
			f.gen = binary.BigEndian.Uint32(gen)
			f.used = int64(binary.BigEndian.Uint64(used))
			if tx.Bucket(bucketName(f.gen)) != nil {
				return nil
			}
		}
		f.fault = errors.New("it is of another version")
	}
	var names [][]byte
	if err := tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
		names = append(names, append([]byte(nil), name...))
		return nil
	}); err != nil {
		return err
	}
	for _, name := range names {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
	}
	f.gen = 0
	m, err := tx.CreateBucket(metaBucket)
	if err != nil {
		return err
	}
	if err := m.Put(formatKey, []byte(format)); err != nil {
		return err
	}
	return f.rotate(tx)
}

func bucketName(gen uint32) []byte { return binary.BigEndian.AppendUint32(nil, gen) }

// rotate begins a generation, and ends the one before the last.
func (f *file) rotate(tx *bbolt.Tx) error {
	if err := tx.DeleteBucket(bucketName(f.gen - 1)); err != nil && !errors.Is(err, bolterrors.ErrBucketNotFound) {
		return err
	}
	f.gen, f.used = f.gen+1, 0
	if _, err := tx.CreateBucket(bucketName(f.gen)); err != nil {
		return err
	}
	return f.describe(tx)
}

// describe writes down the generation.
func (f *file) describe(tx *bbolt.Tx) error {
	m := tx.Bucket(metaBucket)
	return errors.Join(m.Put(genKey, bucketName(f.gen)), m.Put(usedKey, binary.BigEndian.AppendUint64(nil, uint64(f.used))))
}

// read returns a record, nil if there is none.
func (f *file) read(rk recordKey) (r record, err error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return nil, nil
	}
	key := rk.bytes()
	err = f.contained(func() error {
		return f.db.View(func(tx *bbolt.Tx) error {
			gen := binary.BigEndian.Uint32(tx.Bucket(metaBucket).Get(genKey))
			for _, g := range []uint32{gen, gen - 1} {
				b := tx.Bucket(bucketName(g))
				if b == nil {
					continue
				}
				if v := b.Get(key); v != nil {
					r, err = parseRecord(key, append([]byte(nil), v...))
					return err
				}
			}
			return nil
		})
	})
	return r, err
}

// write puts records into the young generation.
func (f *file) write(changes []change) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return nil
	}
	gen, used := f.gen, f.used
	put := func(tx *bbolt.Tx) error {
		if f.used > f.limit/fullAt {
			if err := f.rotate(tx); err != nil {
				return err
			}
		}
		b := tx.Bucket(bucketName(f.gen))
		for _, c := range changes {
			key := c.key.bytes()
			f.used += int64(len(key) + len(c.record) - len(b.Get(key)))
			if err := b.Put(key, c.record); err != nil {
				return err
			}
		}
		return f.describe(tx)
	}
	err := f.contained(func() error { return f.db.Update(put) })
	if !errors.Is(err, bolterrors.ErrMaxSizeReached) {
		return err
	}
	// Pages of a file that is nearly full: the old generation makes room, for
	// the next time; these changes are lost.
	f.gen, f.used = gen, used
	return f.contained(func() error { return f.db.Update(f.rotate) })
}

// close closes the file, if it can be.
func (f *file) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed = true; !f.lost.Load() {
		_ = contained(f.db.Close) // the next start checks what it finds
	}
}

// contained calls fn. After a panic bbolt holds its locks for ever: db is not
// touched again, and stays open as long as the process lives.
func (f *file) contained(fn func() error) error {
	err := contained(fn)
	if _, panicked := errors.AsType[*panicError](err); panicked {
		f.lost.Store(true)
	}
	return err
}

// contained calls fn and turns a panic, and a fault in a mapping whose file has
// become shorter, into an error.
func contained(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{p}
		}
	}()
	return fn()
}

// panicError is what bbolt panicked with: it was given a damaged file.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("%v: %v", errDamaged, e.value) }
func (e *panicError) Unwrap() error { return errDamaged }
