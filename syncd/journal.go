package syncd

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"sync"

	"github.com/zeebo/xxh3"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// A journal says which ranges of a staged file have arrived from which version
// of the source's, each with the digest that the source gave. It is a header of
// 128 bytes and records of 64, appended as ranges are verified; integers are
// little-endian:
//
//	header  | magic 8 | format u16 | algorithm u8 | 0 u8 | 0 u32 | version 40 | SHA-256 of the path 32 | 0 32 | sum u64 |
//	record  | off u64 | n u64 | digest 32, zeros behind it | 0 8 | sum u64 |
//
// version is size u64, mtime i64 u32, ctime i64 u32 and inode u64. sum is the XXH3
// of what is before it; that of a record is seeded with the header's, so that a
// record counts under its own header only. Nothing is synced: a record is a claim,
// and whoever resumes hashes the range again.
const (
	journalMagic  = "SYNCDJ\r\n"
	journalFormat = 1
	journalHeader = 128
	journalRecord = 64
	journalDigest = 32 // bytes that a record has for a digest

	// journalStep is how many bytes of the file may be verified before their
	// records are written: what a killed run loses beside what was on its way.
	journalStep = 1 << 20
)

// errOtherVersion says that a journal is about another file, or another version
// of it, or has digests of another algorithm.
var errOtherVersion = errors.New("the journal is of another version of the file")

// errNoJournal says that there is no journal in what is there.
var errNoJournal = errors.New("the journal is damaged")

// journalOf says what a journal is about.
type journalOf struct {
	path    string // of the file, as the source names it
	version wire.Version
	alg     delta.Algorithm
}

func (o journalOf) header() []byte {
	le := binary.LittleEndian
	b := append(make([]byte, 0, journalHeader), journalMagic...)
	b = le.AppendUint16(b, journalFormat)
	b = append(b, byte(o.alg), 0, 0, 0, 0, 0)
	v := o.version
	b = le.AppendUint64(b, uint64(v.Size))
	b = le.AppendUint32(le.AppendUint64(b, uint64(v.Mtime.Sec)), v.Mtime.Nsec)
	b = le.AppendUint32(le.AppendUint64(b, uint64(v.Ctime.Sec)), v.Ctime.Nsec)
	b = le.AppendUint64(b, v.Ino)
	name := sha256.Sum256([]byte(o.path))
	b = append(b, name[:]...)
	b = append(b, make([]byte, journalHeader-8-len(b))...)
	return le.AppendUint64(b, xxh3.Hash(b))
}

// journaled is one record: a range and its digest. Holes are not recorded: to ask
// for one again costs nothing.
type journaled struct {
	native.Range
	digest []byte
}

func (r journaled) append(b []byte, seed uint64) []byte {
	le, at := binary.LittleEndian, len(b)
	b = le.AppendUint64(b, uint64(r.Off))
	b = le.AppendUint64(b, uint64(r.N))
	var digest [journalDigest + 8]byte
	copy(digest[:], r.digest)
	b = append(b, digest[:]...)
	return le.AppendUint64(b, xxh3.HashSeed(b[at:], seed))
}

// parse decodes the record b of a file of size bytes. The digest shares b.
func (r *journaled) parse(b []byte, seed uint64, size int64, digest int) bool {
	le := binary.LittleEndian
	sum := len(b) - 8
	if le.Uint64(b[sum:]) != xxh3.HashSeed(b[:sum], seed) {
		return false
	}
	off, n := le.Uint64(b), le.Uint64(b[8:])
	if n == 0 || off > uint64(size) || n > uint64(size)-off {
		return false
	}
	*r = journaled{Range: native.Range{Off: int64(off), N: int64(n)}, digest: b[16 : 16+digest]}
	return true
}

// readJournal checks the header of a journal and calls fn with its records
// until fn returns false; a digest is valid until fn returns. It returns where the
// next record belongs, and whether there were records that do not count: cut
// short, or damaged. The error is errOtherVersion or errNoJournal if there is
// nothing to use in it.
func readJournal(r io.Reader, of journalOf, fn func(journaled) bool) (end int64, damaged bool, err error) {
	want := of.header()
	got := make([]byte, journalHeader)
	if _, err := io.ReadFull(r, got); err != nil {
		return 0, false, errNoJournal
	}
	if !bytes.Equal(got, want) {
		sum := journalHeader - 8
		if string(got[:8]) != journalMagic || binary.LittleEndian.Uint64(got[sum:]) != xxh3.Hash(got[:sum]) {
			return 0, false, errNoJournal
		}
		return 0, false, errOtherVersion
	}
	seed := binary.LittleEndian.Uint64(want[journalHeader-8:])
	end = journalHeader
	b := make([]byte, journalRecord)
	for {
		switch _, err := io.ReadFull(r, b); err {
		case nil:
			end += journalRecord
		case io.EOF:
			return end, damaged, nil
		default:
			return end, true, nil // the rest is as good as not there
		}
		var rec journaled
		if !rec.parse(b, seed, of.version.Size, of.alg.Size()) {
			damaged = true
			continue
		}
		if !fn(rec) {
			return end, damaged, nil
		}
	}
}

// journal appends to the journal of a file. It is safe for concurrent use.
type journal struct {
	f journalFile // not owned

	mu      sync.Mutex
	at      int64 // where the next records go
	seed    uint64
	pending []byte // records that are not written yet
	covered int64  // bytes of the file that those are about
}

// journalFile is what a journal is written to.
type journalFile interface {
	io.WriterAt
	Name() string
}

// startJournal begins a journal in an empty file.
func startJournal(f journalFile, of journalOf) (*journal, error) {
	h := of.header()
	j := &journal{f: f, seed: seedOf(h), pending: h}
	return j, j.flush()
}

// goOnJournal appends to a journal that readJournal has read.
func goOnJournal(f journalFile, of journalOf, end int64) *journal {
	return &journal{f: f, at: end, seed: seedOf(of.header())}
}

func seedOf(header []byte) uint64 { return binary.LittleEndian.Uint64(header[journalHeader-8:]) }

// add records a range that was verified.
func (j *journal) add(off, n int64, digest []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending = journaled{native.Range{Off: off, N: n}, digest}.append(j.pending, j.seed)
	if j.covered += n; j.covered < journalStep {
		return nil
	}
	return j.write()
}

// flush writes what is pending.
func (j *journal) flush() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.write()
}

func (j *journal) write() error {
	n, err := j.f.WriteAt(j.pending, j.at)
	if err != nil {
		// What went out in part is overwritten, or counts as damaged.
		return &fs.PathError{Op: "write the journal of", Path: j.f.Name(), Err: cause(err)}
	}
	j.at += int64(n)
	j.pending, j.covered = j.pending[:0], 0
	return nil
}
