package syncd

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"time"

	"golang.org/x/time/rate"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// stockPeer is this side's end of a session with stock rsync, whichever side
// is the server and whichever has the source.
type stockPeer struct {
	r       *rsync.Reader
	w       *rsync.Writer
	conn    *wire.Conn
	session *rsync.Session
	server  bool              // this side is the server
	note    func(native.Note) // lines for the person here: a log, if this side is the server
	wait    func() error      // for the remote shell to end, nil if there is none
}

// lingerTime is how long a server that ends a session waits for the client to
// read why. Closing at once would reset the connection, and what is on its way
// would be lost.
const lingerTime = 2 * time.Second

// newStockPeer returns an end whose peer's messages are not handled yet.
func newStockPeer(conn *wire.Conn, server bool, note func(native.Note)) *stockPeer {
	p := &stockPeer{r: rsync.NewReader(conn, !server), w: rsync.NewWriter(conn), conn: conn, server: server, note: note}
	p.r.Handle = p.handle
	// Stock has Nagle's algorithm on, and writes its part of the handshake in pieces.
	p.r.BeforeWait(conn.Acknowledge)
	return p
}

// limiter lets so many bytes a second through; 0 is no limit.
func limiter(bytes int64) *rate.Limiter {
	if bytes <= 0 {
		return nil
	}
	return wire.NewLimiter(bytes)
}

// close closes the connection, at which a remote shell ends, and returns the
// code that it ended with: the server's own, 0 without one.
func (p *stockPeer) close() (code int) {
	p.conn.Close()
	wait := p.wait
	p.wait = nil
	if wait == nil {
		return 0
	}
	var exit *exec.ExitError
	if errors.As(wait(), &exit) {
		code = max(exit.ExitCode(), 0)
	}
	return code
}

// handle takes a message that concerns no role. Its error ends the session.
func (p *stockPeer) handle(m rsync.Message) error {
	switch m.Code {
	case rsync.MsgInfo:
		p.note(native.Note{Text: peerLine(m.Text), Item: true})
	case rsync.MsgErrorXfer, rsync.MsgError, rsync.MsgWarning:
		p.note(native.Note{Text: peerLine(m.Text), Error: true})
	}
	return m.Err()
}

// peerLine is a peer's text without the newline that ends it.
func peerLine(text string) string {
	for len(text) > 0 && text[len(text)-1] == '\n' {
		text = text[:len(text)-1]
	}
	return Printable(text)
}

// tell says something to the person: at the client's side, wherever that is.
// code is one of the messages with text.
func (p *stockPeer) tell(code rsync.Code, text string) error {
	if p.server {
		return p.w.Message(rsync.Message{Code: code, Text: text + "\n"})
	}
	p.note(native.Note{Text: text, Error: code != rsync.MsgInfo, Item: code == rsync.MsgInfo})
	return nil
}

// keepAlives keeps the peer from taking this side for dead while it hashes or
// scans. stop ends it.
func (p *stockPeer) keepAlives() (stop func()) {
	every := keepAlive
	if t := time.Duration(p.session.Args.Timeout) * time.Second; t > 0 {
		every = min(every, t/3)
	}
	return keepAlivesEvery(every, p.w.KeepAlive)
}

// fail ends a session that err has broken: the peer is told what it can't know,
// as stock does it (cleanup.c:_exit_cleanup), and given time to read it.
func (p *stockPeer) fail(ctx context.Context, err error) {
	late := time.AfterFunc(2*lingerTime, func() { p.conn.Close() }) // it may not read any more
	defer late.Stop()
	var exit *rsync.ExitError
	switch code := ExitCode(err); {
	case errors.As(err, &exit):
		if !exit.Empty {
			_ = p.w.Message(rsync.Message{Code: rsync.MsgErrorExit, Empty: true}) // it may be gone
		}
	case ctx.Err() != nil, code == ExitStream, code == ExitSocket, code == ExitTimeout, code == ExitSignal:
		return // nobody hears it
	default:
		if p.server {
			_ = p.w.Message(rsync.Message{Code: rsync.MsgError, Text: stockLine(err) + "\n"})
		}
		_ = p.w.Message(rsync.Message{Code: rsync.MsgErrorExit, Value: int32(code)})
	}
	if p.server {
		p.linger()
	}
}

// stockWords is an error that stock has words for: scripts may look for them.
type stockWords struct {
	code int
	text string
}

func (e *stockWords) Error() string { return e.text }

// stockLine is what a client is told of an error.
func stockLine(err error) string {
	var words *stockWords
	if errors.As(err, &words) {
		return words.text
	}
	return "syncd: " + err.Error()
}

// linger waits for the peer to close its side, for at most lingerTime. The
// connection is of no use after it.
func (p *stockPeer) linger() {
	if p.conn.RemoteAddr() == nil {
		return // pipes keep what was written
	}
	late := time.AfterFunc(lingerTime, func() { p.conn.Close() })
	defer late.Stop()
	if p.conn.CloseWrite() != nil {
		return
	}
	_, _ = io.Copy(io.Discard, struct{ io.Reader }{p.conn}) // whatever it is, it comes too late
}
