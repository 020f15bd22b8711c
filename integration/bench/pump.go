package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// The bare pump: sendfile(2) from a file to a socket on one side, splice(2)
// from the socket through a pipe to a file on the other, in one thread each, on
// blocking descriptors. A header of 8 bytes, little-endian, is the length. A file that
// is there is replaced, and the disk given the new one in pieces of pumpStart bytes.
const (
	pumpCommand = "_pump"
	pumpHeader  = 8
	pumpPipe    = mib // what an unprivileged user may have
	pumpStart   = 4 * mib
)

// pumpMain is the pump's side of the program:
//
//	_pump listen|dial ADDR send|receive FILE
//
// It prints how many bytes went, and serves one connection.
func pumpMain(args []string) int {
	if len(args) != 4 {
		fmt.Fprintln(os.Stderr, "bench: _pump is for the bench itself")
		return 1
	}
	n, err := pumpFile(args[0], args[1], args[2], args[3])
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: pump: %s %s: %v\n", args[2], args[3], err)
		return 1
	}
	fmt.Println(n)
	return 0
}

func pumpFile(how, addr, verb, path string) (int64, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil {
		return 0, err
	}
	sock, err := pumpSocket(how, at)
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", how, addr, err)
	}
	defer unix.Close(sock)
	if verb == "send" {
		return pumpSend(sock, path)
	}
	return pumpReceive(sock, path)
}

func pumpSocket(how string, at netip.AddrPort) (int, error) {
	sock, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	addr := &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	if how == "dial" {
		return sock, retry(func() error { return unix.Connect(sock, addr) })
	}
	defer unix.Close(sock)
	if err := errors.Join(unix.SetsockoptInt(sock, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.Bind(sock, addr), unix.Listen(sock, 1)); err != nil {
		return -1, err
	}
	conn := -1
	err = retry(func() (err error) {
		conn, _, err = unix.Accept4(sock, unix.SOCK_CLOEXEC)
		return err
	})
	return conn, err
}

func pumpSend(sock int, path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	size := st.Size()
	header := binary.LittleEndian.AppendUint64(nil, uint64(size))
	if n, err := unix.Write(sock, header); err != nil || n != pumpHeader {
		return 0, fmt.Errorf("send %d of %d bytes of the header: %w", n, pumpHeader, err)
	}
	fd := int(f.Fd())
	for off := int64(0); off < size; {
		n, err := transferred(func() (int64, error) {
			n, err := unix.Sendfile(sock, fd, &off, int(min(size-off, gib)))
			return int64(n), err
		})
		if err != nil {
			return off, fmt.Errorf("sendfile: %w", err)
		}
		if n == 0 {
			return off, io.ErrUnexpectedEOF
		}
	}
	// The receiver closes when it has written all.
	if err := unix.Shutdown(sock, unix.SHUT_WR); err != nil {
		return size, err
	}
	return size, retry(func() error {
		_, err := unix.Read(sock, header)
		return err
	})
}

func pumpReceive(sock int, path string) (int64, error) {
	header := make([]byte, pumpHeader)
	if n, err := unix.Read(sock, header); err != nil || n != pumpHeader {
		return 0, fmt.Errorf("receive %d of %d bytes of the header: %w", n, pumpHeader, err)
	}
	size := int64(binary.LittleEndian.Uint64(header))
	old, err := os.Open(path) // to be freed by a close, as a basis is
	replaces := err == nil
	name := path
	if replaces {
		defer old.Close()
		name += ".new"
	}
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	fd := int(f.Fd())
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return 0, err
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	// Less than this works too, only slower.
	_, _ = unix.FcntlInt(uintptr(pipe[1]), unix.F_SETPIPE_SZ, pumpPipe)
	for got, started := int64(0), int64(0); got < size; {
		in, err := splice(sock, pipe[1], min(size-got, pumpPipe))
		if err != nil {
			return got, fmt.Errorf("splice from the socket: %w", err)
		}
		for in > 0 { // the pipe is filled only when empty
			out, err := splice(pipe[0], fd, in)
			if err != nil {
				return got, fmt.Errorf("splice to the file: %w", err)
			}
			in, got = in-out, got+out
		}
		if replaces && (got-started >= pumpStart || got == size) {
			if err := unix.SyncFileRange(fd, started, got-started, unix.SYNC_FILE_RANGE_WRITE); err != nil {
				return got, fmt.Errorf("start writing: %w", err)
			}
			started = got
		}
	}
	if replaces {
		if err := os.Rename(name, path); err != nil {
			return size, err
		}
		if err := old.Close(); err != nil {
			return size, err
		}
	}
	return size, f.Close()
}

// splice moves up to n bytes, and at least one.
func splice(from, to int, n int64) (int64, error) {
	moved, err := transferred(func() (int64, error) {
		return unix.Splice(from, nil, to, nil, int(n), unix.SPLICE_F_MOVE)
	})
	if err == nil && moved == 0 {
		err = io.ErrUnexpectedEOF
	}
	return moved, err
}

// retry calls f until no signal interrupts it: the runtime sends them to itself.
func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

func transferred(f func() (int64, error)) (n int64, err error) {
	err = retry(func() error {
		n, err = f()
		return err
	})
	return n, err
}
