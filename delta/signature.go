package delta

import (
	"encoding/binary"
	"fmt"
)

// Signature holds the weak and strong sums of a file's blocks. Block i covers
// Params.Block bytes from i*Params.Block; the last one may be shorter. It is
// immutable and may be used by any number of searches at once.
type Signature struct {
	params Params
	size   int64
	weak   []uint32 // one for each block
	strong []byte   // params.StrongLen bytes for each block
}

// NewSignature makes a signature out of sums that came from elsewhere, such as a
// stock peer: one weak sum for each block and p.StrongLen bytes of strong sum
// for each, in one slab. It keeps both slices.
func NewSignature(p Params, size int64, weak []uint32, strongs []byte) (*Signature, error) {
	blocks, err := p.blocks(size)
	if err != nil {
		return nil, err
	}
	if len(weak) != blocks || len(strongs) != blocks*p.StrongLen {
		return nil, fmt.Errorf("%w: %d weak sums and %d bytes of strong sums for %d blocks",
			ErrSignature, len(weak), len(strongs), blocks)
	}
	return &Signature{params: p, size: size, weak: weak, strong: strongs}, nil
}

// newSignature returns one without sums.
func newSignature(p Params, size int64) (*Signature, error) {
	blocks, err := p.blocks(size)
	if err != nil {
		return nil, err
	}
	return &Signature{
		params: p,
		size:   size,
		weak:   make([]uint32, blocks),
		strong: make([]byte, blocks*p.StrongLen),
	}, nil
}

// Params returns how the sums were made.
func (s *Signature) Params() Params { return s.params }

// Size returns the size of the signed file in bytes.
func (s *Signature) Size() int64 { return s.size }

// Blocks returns the number of blocks.
func (s *Signature) Blocks() int { return len(s.weak) }

// Block returns the offset and length in bytes of block i.
func (s *Signature) Block(i int) (off int64, n int) {
	off = int64(i) * int64(s.params.Block)
	return off, int(min(int64(s.params.Block), s.size-off))
}

// Weak returns the weak sum of block i.
func (s *Signature) Weak(i int) uint32 { return s.weak[i] }

// Strong returns the strong sum of block i, StrongLen bytes that the caller
// must not change.
func (s *Signature) Strong(i int) []byte {
	n := s.params.StrongLen
	return s.strong[i*n : i*n+n : i*n+n]
}

// full returns how many blocks are of full length, short the length of the
// last one if it is not, else 0.
func (s *Signature) full() (full, short int) {
	short = int(s.size % int64(s.params.Block))
	full = len(s.weak)
	if short > 0 {
		full--
	}
	return full, short
}

// part returns the signature of some blocks of the file, from block from up to to, as
// if they were a file of their own. It shares memory with s.
func (s *Signature) part(from, to int) *Signature {
	n := int64(s.params.Block)
	return &Signature{
		params: s.params,
		size:   min(int64(to)*n, s.size) - min(int64(from)*n, s.size),
		weak:   s.weak[from:to:to],
		strong: s.strong[from*s.params.StrongLen : to*s.params.StrongLen : to*s.params.StrongLen],
	}
}

// The encoding of a signature, little-endian:
//
//	 0       1       2       3       4               8
//	+-------+-------+-------+-------+---------------+
//	|version|strong |strong |flags  |seed           |
//	|= 2    |hash   |length |       |int32          |
//	+-------+-------+-------+-------+---------------+
//	|block, bytes   |blocks, N      |
//	|uint32         |uint32         |
//	+---------------+---------------+---------------+
//	|size of the file, int64                        |
//	+-----------------------------------------------+
//
// and then the blocks in groups of [Group], of which the last may have fewer:
//
//	+-----------------------------------------------+
//	|n weak sums, uint32 each                       |
//	+-----------------------------------------------+
//	|n strong sums, "strong length" bytes each      |
//	+-----------------------------------------------+
//
// Flag bit 0 is SeedFirst, the others are 0. N must be ceil(size / block) and
// nothing may follow the last sum.
const (
	encodingVersion   = 2
	encodingHeader    = 24
	encodingSeedFirst = 1 << 0
)

