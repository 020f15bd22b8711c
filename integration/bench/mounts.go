package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// insideVar is set once the program is in a mount namespace of its own.
const insideVar = "SYNCD_BENCH_OWN_MOUNTS"

// ownMounts runs the program anew in a mount namespace of its own, so that its
// mounts end with it. It returns false where that is not allowed.
func ownMounts() (bool, error) {
	if os.Getenv(insideVar) != "" {
		return true, nil
	}
	if os.Geteuid() != 0 {
		return false, nil
	}
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	// The namespace is that of a thread; exec leaves no other.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		if errors.Is(err, unix.EPERM) { // root of a container
			return false, nil
		}
		return false, fmt.Errorf("make a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return false, fmt.Errorf("make mounts private: %w", err)
	}
	return false, fmt.Errorf("exec %s: %w", self, syscall.Exec(self, os.Args, append(os.Environ(), insideVar+"=1")))
}

// needsMount is an error of a row that is left out.
type needsMount struct{ what string }

func (e needsMount) Error() string { return e.what + " needs a mount: run this as root" }

// destinations returns the directory in which a row makes its destinations.
// The caller calls done when it is empty again.
func (b *bench) destinations(ctx context.Context, r *row, a amount, below string) (dir string, done func() error, err error) {
	dir = filepath.Join(below, "to")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", nil, err
	}
	nothing := func() error { return nil }
	switch r.on {
	case onTmpfs:
		if b.mounts {
			if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
				return "", nil, fmt.Errorf("mount tmpfs: %w", err)
			}
			return dir, func() error { return unmount(dir) }, nil
		}
		return sharedMemory(2 * a.total())
	case onXFS:
		if !b.mounts {
			return "", nil, needsMount{"XFS"}
		}
		image := filepath.Join(below, "xfs.img")
		if err := mountImage(ctx, image, dir, imageSize(a), "mkfs.xfs", "-q", "-m", "reflink=1"); err != nil {
			return "", nil, err
		}
		return dir, func() error { return unmount(dir) }, nil
	case onMemory:
		if !b.mounts {
			return "", nil, needsMount{"ext4 in memory"}
		}
		disk := filepath.Join(below, "disk")
		if err := os.Mkdir(disk, 0o755); err != nil {
			return "", nil, err
		}
		if err := unix.Mount("tmpfs", disk, "tmpfs", 0, ""); err != nil {
			return "", nil, fmt.Errorf("mount tmpfs: %w", err)
		}
		image := filepath.Join(disk, "ext4.img")
		// Nothing is to be initialized behind a timed run.
		if err := mountImage(ctx, image, dir, imageSize(a), "mkfs.ext4", "-q", "-E", "lazy_itable_init=0"); err != nil {
			return "", nil, errors.Join(err, unmount(disk))
		}
		return dir, func() error { return errors.Join(unmount(dir), unmount(disk)) }, nil
	}
	return dir, nothing, nil
}

// sharedMemory is a directory on the tmpfs that any user may write to, if it
// has the room.
func sharedMemory(need int64) (string, func() error, error) {
	const shm = "/dev/shm"
	var st unix.Statfs_t
	if err := unix.Statfs(shm, &st); err != nil || st.Type != unix.TMPFS_MAGIC || int64(st.Bavail)*st.Bsize < need {
		return "", nil, needsMount{"tmpfs"}
	}
	dir, err := os.MkdirTemp(shm, "syncd-bench-*")
	return dir, func() error { return os.RemoveAll(dir) }, err
}

// imageSize has room for the basis, the new version, what is touched, and the file
// system's own.
func imageSize(a amount) int64 { return 4*a.total() + gib }

// mountImage makes a file system of n bytes in a sparse file and mounts it. The
// loop device goes with the mount.
func mountImage(ctx context.Context, image, dir string, n int64, mkfs ...string) error {
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(image, n); err != nil {
		return err
	}
	for _, args := range [][]string{append(mkfs, image), {"mount", "-o", "loop", image, dir}} {
		c, output := newCommand(ctx, args)
		if err := c.Run(); err != nil {
			return failed(args, err, output.String())
		}
	}
	return nil
}

func unmount(dir string) error {
	if err := unix.Unmount(dir, 0); err != nil {
		// Something still holds it: off the tree, it goes when that ends.
		return errors.Join(fmt.Errorf("unmount %s: %w", dir, err), unix.Unmount(dir, unix.MNT_DETACH))
	}
	return nil
}
