package rsync

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Compat are the flags by which the server fixes the session's variants; the
// client obeys (compat.c:setup_protocol).
type Compat int32

// The compat flags.
const (
	IncRecurse     Compat = 1 << 0 // lists come directory by directory
	SymlinkTimes   Compat = 1 << 1 // the server can set times of symlinks
	SymlinkIconv   Compat = 1 << 2 // symlink targets are converted
	SafeList       Compat = 1 << 3 // io_error may ride on the end of a list
	NoXattrOptim   Compat = 1 << 4 // xattr data also for hard link records
	SeedFix        Compat = 1 << 5 // MD5 block sums: seed before data
	InplacePartial Compat = 1 << 6 // a partial-dir basis is updated in place
	VarintFlags    Compat = 1 << 7 // varint file flags; strings are negotiated
	ID0Names       Compat = 1 << 8 // names of id 0 are sent
)

// serverCompat is what a server of this package sets if the client's letter
// offers it. SymlinkIconv stays clear: there is no conversion.
var serverCompat = []struct {
	letter string
	flag   Compat
}{
	{"f", SafeList}, {"x", NoXattrOptim}, {"C", SeedFix},
	{"I", InplacePartial}, {"v", VarintFlags}, {"u", ID0Names},
}

// A Session is what both sides agreed on before the first frame.
type Session struct {
	Protocol     int
	Compat       Compat
	Seed         int32
	Checksum     Checksum // of transfers
	ListChecksum Checksum // of --checksum
	Compression  string   // "none" without compression
	Args         *Args
}

// IncRecurse reports whether lists come directory by directory.
func (s *Session) IncRecurse() bool { return s.Compat&IncRecurse != 0 }

// ServerSetup fixes the session as the server and starts multiplexing. Before
// it the versions were exchanged and the arguments read (compat.c:setup_protocol).
func ServerSetup(r *Reader, w *Writer, a *Args) (*Session, error) {
	s := &Session{Protocol: w.proto, Args: a, Seed: a.ChecksumSeed}
	if w.proto >= 30 {
		s.Compat = SymlinkTimes
		for _, c := range serverCompat {
			if strings.Contains(a.Capabilities, c.letter) {
				s.Compat |= c.flag
			}
		}
		if a.AllowIncRecurse() {
			s.Compat |= IncRecurse
		}
		if err := w.VarInt(int32(s.Compat)); err != nil {
			return nil, fmt.Errorf("set up session: %w", err)
		}
	}
	if err := s.negotiate(r, w, true); err != nil {
		return nil, fmt.Errorf("set up session: %w", err)
	}
	if s.Seed == 0 {
		s.Seed = int32(rand.Uint32())
	}
	if err := w.Int(s.Seed); err != nil {
		return nil, fmt.Errorf("set up session: %w", err)
	}
	// Stock starts both directions in this order: messages can be sent as
	// soon as the seed is.
	if err := w.StartMux(); err != nil {
		return nil, fmt.Errorf("set up session: %w", err)
	}
	if s.Protocol >= 30 {
		r.StartMux()
	}
	return s, w.Flush()
}

// ClientSetup fixes the session as the client and starts multiplexing. The
// arguments have been sent.
func ClientSetup(r *Reader, w *Writer, a *Args) (*Session, error) {
	s := &Session{Protocol: r.proto, Args: a}
	if r.proto >= 30 {
		v, err := r.VarInt()
		if err != nil {
			return nil, fmt.Errorf("read compat flags: %w", err)
		}
		s.Compat = Compat(v)
		if s.IncRecurse() && !strings.Contains(a.Capabilities, "i") {
			return nil, protoErrorf("the server turned on incremental recursion unasked")
		}
	}
	if err := s.negotiate(r, w, false); err != nil {
		return nil, fmt.Errorf("set up session: %w", err)
	}
	var err error
	if s.Seed, err = r.Int(); err != nil {
		return nil, fmt.Errorf("read checksum seed: %w", err)
	}
	r.StartMux()
	if s.Protocol >= 30 {
		if err := w.StartMux(); err != nil {
			return nil, fmt.Errorf("set up session: %w", err)
		}
	}
	return s, nil
}
