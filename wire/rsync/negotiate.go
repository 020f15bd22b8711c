package rsync

import (
	"fmt"
	"slices"
	"strings"
)

// CompressNames are the compressions that this package offers, best first.
var CompressNames = []string{"zstd", "lz4", "zlibx", "zlib", "none"}

// CheckChoices checks the values of --checksum-choice and --compress-choice:
// for each "", "auto" or a name, and for the former two of them with a comma.
func CheckChoices(checksum, compress string) error {
	a := &Args{ChecksumChoice: checksum}
	for _, name := range []string{a.TransferChecksum(), a.ListChecksum()} {
		if name == "" {
			continue
		}
		if _, err := ParseChecksum(name); err != nil {
			return fmt.Errorf("--checksum-choice=%s: %w", checksum, err)
		}
	}
	if compress = notAuto(compress); compress != "" && !slices.Contains(CompressNames, compress) {
		return fmt.Errorf("--compress-choice=%s: %w; there are %s", compress, ErrUnsupported, strings.Join(CompressNames, ", "))
	}
	return nil
}

// maxNames bounds a list of names; stock's buffer takes 255 bytes.
const maxNames = 255

// negotiate settles checksums and compression. What the arguments choose is
// not on the wire (compat.c:negotiate_the_strings).
func (s *Session) negotiate(r *Reader, w *Writer, server bool) error {
	a := s.Args
	strs := s.Protocol >= 30 && s.Compat&VarintFlags != 0
	askSum := strs && a.TransferChecksum() == ""
	askCompress := strs && a.Compress && a.CompressChoice == ""

	sum, list := a.TransferChecksum(), a.ListChecksum()
	s.Compression = "none"
	if a.Compress {
		s.Compression = "zlib"
		if a.CompressChoice != "" {
			s.Compression = a.CompressChoice
		}
	}
	var known [2][]string
	if askSum {
		known[0] = ChecksumNames
	}
	if askCompress {
		known[1] = CompressNames
	}
	got, err := exchange(r, w, known, server)
	if err != nil {
		return err
	}
	if askSum {
		sum = got[0]
	}
	if askCompress {
		s.Compression = got[1]
	}
	if list == "" {
		list = sum
	}
	return s.choose(sum, list)
}

// choose sets the checksums and refuses an unknown compression.
func (s *Session) choose(sum, list string) error {
	var err error
	s.Checksum = defaultChecksum(s.Protocol)
	s.ListChecksum = s.Checksum
	if sum != "" {
		if s.Checksum, err = ParseChecksum(sum); err != nil {
			return err
		}
	}
	if list != "" {
		if s.ListChecksum, err = ParseChecksum(list); err != nil {
			return err
		}
	}
	if _, ok := s.ListChecksum.Algorithm(); !ok && s.Args.Checksum {
		return fmt.Errorf("%w: --checksum with the checksum %q", ErrUnsupported, "none")
	}
	// For zlib level 0 is no compression (token.c:init_compression_level).
	if l := s.Args.CompressLevel; l != nil && *l == 0 && (s.Compression == "zlib" || s.Compression == "zlibx") {
		s.Compression = "none"
	}
	if !slices.Contains(CompressNames, s.Compression) {
		return fmt.Errorf("%w: compression %q", ErrUnsupported, s.Compression)
	}
	return nil
}

// exchange swaps the lists that are not nil and returns the names picked.
//
// Stock's rule of selection changed in 3.5.0, from the client's first choice
// to each side's own. A server that picks the client's first choice agrees
// with both kinds of client. A client reads the server's lists first, which
// come without waiting, and answers with one name: then both rules pick it.
func exchange(r *Reader, w *Writer, known [2][]string, server bool) (got [2]string, err error) {
	if server {
		if err = writeNames(w, known); err != nil {
			return got, err
		}
	}
	for i, names := range known {
		if names == nil {
			continue
		}
		theirs, err := readNames(r)
		if err != nil {
			return got, err
		}
		first, second := theirs, names
		if !server {
			first, second = names, theirs
		}
		if got[i] = pick(first, second); got[i] == "" {
			return got, fmt.Errorf("%w: ours %q, the peer's %q", ErrNegotiate, names, theirs)
		}
	}
	if server {
		return got, nil
	}
	for i := range known {
		if known[i] != nil {
			known[i] = got[i : i+1]
		}
	}
	return got, writeNames(w, known)
}

// writeNames sends the lists that are not nil.
func writeNames(w *Writer, lists [2][]string) error {
	for _, names := range lists {
		if names == nil {
			continue
		}
		if err := w.VString(strings.Join(names, " ")); err != nil {
			return err
		}
	}
	return w.Flush()
}

// readNames reads one list. "xxhash" is what 3.2.0 called xxh64.
func readNames(r *Reader) ([]string, error) {
	s, err := r.VString(maxNames)
	if err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	names := strings.Fields(s)
	for i, n := range names {
		if n == "xxhash" {
			names[i] = "xxh64"
		}
	}
	return names, nil
}

// pick returns the first name of a that b holds too.
func pick(a, b []string) string {
	for _, name := range a {
		if slices.Contains(b, name) {
			return name
		}
	}
	return ""
}
