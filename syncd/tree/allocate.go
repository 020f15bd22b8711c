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
func Allocate(f *os.File, off, n int64) bool {
	var fs unix.Statfs_t
	err := control(f, func(fd int) error {
		if err := unix.Fstatfs(fd, &fs); err != nil || fs.Type != unix.EXT4_SUPER_MAGIC {
			return unix.EOPNOTSUPP
		}
		return retry(func() error { return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, off, n) })
	})
	return err == nil
}

// StartWriting has the kernel begin to write n bytes of f from off to the disk,
// or all behind off if n is 0, and does not wait.
//
// It goes before a rename over an old file. There ext4 starts that by itself, so
// that a crash some seconds later finds the old content or the new one, but not
// for what was allocated ahead.
func StartWriting(f *os.File, off, n int64) error {
	err := control(f, func(fd int) error {
		return retry(func() error { return unix.SyncFileRange(fd, off, n, unix.SYNC_FILE_RANGE_WRITE) })
	})
	return os.NewSyscallError("sync_file_range", err)
}

// LetGo tells the kernel that n bytes of f from off will not be read again.
func LetGo(f *os.File, off, n int64) error {
	err := control(f, func(fd int) error {
		return unix.Fadvise(fd, off, n, unix.FADV_DONTNEED)
	})
	return os.NewSyscallError("fadvise", err)
}
