package rsync

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A Request is what a client wants of a daemon: the list of modules, or one
// of them. EarlyInput is the standard input of the module's early exec.
type Request struct {
	List       bool
	Module     string
	EarlyInput []byte
}

// A Module is one line of a daemon's listing.
type Module struct{ Name, Comment string }

// DaemonHello is the start of a daemon: its greeting and, if it is not empty,
// the motd file's content and one more newline go out without
// waiting, then the client's greeting is read. A client that cannot be served
// has been told so when an error returns
// (clientserver.c:start_daemon, exchange_protocols).
func DaemonHello(r *Reader, w *Writer, motd string) (*Hello, error) {
	if err := w.line(Greeting{MaxProtocol, 0, AuthDigests}.String()); err != nil {
		return nil, fmt.Errorf("greet client: %w", err)
	}
	if motd != "" {
		if err := w.put([]byte(motd + "\n")); err != nil {
			return nil, fmt.Errorf("greet client: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return nil, fmt.Errorf("greet client: %w", err)
	}
	line, err := r.readLine(maxDaemonLine)
	if err != nil {
		return nil, fmt.Errorf("read the client's greeting: %w", err)
	}
	g, err := ParseGreeting(line)
	if err != nil {
		return nil, refuse(w, err)
	}
	v, err := g.Common(MaxProtocol)
	if err != nil {
		return nil, refuse(w, err)
	}
	// The client's first choice that we listed: the rule of old daemons, and
	// what every stock client arrives at.
	digest, ok := authDigest(g.Digests, AuthDigests, v)
	if !ok {
		return nil, refuse(w, &DaemonError{"your client does not support one of our daemon-auth checksums: " +
			strings.Join(AuthDigests, " ")})
	}
	r.SetProtocol(v)
	w.SetProtocol(v)
	return &Hello{Protocol: v, Digest: digest}, nil
}

// refuse reports err to the client and returns it.
func refuse(w *Writer, err error) error {
	text := err.Error()
	if de, ok := err.(*DaemonError); ok {
		text = de.Text
	}
	if werr := Refuse(w, text); werr != nil {
		return werr
	}
	return err
}

// Refuse sends "@ERROR: text". The daemon closes after it.
func Refuse(w *Writer, text string) error { return w.line("@ERROR: " + text) }

// Accept sends "@RSYNCD: OK": the module is open, the client's arguments
// follow.
func Accept(w *Writer) error { return w.line(linePrefix + "OK") }

// ReadRequest reads early input and the module's name. A client whose request
// makes no sense has been told so when an error returns
// (clientserver.c:start_daemon).
func ReadRequest(r *Reader, w *Writer) (*Request, error) {
	req := &Request{}
	for {
		line, err := r.readLine(maxDaemonLine)
		if err != nil {
			return nil, fmt.Errorf("read the client's request: %w", err)
		}
		size, early := strings.CutPrefix(line, "#early_input=")
		switch {
		case early && req.EarlyInput == nil:
			n, err := strconv.Atoi(size)
			if err != nil || n < 1 || n > maxEarlyInput {
				return nil, refuse(w, &DaemonError{"invalid early_input length"})
			}
			if req.EarlyInput, err = r.Bytes(n); err != nil {
				return nil, fmt.Errorf("read early input: %w", err)
			}
			continue
		case line == "" || line == "#list":
			req.List = true
		case line[0] == '#':
			return nil, refuse(w, &DaemonError{fmt.Sprintf("Unknown command '%s'", line)})
		default:
			req.Module = line
		}
		return req, nil
	}
}

// WriteModules answers a request for the list; the daemon closes after it
// (clientserver.c:send_listing).
func WriteModules(w *Writer, modules []Module) error {
	for _, m := range modules {
		line := fmt.Sprintf("%-15s\t%s", m.Name, m.Comment)
		if strings.ContainsAny(line, "\n\x00") {
			return protoErrorf("line break in module %q", line)
		}
		if err := w.put([]byte(line + "\n")); err != nil {
			return err
		}
	}
	return w.line(linePrefix + "EXIT")
}

// A Login is how a client opens a module.
type Login struct {
	User       string
	Password   func() (string, error) // asked for only if the daemon wants one
	EarlyInput []byte
	// Text receives each line of the motd; nil drops them.
	Text func(line string)
}

// ClientHello sends the client's greeting and reads the daemon's. Neither side
// waits for the other. limit is the highest version to be spoken
// (clientserver.c:start_inband_exchange, exchange_protocols).
func ClientHello(r *Reader, w *Writer, limit int) (*Hello, error) {
	if err := w.line(Greeting{Protocol: limit, Digests: AuthDigests}.String()); err != nil {
		return nil, fmt.Errorf("greet daemon: %w", err)
	}
	line, err := r.readLine(maxClientLine)
	if err != nil {
		return nil, fmt.Errorf("read the daemon's greeting: %w", err)
	}
	g, err := ParseGreeting(line)
	if err != nil {
		return nil, fmt.Errorf("read the daemon's greeting %q: %w", line, err)
	}
	v, err := g.Common(limit)
	if err != nil {
		return nil, err
	}
	// Our first choice that the daemon knows. Daemons up to 3.4 pick the same;
	// later ones their own first choice that we know, which is the same again
	// as long as their list has the canonical order.
	digest, ok := authDigest(AuthDigests, g.Digests, v)
	if g.Digests == nil {
		digest, ok = authDigest(nil, nil, v)
	}
	if !ok {
		return nil, fmt.Errorf("%w: the daemon's password digests are %q", ErrNegotiate, g.Digests)
	}
	r.SetProtocol(v)
	w.SetProtocol(v)
	return &Hello{Protocol: v, Digest: digest}, nil
}

// OpenModule asks for a module and returns when the daemon has accepted; the
// server arguments come next (clientserver.c:start_inband_exchange).
func (h *Hello) OpenModule(r *Reader, w *Writer, module string, in Login) error {
	if len(in.EarlyInput) > maxEarlyInput {
		return fmt.Errorf("open module %s: early input of %d bytes, at most %d allowed", module, len(in.EarlyInput), maxEarlyInput)
	}
	if len(in.EarlyInput) > 0 {
		err := w.put(fmt.Appendf(nil, "#early_input=%d\n%s", len(in.EarlyInput), in.EarlyInput))
		if err != nil {
			return fmt.Errorf("open module %s: %w", module, err)
		}
	}
	if err := w.line(module); err != nil {
		return fmt.Errorf("open module %s: %w", module, err)
	}
	for {
		done, err := h.reply(r, w, in)
		if err != nil {
			return fmt.Errorf("open module %s: %w", module, err)
		}
		if done {
			return nil
		}
	}
}

// reply handles one line of a daemon that was asked for a module.
func (h *Hello) reply(r *Reader, w *Writer, in Login) (done bool, err error) {
	line, err := r.readLine(maxClientLine)
	if err != nil {
		return false, err
	}
	if challenge, ok := strings.CutPrefix(line, linePrefix+"AUTHREQD "); ok {
		var password string
		if in.Password != nil {
			if password, err = in.Password(); err != nil {
				return false, err
			}
		}
		return false, h.answer(w, challenge, in.User, password)
	}
	switch {
	case line == linePrefix+"OK":
		return true, nil
	case line == linePrefix+"EXIT":
		return false, &DaemonError{"the daemon ended the session"}
	case strings.HasPrefix(line, "@ERROR"):
		return false, daemonError(line)
	case in.Text != nil:
		in.Text(line)
	}
	return false, nil
}

// daemonError takes the text out of an @ERROR line.
func daemonError(line string) error {
	return &DaemonError{strings.TrimPrefix(strings.TrimPrefix(line, "@ERROR"), ": ")}
}

// ListModules asks for the listing and passes on each of its lines, the motd's
// included: the protocol cannot tell them apart.
func (h *Hello) ListModules(r *Reader, w *Writer, text func(line string)) error {
	if err := w.line("#list"); err != nil {
		return fmt.Errorf("list modules: %w", err)
	}
	for {
		line, err := r.readLine(maxClientLine)
		switch {
		case err == io.ErrUnexpectedEOF || line == linePrefix+"EXIT":
			// Very old daemons close without EXIT.
			return nil
		case err != nil:
			return fmt.Errorf("list modules: %w", err)
		case strings.HasPrefix(line, "@ERROR"):
			return daemonError(line)
		}
		text(line)
	}
}
