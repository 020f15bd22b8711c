package rsync

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/seed9553035b/syncd/delta"
)

// Largest block lengths (rsync.h:MAX_BLOCK_SIZE, OLD_MAX_BLOCK_SIZE).
const (
	maxBlock    = 1 << 17
	maxOldBlock = 1 << 29
)

// A SumHead describes how a basis is cut into blocks. All fields zero: there
// is no basis, the file goes whole. It is four ints on the wire:
//
//	count, block length, bytes of a strong sum, length of a short last block
//
// With --append no block sums follow: the head tells the basis's length.
type SumHead struct {
	Count     int
	Block     int
	StrongLen int
	Remainder int
}

// NewSumHead returns the head for a basis of size bytes. block overrides the
// block length unless 0; redo asks for strong sums as long as they can be
// (generator.c:sum_sizes_sqroot).
func NewSumHead(size int64, block, digestLen int, redo bool) SumHead {
	if size <= 0 {
		return SumHead{}
	}
	if block == 0 {
		block = delta.StockBlockSize(size)
	}
	h := SumHead{Block: block, Remainder: int(size % int64(block))}
	h.Count = int(size / int64(block))
	if h.Remainder != 0 {
		h.Count++
	}
	h.StrongLen = min(16, digestLen)
	if !redo {
		h.StrongLen = delta.StockStrongLen(size, block, digestLen)
	}
	return h
}

// Size returns the length of the basis.
func (h SumHead) Size() int64 {
	n := int64(h.Count) * int64(h.Block)
	if h.Remainder != 0 {
		n -= int64(h.Block - h.Remainder)
	}
	return n
}

// Range returns the bytes of the basis that block k < Count covers.
func (h SumHead) Range(k int) (off, n int64) {
	off, n = int64(k)*int64(h.Block), int64(h.Block)
	if k == h.Count-1 && h.Remainder != 0 {
		n = int64(h.Remainder)
	}
	return off, n
}

// check holds the relations between the fields, in the order in which stock
// reads them (io.c:read_sum_head).
func (h SumHead) check(protocol, digestLen int) error {
	limit := maxBlock
	if protocol < 30 {
		limit = maxOldBlock
	}
	switch {
	case h.Count < 0 || h.Count == math.MaxInt32:
		return protoErrorf("sum head with %d blocks", h.Count)
	case h.Block < 0 || h.Block > limit:
		return protoErrorf("sum head with blocks of %d bytes", h.Block)
	case h.Count > 0 && h.Block == 0:
		return protoErrorf("sum head with %d blocks of no length", h.Count)
	case h.StrongLen < 0 || h.StrongLen > digestLen:
		return protoErrorf("sum head with sums of %d bytes, the digest has %d", h.StrongLen, digestLen)
	case h.Remainder < 0 || h.Remainder > h.Block:
		return protoErrorf("sum head with a rest of %d in blocks of %d", h.Remainder, h.Block)
	}
	return nil
}

// SumHead writes a head (io.c:write_sum_head).
func (w *Writer) SumHead(h SumHead) error {
	for _, v := range [...]int{h.Count, h.Block, h.StrongLen, h.Remainder} {
		if v > math.MaxInt32 {
			return protoErrorf("sum head with a field of %d", v)
		}
		if err := w.Int(int32(v)); err != nil {
			return err
		}
	}
	return nil
}

// SumHead reads and checks a head (io.c:read_sum_head). digestLen is the
// length of the session's checksum.
func (r *Reader) SumHead(digestLen int) (SumHead, error) {
	b, err := r.take(16)
	if err != nil {
		return SumHead{}, fmt.Errorf("read sum head: %w", err)
	}
	var v [4]int
	for i := range v {
		v[i] = int(int32(binary.LittleEndian.Uint32(b[4*i:])))
	}
	h := SumHead{v[0], v[1], v[2], v[3]}
	return h, h.check(r.proto, digestLen)
}

// A Sums is the signature of a basis: weak sums, and strong sums of
// Head.StrongLen bytes each.
type Sums struct {
	Head   SumHead
	Weak   []uint32
	Strong []byte
}

// sum writes the sums of one block.
func (w *Writer) sum(weak uint32, strong []byte) error {
	if err := w.Int(int32(weak)); err != nil {
		return err
	}
	return w.put(strong)
}

// ReadSums reads the block sums behind a head; limit bounds their number. The
// memory grows with what arrives (sender.c:receive_sums).
func ReadSums(r *Reader, h SumHead, limit int) (*Sums, error) {
	if h.Count > limit {
		return nil, protoErrorf("signature of %d blocks, at most %d allowed", h.Count, limit)
	}
	s := &Sums{Head: h}
	// In chunks of whole blocks: each block apart would be a call apart.
	size := 4 + h.StrongLen
	chunk := make([]byte, min(h.Count, allocStep/size)*size)
	for left := h.Count; left > 0; {
		b := chunk[:min(left*size, len(chunk))]
		if err := r.full(b); err != nil {
			return nil, fmt.Errorf("read block sums: %w", err)
		}
		for ; len(b) > 0; b = b[size:] {
			s.Weak = append(s.Weak, binary.LittleEndian.Uint32(b))
			s.Strong = append(s.Strong, b[4:size]...)
			left--
		}
	}
	return s, nil
}

// WriteSums writes a head and its sums (generator.c:generate_and_send_sums).
func WriteSums(w *Writer, s *Sums) error {
	if err := w.SumHead(s.Head); err != nil {
		return err
	}
	n := s.Head.StrongLen
	for i, weak := range s.Weak {
		if err := w.sum(weak, s.Strong[i*n:(i+1)*n]); err != nil {
			return err
		}
	}
	return nil
}
