package syncd

import (
	"context"
	"errors"
	"os/exec"
	"strings"

	"github.com/seed9553035b/syncd/wire/rsync"
)

// openShell has a remote shell start a stock server, and sets the session up.
func (t *Transfer) openShell(ctx context.Context, of Location, a *rsync.Args, paths []string) (*stockPeer, error) {
	for _, path := range paths {
		if path == "" {
			path = "." // else the shell would drop it
		}
		a.Paths = append(a.Paths, rsync.EscapeArg(path, true))
	}
	p, err := t.startShell(of, a)
	if err != nil {
		code := ExitStart
		if exit, ok := errors.AsType[*ExitError](err); ok {
			code = exit.Code
		}
		return nil, Exitf(code, "%s: %w", of, err)
	}
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer stop()
	err = p.exchangeVersions(t.Stock.protocol())
	if err == nil {
		err = fitProtocol(a, p.r.Protocol())
	}
	if err == nil {
		p.session, err = rsync.ClientSetup(p.r, p.w, a)
	}
	if err == nil {
		err = t.sendFilters(p)
	}
	if err != nil {
		if code := p.close(); code != 0 && ctx.Err() == nil {
			return nil, Exitf(code, "%s: the remote shell ended with code %d: %w", of, code, err)
		}
		return nil, t.stockError(ctx, of, err)
	}
	return p, nil
}

// startShell has the remote shell start the server.
func (t *Transfer) startShell(to Location, a *rsync.Args) (*stockPeer, error) {
	// Nothing is known of the server yet but what is offered to it.
	if err := fitProtocol(a, t.Stock.protocol()); err != nil {
		return nil, err
	}
	head, tail := a.Build(t.Stock.protocol())
	for i := range head {
		head[i] = rsync.EscapeArg(head[i], false)
	}
	shell := t.Shell
	if len(shell) == 0 {
		shell = []string{"ssh"}
	}
	args := append([]string(nil), shell[1:]...)
	if to.User != "" {
		args = append(args, "-l", to.User)
	}
	args = append(args, to.Host, firstOf(t.RemoteProgram, "rsync"))
	return t.start(exec.Command(shell[0], append(append(args, head...), tail...)...))
}

// ParseShell cuts the value of -e into the shell and its options. As with
// rsync, quotes keep spaces.
func ParseShell(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	quote, inWord := byte(0), false
	for i := range len(s) {
		switch c := s[i]; {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote that does not end")
	}
	if inWord {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, errors.New("no remote shell")
	}
	return words, nil
}
