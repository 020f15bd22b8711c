package syncd

import (
	"errors"
	"hash"
	"io"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/tree"
)

// Tuning of hashing.
const (
	// hashBlock is how much is read to be hashed at a time: it stays in the
	// second-level cache of the processor.
	hashBlock = 256 << 10

	// sendPiece and recvPiece are how much of a body is moved between two rounds
	// of hashing, right before it is sent and right after it has come. The one
	// that comes second, the pump or the hash, finds it in the processor's cache.
	// Two passes at the same time on two cores, each from memory, take a third
	// longer.
	sendPiece = 1 << 20
	recvPiece = 512 << 10

	// allocateFrom is the length of a range from which a system call that
	// allocates its blocks at once is less than what it saves.
	allocateFrom = 1 << 20
)

// hasher hashes ranges of files out of the page cache. What it reads is not on
// the way of a body; it counts as Stats.Hash.
type hasher struct {
	alg   delta.Algorithm
	h     hash.Hash
	buf   []byte
	sum   []byte
	stats *Stats
	check *checker // of the same bytes, or nil
}

func newHasher(alg delta.Algorithm, stats *Stats) *hasher {
	return &hasher{alg: alg, h: alg.New(), buf: make([]byte, hashBlock), stats: stats}
}

// start begins a digest.
func (h *hasher) start() {
	h.h.Reset()
	h.check = nil
}

// add hashes n bytes of f from off. It fails if there are fewer.
func (h *hasher) add(f *tree.File, off, n int64) error {
	for n > 0 {
		m, err := f.ReadAt(h.buf[:min(n, hashBlock)], off)
		h.h.Write(h.buf[:m])
		if h.check != nil {
			h.check.write(h.buf[:m])
		}
		h.stats.Hash.Add(int64(m))
		off, n = off+int64(m), n-int64(m)
		if m == 0 || err != nil && n > 0 {
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// digest returns the digest since start; it is valid until the next one.
func (h *hasher) digest() []byte {
	h.sum = h.h.Sum(h.sum[:0])
	return h.sum
}
