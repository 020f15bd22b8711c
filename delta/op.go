package delta

// Kind tells a Copy from a Literal.
type Kind uint8

// The kinds of operations.
const (
	Literal Kind = iota // bytes that only the new file has
	Copy                // bytes that the basis has too
	Taken               // bytes that Options.Take has had
)

// String returns the kind's name.
func (k Kind) String() string {
	switch k {
	case Copy:
		return "copy"
	case Taken:
		return "taken"
	}
	return "literal"
}

// Op is a range of the new file and where its bytes are. It carries no bytes. A
// search's ops cover the new file once, in order, without empty ones, and no two
// neighbours could be one; but see [FileSearch]. A Copy is of whole blocks of the signature: Search's are
// of the basis, from Src on, and SearchBasis's of the new file, from Off on.
type Op struct {
	Kind Kind
	Off  int64 // of the range in the new file
	Src  int64 // of a Copy's bytes in the basis; 0 for the others
	Len  int64 // bytes, > 0
}

// emitter joins neighbouring ops before it hands them on.
type emitter struct {
	emit func(Op) error
	last Op
	off  int64 // end of the new file's part that is covered
}

// add covers the next n bytes of the new file, by a Copy from src or another kind.
func (e *emitter) add(kind Kind, src, n int64) error {
	if n == 0 {
		return nil
	}
	if kind != Copy {
		src = 0
	}
	l := &e.last
	joins := l.Len > 0 && l.Kind == kind && (kind != Copy || l.Src+l.Len == src)
	if joins {
		l.Len += n
		e.off += n
		return nil
	}
	if err := e.flush(); err != nil {
		return err
	}
	e.last = Op{Kind: kind, Off: e.off, Src: src, Len: n}
	e.off += n
	return nil
}

// skip leaves what lies before off to be covered later.
func (e *emitter) skip(off int64) error {
	err := e.flush()
	e.off = off
	return err
}

// flush hands the pending op on.
func (e *emitter) flush() error {
	op := e.last
	if op.Len == 0 {
		return nil
	}
	e.last = Op{}
	return e.emit(op)
}
