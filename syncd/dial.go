package syncd

import (
	"context"
	"errors"
	"net"
	"runtime/debug"

	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// Version is the version of this program.
const Version = "0.1.0"

// Software is what a hello says of this program.
func Software() string { return "syncd " + Version }

// Revision is the commit that the program was built from, "" if unknown.
func Revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// connect opens a connection to a daemon.
func (t *Transfer) connect(ctx context.Context, to Location) (*wire.Conn, error) {
	d := net.Dialer{Timeout: t.Connect, Control: wire.Unpaced}
	c, err := d.DialContext(ctx, "tcp", to.Host)
	if err != nil {
		code := ExitSocket
		op, _ := errors.AsType[*net.OpError](err)
		switch {
		case ctx.Err() != nil:
			code = ExitSignal
		case op != nil && op.Timeout(): // the dialer's or the kernel's
			code = ExitConnTimeout
		}
		if op != nil {
			err = op.Err
		}
		return nil, Exitf(code, "connect to %s: %w", to.Host, err)
	}
	conn, err := wire.NewConn(c, t.wireOptions())
	if err != nil {
		c.Close()
		return nil, err
	}
	return conn, nil
}

func (t *Transfer) wireOptions() wire.Options {
	return wire.Options{Transport: t.Transport, Timeout: t.Timeout, Limit: t.Limit, Stats: &t.Stats.Stats}
}

// dial opens a session; the error of a refusal names the place.
func (t *Transfer) dial(ctx context.Context, to Location, h *native.ClientHello) (*wire.Conn, *native.ServerHello, error) {
	conn, err := t.connect(ctx, to)
	if err != nil {
		return nil, nil, err
	}
	// Until the answer is there, an idle server is a broken one.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err = native.SendClientHello(conn, h); err == nil {
		var answer *native.ServerHello
		if answer, err = native.ReadServerHello(conn); err == nil {
			return conn, answer, nil
		}
	}
	conn.Close()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	code := ExitCode(err)
	if errors.Is(err, native.ErrProtocol) {
		code = ExitProtocol
	} else if code == ExitStream {
		code = ExitStart
	}
	return nil, nil, Exitf(code, "%s: %w", to, err)
}

// Modules asks a daemon what it serves.
func (t *Transfer) Modules(ctx context.Context, of Location) ([]native.ModuleInfo, error) {
	switch {
	case of.Shell:
		return nil, Exitf(ExitUsage, "%s: there are no modules behind a remote shell", of)
	case of.Stock:
		return t.stockModules(ctx, of)
	}
	conn, answer, err := t.dial(ctx, of, &native.ClientHello{Software: Software(), Role: native.RoleModules})
	if err != nil {
		return nil, err
	}
	conn.Close()
	return answer.Modules, nil
}
