package delta

import (
	"context"
	"fmt"
	"io"
)

// Sign returns the signature of the first size bytes of file. Of the options it
// heeds Workers, Whole and Signed. It returns ErrTruncated if the file is
// shorter, and file's own errors.
func Sign(ctx context.Context, file io.ReaderAt, size int64, p Params, o Options) (*Signature, error) {
	sig, err := newSignature(p, size)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	walk := pass[struct{}]{
		file: file, size: size, parts: []span{{0, size}}, block: p.Block, need: 2 * p.Block, opts: &o,
		worker: func(w *window) func(span) (struct{}, error) {
			s := signer{sig: sig, strong: newStrong(p), window: w}
			return func(sp span) (struct{}, error) { return struct{}{}, s.span(sp) }
		},
		merge: func(sp span, _ struct{}) error {
			if o.Signed == nil {
				return nil
			}
			return o.Signed(sig, int((sp.end+int64(p.Block)-1)/int64(p.Block)))
		},
	}
	if err := walk.run(ctx); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if size == 0 && o.Signed != nil {
		if err := o.Signed(sig, 0); err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
	}
	return sig, nil
}

// signer is one worker of Sign. Workers write to disjoint blocks of sig.
type signer struct {
	sig    *Signature
	strong *strong
	window *window
}

// span signs the blocks that start in sp.
func (s *signer) span(sp span) error {
	block := int64(s.sig.params.Block)
	first := (sp.off + block - 1) / block
	limit := (sp.end + block - 1) / block // the first block of the next span
	s.window.start(sp, max(min(limit*block, s.sig.size), sp.end))
	for i := first; i < limit; i++ {
		off, n := s.sig.Block(int(i))
		data, err := s.window.at(off, n)
		if err != nil {
			return err
		}
		s.sig.weak[i] = weakSum(data)
		copy(s.sig.Strong(int(i)), s.strong.sum(data))
	}
	return s.window.drain(sp.end)
}