// Group is how many blocks follow each other in an encoding with all that is known of
// them, so that a receiver can use them while the rest is on its way: 64 MiB of a file of
// 1 GiB, some 10 ms of work for who signs it and for who searches for it.
const Group = 1 << 11

// EncodedLen returns the length in bytes of the encoding of a signature for a
// file of that size.
func EncodedLen(p Params, size int64) (int64, error) {
	blocks, err := p.blocks(size)
	if err != nil {
		return 0, err
	}
	return encodingHeader + int64(blocks)*int64(4+p.StrongLen), nil
}

// AppendBinary appends the encoding to dst. Its error is always nil; it
// implements encoding.BinaryAppender.
func (s *Signature) AppendBinary(dst []byte) ([]byte, error) {
	return s.AppendGroups(dst, 0, s.Blocks()), nil
}

// AppendGroups appends what the encoding has of the blocks from block from up to to, and
// of the header if from is 0. Both are multiples of Group, but for a to that is Blocks().
func (s *Signature) AppendGroups(dst []byte, from, to int) []byte {
	if from == 0 {
		dst = s.appendHeader(dst)
	}
	for ; from < to; from += Group {
		end := min(from+Group, to)
		for _, weak := range s.weak[from:end] {
			dst = binary.LittleEndian.AppendUint32(dst, weak)
		}
		dst = append(dst, s.strong[from*s.params.StrongLen:end*s.params.StrongLen]...)
	}
	return dst
}

func (s *Signature) appendHeader(dst []byte) []byte {
	p := s.params
	var flags byte
	if p.SeedFirst {
		flags |= encodingSeedFirst
	}
	le := binary.LittleEndian
	dst = append(dst, encodingVersion, byte(p.Strong), byte(p.StrongLen), flags)
	dst = le.AppendUint32(dst, uint32(p.Seed))
	dst = le.AppendUint32(dst, uint32(p.Block))
	dst = le.AppendUint32(dst, uint32(len(s.weak)))
	return le.AppendUint64(dst, uint64(s.size))
}

// parseHeader decodes the first encodingHeader bytes of data.
func parseHeader(data []byte) (p Params, size int64, blocks int, err error) {
	le := binary.LittleEndian
	if data[0] != encodingVersion {
		return p, 0, 0, fmt.Errorf("%w: version %d", ErrSignature, data[0])
	}
	flags := data[3]
	if flags&^encodingSeedFirst != 0 {
		return p, 0, 0, fmt.Errorf("%w: flags %#x", ErrSignature, flags)
	}
	p = Params{
		Strong:    Algorithm(data[1]),
		StrongLen: int(data[2]),
		Seed:      int32(le.Uint32(data[4:])),
		SeedFirst: flags&encodingSeedFirst != 0,
		Block:     int(min(le.Uint32(data[8:]), MaxBlock+1)), // an int may have 32 bits
	}
	size = int64(le.Uint64(data[16:]))
	if blocks, err = p.blocks(size); err != nil {
		return p, 0, 0, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if claimed := le.Uint32(data[12:]); claimed != uint32(blocks) {
		return p, 0, 0, fmt.Errorf("%w: %d blocks for a file of %d", ErrSignature, claimed, size)
	}
	return p, size, blocks, nil
}

// ParseSignature decodes what AppendBinary wrote; data must hold nothing else.
// It allocates no more than len(data) bytes, whatever the header claims, and
// does not keep data.
func ParseSignature(data []byte) (*Signature, error) {
	if len(data) < encodingHeader {
		return nil, fmt.Errorf("%w: %d bytes are less than a header", ErrSignature, len(data))
	}
	p, size, blocks, err := parseHeader(data)
	if err != nil {
		return nil, err
	}
	if int64(len(data)) != encodingHeader+int64(blocks)*int64(4+p.StrongLen) {
		return nil, fmt.Errorf("%w: %d blocks in %d bytes", ErrSignature, blocks, len(data))
	}
	d, err := NewDecoder(p, size)
	if err == nil {
		_, err = d.Write(data)
	}
	if err != nil {
		return nil, err
	}
	return d.Signature(), nil
}
