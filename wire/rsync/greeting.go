package rsync

import (
	"fmt"
	"strconv"
	"strings"
)

// Longest lines of the daemon's line protocol, without the newline: what a
// daemon reads and what a client reads (clientserver.c).
const (
	maxDaemonLine = 1023
	maxClientLine = 5119

	maxEarlyInput = 5120
)

const linePrefix = "@RSYNCD: "

// A Greeting is the first line that each side of a daemon connection sends:
//
//	@RSYNCD: 32.0 sha512 sha256 sha1 md5 md4
//
// Sub is non-zero for pre-releases, -1 if absent. Digests are for passwords,
// nil if the peer listed none.
type Greeting struct {
	Protocol int
	Sub      int
	Digests  []string
}

// String returns the line without its newline.
func (g Greeting) String() string {
	s := fmt.Sprintf("%s%d.%d", linePrefix, g.Protocol, max(g.Sub, 0))
	if len(g.Digests) > 0 {
		s += " " + strings.Join(g.Digests, " ")
	}
	return s
}

// ParseGreeting decodes a greeting line. Its errors are *DaemonErrors, with
// the text that a daemon answers (clientserver.c:exchange_protocols).
func ParseGreeting(line string) (Greeting, error) {
	rest, ok := strings.CutPrefix(line, linePrefix)
	if !ok {
		return Greeting{}, &DaemonError{"protocol startup error"}
	}
	version, digests, _ := strings.Cut(rest, " ")
	number, sub, hasSub := strings.Cut(version, ".")
	g := Greeting{Sub: -1}
	if names := strings.Fields(digests); len(names) > 0 {
		g.Digests = names
	}
	var err error
	if g.Protocol, err = strconv.Atoi(number); err != nil || g.Protocol < 1 || g.Protocol > 1<<16 {
		return Greeting{}, &DaemonError{"protocol startup error"}
	}
	if hasSub {
		if g.Sub, err = strconv.Atoi(sub); err != nil || g.Sub < 0 {
			return Greeting{}, &DaemonError{"protocol startup error"}
		}
	}
	switch {
	case g.Sub < 0 && g.Protocol >= 30:
		return Greeting{}, &DaemonError{"your client omitted the subprotocol value: " + line}
	case g.Digests == nil && g.Protocol > 31:
		return Greeting{}, &DaemonError{"your client omitted the digest name list: " + line}
	}
	return g, nil
}

// Common returns the version for a session between a side that goes up to
// limit and the peer that sent g: a pre-release counts as the version before
// it (compat.c:check_sub_protocol). Peers below 27 are refused.
func (g Greeting) Common(limit int) (int, error) {
	v := min(limit, g.Protocol)
	if g.Protocol <= limit && g.Sub > 0 {
		v--
	}
	if v < MinProtocol {
		return 0, protoErrorf("peer speaks protocol %d, at least %d is needed", g.Protocol, MinProtocol)
	}
	return v, nil
}

// readLine reads up to a newline, which it drops, and drops carriage returns.
// A line longer than limit and a NUL are errors (io.c:read_line_old).
func (r *Reader) readLine(limit int) (string, error) {
	var b []byte
	for {
		c, err := r.Byte()
		switch {
		case err != nil:
			return "", err
		case c == '\n':
			return string(b), nil
		case c == 0:
			return "", streamErrorf("NUL in a line")
		case c == '\r':
			continue
		case len(b) == limit:
			return "", streamErrorf("line longer than %d bytes", limit)
		}
		b = append(b, c)
	}
}

// line writes s and a newline, and flushes.
func (w *Writer) line(s string) error {
	if strings.ContainsAny(s, "\n\x00") {
		return protoErrorf("line break in %q", s)
	}
	if err := w.put([]byte(s + "\n")); err != nil {
		return err
	}
	return w.Flush()
}

// WriteVersion and ReadVersion are the whole greeting over a remote shell: an
// int each, sent without waiting (compat.c:setup_protocol).
func (w *Writer) WriteVersion(v int) error {
	if err := w.Int(int32(v)); err != nil {
		return err
	}
	return w.Flush()
}

// ReadVersion returns the version for a session between a side that goes up
// to limit and the peer.
func (r *Reader) ReadVersion(limit int) (int, error) {
	v, err := r.Int()
	if err != nil {
		return 0, fmt.Errorf("read the peer's version: %w", err)
	}
	if v < 20 || v > 40 {
		return 0, protoErrorf("version %d: is the remote shell clean?", v)
	}
	return Greeting{Protocol: int(v)}.Common(limit)
}
