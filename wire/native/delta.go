package native

import (
	"encoding/binary"
	"fmt"
	"io"
)

// MaxSignature bounds the encoding of a signature, and with it the memory that
// a peer can ask for. At the block sizes of package delta it is enough for
// files of some TiB; larger ones are sent whole.
const MaxSignature = 64 << 20

const (
	flagMoreFollows = 1 << 0 // DELTA: the signature goes on in another frame
	flagCut         = 1 << 1 // DELTA: the signature ends here, and is not all of it

	sigChunk = 1 << 20 >> 1 // bytes of a signature in one frame
)

// Sign asks for the signature of a file.
type Sign struct {
	ID    uint32
	File  ReadFile // without ranges
	Block uint32   // bytes of a block; 0: the rule of package delta
	Again bool     // what came did not agree with it: none from memory
}

// Delta asks for the ops that make a file out of the basis of a signature, which is in
// the encoding of package delta. A signature may come while it is made: each Delta with
// the ID of the one before, which had More, goes on with it.
type Delta struct {
	ID   uint32
	File ReadFile // without ranges
	Sig  []byte   // to be sent: a piece of the signature
	More bool     // another one follows
	Cut  bool     // or none, though it is not all

	Sums *Pieces // of a request that has arrived, where the pieces come
}

// appendFile is a READ of one file.
func appendFile(b []byte, f *ReadFile) []byte {
	r := Read{Files: []ReadFile{{Path: f.Path, Version: f.Version}}}
	return r.append(b)
}

// takeFile decodes what appendFile wrote.
func (d *decoder) takeFile() ReadFile {
	const fixed = 2 + 2 + 2 + 40 + 4 // of a READ of one file, without its path
	if len(d.b) < 6 {
		d.fail("a file is cut short")
		return ReadFile{}
	}
	n := fixed + int(binary.LittleEndian.Uint16(d.b[4:]))
	var r Read
	if p := d.take(n, "file"); p != nil {
		d.err = r.parse(p)
	}
	if d.err != nil {
		return ReadFile{}
	}
	if len(r.Files) != 1 || r.Files[0].Ranges != nil {
		d.fail("a request for one whole file has ranges")
		return ReadFile{}
	}
	return r.Files[0]
}

func (s *Sign) parse(payload []byte) error {
	d := decoder{b: payload}
	s.File = d.takeFile()
	s.Block = d.u32("block size")
	if d.err == nil && len(d.b) != 0 {
		d.fail("SIGN has bytes behind its end")
	}
	return d.err
}

// sign queues a request for a signature.
func (a *Asker) sign(s *Sign) error {
	h := Header{Type: TypeSign, ID: s.ID}
	if s.Again {
		h.Flags = flagAgain
	}
	return a.send(h, func(b []byte) []byte {
		return binary.LittleEndian.AppendUint32(appendFile(b, &s.File), s.Block)
	})
}

// ops queues a request for ops, or goes on with one; a long piece of a signature goes in
// several frames.
func (a *Asker) ops(r *Delta) error {
	if len(r.Sig) > MaxSignature {
		return fmt.Errorf("a signature of %d bytes, the limit is %d", len(r.Sig), MaxSignature)
	}
	for first, rest := true, r.Sig; first || len(rest) > 0; first = false {
		chunk := rest[:min(len(rest), sigChunk)]
		rest = rest[len(chunk):]
		h := Header{Type: TypeDelta, ID: r.ID}
		switch {
		case r.More || len(rest) > 0:
			h.Flags = flagMoreFollows
		case r.Cut:
			h.Flags = flagCut
		}
		err := a.send(h, func(b []byte) []byte {
			b = appendFile(b, &r.File)
			b = binary.LittleEndian.AppendUint32(b, uint32(len(chunk)))
			return append(b, chunk...)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// gather takes one DELTA frame. It returns the request if this is its first one.
func (a *Answerer) gather(h *Header, payload []byte) (*Delta, error) {
	if h.Flags > flagCut {
		return nil, badf("DELTA with the flags %#x", h.Flags)
	}
	d := decoder{b: payload}
	file := d.takeFile()
	chunk := d.take(int(d.u32("signature")), "signature")
	var begun *Delta
	switch {
	case d.err != nil:
		return nil, d.err
	case len(d.b) != 0:
		return nil, badf("DELTA has bytes behind its end")
	case a.delta == nil:
		a.delta = &Delta{ID: h.ID, File: file, Sums: newPieces(&a.held)}
		begun = new(*a.delta) // the caller's
	case a.delta.ID != h.ID || a.delta.File.Path != file.Path || a.delta.File.Version != file.Version:
		return nil, badf("DELTA of another file within a signature")
	}
	sums := a.delta.Sums
	var ended error
	switch h.Flags {
	case 0:
		ended, a.delta = io.EOF, nil
	case flagCut:
		ended, a.delta = ErrCut, nil
	}
	return begun, sums.put(chunk, ended)
}

// Copy answers that a range of the new file is in the basis at src.
func (a *Answerer) Copy(id uint32, off, src, n int64) error {
	return a.frame(Header{Type: TypeCopy, ID: id, Off: off, N: n}, binary.LittleEndian.AppendUint64(nil, uint64(src)))
}

// Sums answers with a signature, in as many frames as it takes.
func (a *Answerer) Sums(id uint32, sig []byte) error {
	for len(sig) > 0 {
		chunk := sig[:min(len(sig), sigChunk)]
		if err := a.frame(Header{Type: TypeSums, ID: id}, chunk); err != nil {
			return err
		}
		sig = sig[len(chunk):]
	}
	return nil
}

// CopySource is the offset in the basis of a COPY frame.
func (a *Answer) CopySource() int64 {
	return int64(binary.LittleEndian.Uint64(a.Payload))
}
