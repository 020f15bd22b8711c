package tree

import (
	"os"

	"golang.org/x/sys/unix"
)

// Allocate gives n bytes of f from off their blocks before they are written,
// where that makes writing cheaper, and reports whether it did. The size stays.
//
// On ext4, writing a GiB through the page cache takes 0.24 instead of 0.31 CPU-s
// behind it: nothing has to be noted for each page whose place is still open. XFS
// notes extents, so there is nothing to save; tmpfs would look up each page
// twice; btrfs would not compress what it has allocated so.
//
// It is a hint: on a full disk the write that follows says so.
func Allocate(f *File, off, n int64) bool {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(f.num(), &fs); err != nil || fs.Type != unix.EXT4_SUPER_MAGIC {
		return false
	}
	return retry(func() error { return unix.Fallocate(f.num(), unix.FALLOC_FL_KEEP_SIZE, off, n) }) == nil
}

// Unallocate makes n bytes of f from off a hole, also where Allocate gave blocks to what
// is behind the end. The size is off+n then, or what it was if that is more.
func Unallocate(f *File, off, n int64) error {
	if n > 0 {
		// Behind the end nothing is punched. A block there moves it, and unlike a new
		// size never cuts off what others write. If it fails, no more than room is lost.
		_ = retry(func() error { return unix.Fallocate(f.num(), 0, off+n-1, 1) })
	}
	return Punch(f, off, n)
}

// StartWriting has the kernel begin to write n bytes of f from off to the disk,
// or all behind off if n is 0, and does not wait.
//
// It goes before a rename over an old file. There ext4 starts that by itself, so
// that a crash some seconds later finds the old content or the new one, but not
// for what was allocated ahead.
func StartWriting(f *File, off, n int64) error {
	err := retry(func() error { return unix.SyncFileRange(f.num(), off, n, unix.SYNC_FILE_RANGE_WRITE) })
	return os.NewSyscallError("sync_file_range", err)
}

// LetGo tells the kernel that n bytes of f from off will not be read again.
func LetGo(f *File, off, n int64) error {
	return os.NewSyscallError("fadvise", unix.Fadvise(f.num(), off, n, unix.FADV_DONTNEED))
}
