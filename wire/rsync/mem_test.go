package rsync_test

import (
	"bytes"
	"cmp"
	"io"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// A memStream is an InStream and OutStream in memory.
type memStream struct {
	bytes.Buffer
	held []func() error // what GatherFile holds back
}

func (m *memStream) Flush() error { return nil }

func (m *memStream) SendFile(src wire.File, off, n int64) error {
	b := make([]byte, n)
	_, err := src.ReadAt(b, off)
	m.Write(b)
	if err != nil {
		return &wire.FileError{Op: "pread", Path: src.Name(), Off: off, Err: err}
	}
	return nil
}

func (m *memStream) RecvFile(dst wire.File, off, n int64) error {
	if len(m.held) > 0 {
		return cmp.Or(m.GatherFile(dst, off, n, 0), m.WriteOut())
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(m, b); err != nil {
		return io.ErrUnexpectedEOF
	}
	if _, err := dst.WriteAt(b, off); err != nil {
		return &wire.FileError{Op: "pwrite", Path: dst.Name(), Off: off, Err: err}
	}
	return nil
}

// GatherFile holds back all that it can.
func (m *memStream) GatherFile(dst wire.File, off, n, _ int64) error {
	b := &memStream{}
	if k, _ := io.CopyN(b, m, n); k < n {
		return io.ErrUnexpectedEOF
	}
	m.held = append(m.held, func() error { return b.RecvFile(dst, off, n) })
	return nil
}

func (m *memStream) WriteOut() error {
	var failed error
	for _, write := range m.held {
		failed = cmp.Or(failed, write())
	}
	m.held = nil
	return failed
}

func (m *memStream) Discard(n int64) error {
	if got := int64(len(m.Next(int(min(n, int64(m.Len())))))); got < n {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// reader returns a raw Reader of bytes.
func reader(b []byte, protocol int) *rsync.Reader {
	m := &memStream{}
	m.Write(b)
	r := rsync.NewReader(m, true)
	r.SetProtocol(protocol)
	return r
}

// writer returns a raw Writer and where it writes to.
func writer(protocol int) (*rsync.Writer, *memStream) {
	m := &memStream{}
	w := rsync.NewWriter(m)
	w.SetProtocol(protocol)
	return w, m
}

// encoded returns what use writes.
func encoded(protocol int, use func(w *rsync.Writer)) []byte {
	w, m := writer(protocol)
	use(w)
	if err := w.Flush(); err != nil {
		panic(err)
	}
	return bytes.Clone(m.Bytes())
}
