package delta

import (
	"encoding/binary"
	"fmt"
	"io"
)

// A Decoder decodes a signature that comes in pieces.
type Decoder struct {
	sig    *Signature // nil before the header, if nothing is known of it
	most   int64      // then: bytes of an encoding
	blocks int        // decoded
	header bool       // likewise
	rest   []byte     // of what came: the begin of the next group, or of the header
}

var _ io.Writer = (*Decoder)(nil)

// NewDecoder returns a decoder of the signature of a file of that size, with these
// parameters: of no other. It allocates what the signature takes.
func NewDecoder(p Params, size int64) (*Decoder, error) {
	sig, err := newSignature(p, size)
	if err != nil {
		return nil, err
	}
	return &Decoder{sig: sig}, nil
}

// NewAnyDecoder returns a decoder of any signature whose encoding is no longer than that
// many bytes. It allocates what the signature takes once it has the header.
func NewAnyDecoder(most int64) *Decoder { return &Decoder{most: most} }

// Signature returns the signature. The sums of its first Blocks() blocks are there;
// nothing may look at the others. It is nil as long as the decoder knows no size.
func (d *Decoder) Signature() *Signature { return d.sig }

// Blocks returns how many blocks have been decoded: a multiple of Group, or all.
func (d *Decoder) Blocks() int { return d.blocks }

// Complete reports whether all of the encoding has come.
func (d *Decoder) Complete() bool { return d.header && d.blocks == d.sig.Blocks() }

// Write takes the next piece of the encoding. An error is an ErrSignature; the decoder
// is of no use after it.
func (d *Decoder) Write(piece []byte) (n int, err error) {
	n = len(piece)
	for len(piece) > 0 {
		want := d.wanted()
		if want == 0 {
			return 0, fmt.Errorf("%w: %d bytes behind its end", ErrSignature, len(piece))
		}
		unit := piece[:min(want-len(d.rest), len(piece))]
		piece = piece[len(unit):]
		if len(unit) < want {
			d.rest = append(d.rest, unit...)
			if len(d.rest) < want {
				break
			}
			unit = d.rest
		}
		if err := d.decode(unit); err != nil {
			return 0, err
		}
		d.rest = d.rest[:0]
	}
	return n, nil
}

// wanted is the length of the next unit of the encoding, 0 behind its end.
func (d *Decoder) wanted() int {
	if !d.header {
		return encodingHeader
	}
	return min(Group, d.sig.Blocks()-d.blocks) * (4 + d.sig.params.StrongLen)
}

// decode decodes the next unit.
func (d *Decoder) decode(unit []byte) error {
	s := d.sig
	if !d.header {
		err := d.decodeHeader(unit)
		d.header = err == nil
		return err
	}
	n := len(unit) / (4 + s.params.StrongLen)
	for i := range n {
		s.weak[d.blocks+i] = binary.LittleEndian.Uint32(unit[4*i:])
	}
	copy(s.strong[d.blocks*s.params.StrongLen:], unit[4*n:])
	d.blocks += n
	return nil
}

func (d *Decoder) decodeHeader(unit []byte) error {
	p, size, blocks, err := parseHeader(unit)
	switch s := d.sig; {
	case err != nil:
		return err
	case s != nil && (p != s.params || size != s.size):
		return fmt.Errorf("%w: it is of %d bytes and %+v, not of %d and %+v", ErrSignature, size, p, s.size, s.params)
	case s != nil:
		return nil
	}
	if n := encodingHeader + int64(blocks)*int64(4+p.StrongLen); n > d.most {
		return fmt.Errorf("%w: %d bytes, the limit is %d", ErrSignature, n, d.most)
	}
	d.sig, err = newSignature(p, size)
	return err
}
