package syncd

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
)

// spoolMemory is how many bytes of records a spool holds before it goes to
// an unlinked file.
const spoolMemory = 1 << 20

// The kinds of records.
const (
	spoolDelete   = 'd' // a name that the source does not have
	spoolLeftover = 'l' // what a killed run left behind
)

// spool is a list of names for the end of a run. Its memory does not grow with
// its length.
type spool struct {
	buf     []byte
	file    *os.File
	limited bool // --max-delete stopped the deletions
}

// add appends a record: a name in a directory of the tree.
func (s *spool) add(kind byte, dir, name string) error {
	s.buf = append(s.buf, kind)
	s.buf = binary.AppendUvarint(s.buf, uint64(len(dir)))
	s.buf = binary.AppendUvarint(s.buf, uint64(len(name)))
	s.buf = append(append(s.buf, dir...), name...)
	if len(s.buf) < spoolMemory {
		return nil
	}
	return s.spill()
}

func (s *spool) spill() (err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp("", "syncd-spool-*"); err != nil {
			return fmt.Errorf("make room for the list of deletions: %w", err)
		}
		os.Remove(s.file.Name()) // it lives on until it is closed
	}
	if _, err = s.file.Write(s.buf); err != nil {
		return fmt.Errorf("write the list of deletions: %w", err)
	}
	s.buf = s.buf[:0]
	return nil
}

// each calls fn for every record, in order.
func (s *spool) each(fn func(kind byte, dir, name string) error) error {
	var all io.Reader = bytes.NewReader(s.buf)
	if s.file != nil {
		if err := s.spill(); err != nil {
			return err
		}
		all = io.NewSectionReader(s.file, 0, math.MaxInt64)
	}
	records := bufio.NewReader(all)
	for {
		kind, err := records.ReadByte()
		if err == io.EOF {
			return nil
		}
		dirLen, err1 := binary.ReadUvarint(records)
		nameLen, err2 := binary.ReadUvarint(records)
		if err != nil || err1 != nil || err2 != nil {
			return fmt.Errorf("read the list of deletions: %w", io.ErrUnexpectedEOF)
		}
		b := make([]byte, dirLen+nameLen)
		if _, err := io.ReadFull(records, b); err != nil {
			return fmt.Errorf("read the list of deletions: %w", err)
		}
		if err := fn(kind, string(b[:dirLen]), string(b[dirLen:])); err != nil {
			return err
		}
	}
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
	}
}
