package wire

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// pipeSize is the capacity that is asked for: the most that an unprivileged
// process may have (fs.pipe-max-size).
const pipeSize = 1 << 20

var pageSize = os.Getpagesize()

// pipe is a non-blocking pipe between files and streams. The zero value has
// no descriptors until open. Its owner counts what is in it.
type pipe struct {
	r, w  int
	slots int // pages that it can hold, however little is on each; 0: not open
	n     int // bytes in it
	used  int // slots that these bytes take, at most; kept by the sender
}

// open makes the pipe if it is not there.
func (p *pipe) open() error {
	if p.slots > 0 {
		return nil
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return fmt.Errorf("wire: pipe: %w", err)
	}
	got, err := unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeSize)
	if err != nil {
		// EPERM: the user's budget for pipes (fs.pipe-user-pages-soft, about
		// 64 of this size) is spent, or fs.pipe-max-size is lower. The pipe
		// is as it was made, down to two pages, which is slower but enough.
		got, err = unix.FcntlInt(uintptr(fds[1]), unix.F_GETPIPE_SZ, 0)
	}
	if err != nil || got < pageSize {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return fmt.Errorf("wire: pipe of %d bytes: %w", got, err)
	}
	*p = pipe{r: fds[0], w: fds[1], slots: got / pageSize}
	return nil
}

// close closes the pipe and drops what is in it. It may be opened again.
func (p *pipe) close() {
	if p.slots > 0 {
		unix.Close(p.r)
		unix.Close(p.w)
	}
	*p = pipe{}
}

// size is the capacity in bytes, if all pages are full.
func (p *pipe) size() int { return p.slots * pageSize }

// free is the number of slots that are surely empty.
func (p *pipe) free() int { return p.slots - p.used }

// put records n bytes that were added and take up to slots more slots.
func (p *pipe) put(n, slots int) {
	p.n += n
	p.used += slots
}

// took records n bytes that were removed. Slots come back only when the pipe
// is empty: how many a part of the bytes frees is the kernel's secret.
func (p *pipe) took(n int) {
	p.n -= n
	if p.n == 0 {
		p.used = 0
	}
}

// sysSplice is splice(2). Tests put a failing one in its place.
var sysSplice = unix.Splice

// splice moves up to n bytes between two descriptors of which one is a pipe.
// SPLICE_F_NONBLOCK is for the pipe; files ignore it and streams go by their
// O_NONBLOCK.
func splice(from int, fromOff *int64, to int, toOff *int64, n int) (int, error) {
	for {
		k, err := sysSplice(from, fromOff, to, toOff, n, unix.SPLICE_F_NONBLOCK)
		if err != unix.EINTR {
			return max(int(k), 0), err
		}
	}
}

// pagesOf returns the number of pages that n bytes from offset off touch.
func pagesOf(off int64, n int) int {
	if n == 0 {
		return 0
	}
	page := int64(pageSize)
	return int((off+int64(n)-1)/page - off/page + 1)
}
