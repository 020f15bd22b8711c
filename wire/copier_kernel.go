package wire

import (
	"io"

	"golang.org/x/sys/unix"
)

// cloneRange and copyFileRange are the system calls. Tests put failing ones
// in their place.
var (
	cloneRange    = unix.IoctlFileCloneRange
	copyFileRange = unix.CopyFileRange
)

// justSplices tells file systems on which copy_file_range is splice(2) through a pipe
// of 16 pages, made by the kernel. Through one of 1 MiB 1 GiB takes 0.31 instead of
// 0.52 CPU-s on ext4, 0.17 instead of 0.45 on XFS. Tests replace it.
var justSplices = func(fsType int64) bool {
	switch fsType {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return true
	}
	return false
}

// clone shares the aligned middle of the range by FICLONERANGE and copies its
// edges, if both ends lie alike within a block. It reports whether that was
// all.
func (r *copyRange) clone() (bool, error) {
	block := r.means.block
	if !r.means.clone || r.srcOff%block != r.dstOff%block {
		return false, nil
	}
	head := (block - r.srcOff%block) % block
	middle := (r.n - head) / block * block
	if middle <= 0 {
		return false, nil
	}
	arg := unix.FileCloneRange{
		Src_fd:      int64(r.src.Fd()),
		Src_offset:  uint64(r.srcOff + head),
		Src_length:  uint64(middle),
		Dest_offset: uint64(r.dstOff + head),
	}
	err := retry(func() error {
		defer lock(r.dst).Unlock()
		return cloneRange(int(r.dst.Fd()), &arg)
	})
	if err != nil {
		return false, r.cloneRefused(err)
	}
	r.st.Reflink.Add(middle)

	edge := *r
	edge.n = head
	if err := edge.rest(); err != nil {
		return false, err
	}
	r.advance(head + middle)
	return r.n == 0, nil
}

// probe asks for a range that lies across blocks: a file system that could share
// others refuses it with EINVAL, and one that never does in another way.
func (r *copyRange) probe() bool {
	arg := unix.FileCloneRange{Src_fd: int64(r.src.Fd()), Src_offset: 1, Src_length: 1, Dest_offset: 1}
	err := retry(func() error { return cloneRange(int(r.dst.Fd()), &arg) })
	if err == nil || r.cloneRefused(err) != nil {
		return true
	}
	return r.c.lookup(r.pair, int(r.dst.Fd())).clone
}

// cloneRefused learns from the errno of FICLONERANGE. All of them leave the
// destination as it was, so the next means may try.
func (r *copyRange) cloneRefused(err error) error {
	switch err {
	case unix.EOPNOTSUPP, unix.ENOTTY, unix.ENOSYS, // the file system has no reflinks
		unix.EXDEV: // or not between these two mounts
		r.learn(func(m *means) { m.clone = false })
		return nil
	case unix.EINVAL, // a source that ends within the range; files of odd kinds
		unix.EPERM, unix.ETXTBSY, // immutable, append-only; a swap file
		unix.EIO: // write-back of the source failed; copy_file_range will say so
		return nil
	}
	return fileError("FICLONERANGE", r.dst, r.dstOff, err)
}

// rest copies the range by the means behind clone.
func (r *copyRange) rest() error {
	if r.n == 0 {
		return nil
	}
	if done, err := r.inKernel(); done || err != nil {
		return err
	}
	if done, err := r.splice(); done || err != nil {
		return err
	}
	return r.copy()
}

// inKernel copies by copy_file_range. It reports whether that was all.
func (r *copyRange) inKernel() (bool, error) {
	if !r.means.copyRange {
		return false, nil
	}
	for first := true; r.n > 0; first = false {
		srcOff, dstOff := r.srcOff, r.dstOff
		var k int
		err := retry(func() (err error) {
			defer lock(r.dst).Unlock()
			k, err = copyFileRange(int(r.src.Fd()), &srcOff, int(r.dst.Fd()), &dstOff, int(min(r.n, maxCall)), 0)
			return err
		})
		switch {
		case err != nil:
			return false, r.copyRangeRefused(err)
		case k == 0 && first:
			// The end of the file, or a kernel (before 5.19) that takes a
			// generated file of size 0 for empty. The next means knows.
			return false, nil
		case k == 0:
			return false, fileError("copy_file_range", r.src, r.srcOff, io.ErrUnexpectedEOF)
		}
		r.st.CopyFileRange.Add(int64(k))
		r.advance(int64(k))
	}
	return true, nil
}

// copyRangeRefused learns from the errno of copy_file_range.
func (r *copyRange) copyRangeRefused(err error) error {
	switch err {
	case unix.ENOSYS, // seccomp
		unix.EOPNOTSUPP, // NFS, some FUSE
		unix.EXDEV:      // two kinds of file system
		r.learn(func(m *means) { m.copyRange = false })
		return nil
	case unix.EINVAL, // a file of an odd kind
		unix.EPERM, // an immutable destination, or seccomp
		unix.EIO:   // CIFS and others give it for what they cannot do
		return nil
	}
	return fileError("copy_file_range", r.dst, r.dstOff, err)
}

// splice copies through a pipe. It reports whether that was all.
func (r *copyRange) splice() (bool, error) {
	p, err := r.c.takePipe()
	if err != nil {
		// No descriptors left; a copy needs none.
		r.st.Fallback("copy: no pipe")
		return false, nil
	}
	defer func() { r.c.putPipe(p) }()
	// Writes that begin and end at a multiple of half a pipe are given larger folios,
	// and what they read fits however it lies in its pages.
	unit := int64(p.size()) / 2
	for r.n > 0 {
		srcOff := r.srcOff
		k, err := splice(int(r.src.Fd()), &srcOff, p.w, nil, int(min(r.n, unit-r.dstOff%unit)))
		switch {
		case err == unix.EINVAL || err == unix.EAGAIN:
			r.st.Fallback("copy: splice from file refused")
			return false, nil
		case err == nil && k == 0:
			err = io.ErrUnexpectedEOF
			fallthrough
		case err != nil:
			return false, fileError("splice", r.src, r.srcOff, err)
		}
		p.put(k, 0)
		if refused, err := r.unload(&p); refused || err != nil {
			return false, err
		}
	}
	return true, nil
}

// unload moves what is in p to the destination. The source's offset follows,
// so bytes that stay in p are not lost: the next means reads them again.
func (r *copyRange) unload(p *pipe) (refused bool, err error) {
	defer lock(r.dst).Unlock()
	for p.n > 0 {
		dstOff := r.dstOff
		k, err := splice(p.r, nil, int(r.dst.Fd()), &dstOff, p.n)
		switch {
		case err == unix.EINVAL:
			r.st.Fallback("copy: splice to file refused")
			return true, nil
		case err == nil && k == 0:
			err = io.ErrShortWrite
			fallthrough
		case err != nil:
			return false, fileError("splice", r.dst, r.dstOff, err)
		}
		p.took(k)
		r.st.Splice.Add(int64(k))
		r.advance(int64(k))
	}
	return false, nil
}

// retry calls f until no signal interrupts it.
func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
