package rsync

import (
	"fmt"
	"strings"
)

// maxArgs bounds the argument list of a client (io.c:read_args), maxArgBytes
// the memory that it takes: twice what Linux lets a program have.
const (
	maxArgs     = 16000
	maxArgBytes = 4 << 20
)

// WriteArgs sends server arguments to a daemon, from "--server" on: each ends
// in NUL, the list in one more; in lines below protocol 30
// (clientserver.c:start_inband_exchange). With secluded, options is the list
// up to the one that holds "s", and rest goes in a second list, raw and
// unsplit (rsync.c:send_protected_args); otherwise the two are one list.
func WriteArgs(w *Writer, options, rest []string, secluded bool) error {
	first := options
	if !secluded {
		first = append(first[:len(first):len(first)], rest...)
	}
	end := byte(0)
	if w.proto < 30 {
		end = '\n'
	}
	if err := w.argList(first, end); err != nil {
		return err
	}
	if secluded {
		return WriteSecluded(w, rest)
	}
	return w.Flush()
}

// WriteSecluded sends a list of secluded arguments, see [ReadSecluded].
func WriteSecluded(w *Writer, args []string) error {
	if err := w.argList(append([]string{"rsync"}, dots(args)...), 0); err != nil {
		return err
	}
	return w.Flush()
}

// dots returns args with "." for the empty ones, which would end the list.
func dots(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if a == "" {
			out[i] = "."
		}
	}
	return out
}

func (w *Writer) argList(args []string, end byte) error {
	for _, a := range args {
		if a == "" || strings.IndexByte(a, end) >= 0 || len(a) > maxText {
			return protoErrorf("argument %q cannot be sent", a)
		}
		if err := w.put(append([]byte(a), end)); err != nil {
			return err
		}
	}
	return w.Byte(end)
}

// ReadArgs reads the server arguments that a client sends to a daemon. The
// second list of secluded arguments, if the first one announces it, is
// appended; then secluded is true and the paths must not be split
// (io.c:read_args).
func ReadArgs(r *Reader) (args []string, secluded bool, err error) {
	end := byte(0)
	if r.proto < 30 {
		end = '\n'
	}
	if args, err = r.argList(end); err != nil {
		return nil, false, fmt.Errorf("read arguments: %w", err)
	}
	n := announcesSecluded(args)
	if n == 0 {
		return args, false, nil
	}
	more, err := ReadSecluded(r)
	// Below protocol 30 stock's first list goes on, with a "(null)" in it;
	// what counts is in the second.
	return append(args[:n:n], more...), true, err
}

// ReadSecluded reads a list of secluded arguments. Over a remote shell it is
// the first thing on the stream of a server started with "-s"
// (main.c:start_server).
func ReadSecluded(r *Reader) ([]string, error) {
	args, err := r.argList(0)
	if err != nil {
		return nil, fmt.Errorf("read secluded arguments: %w", err)
	}
	if len(args) > 0 {
		args = args[1:] // argv[0]
	}
	return args, nil
}

// announcesSecluded returns the number of arguments up to the first that asks
// for secluded ones, 0 if none does: a bundle of short options that holds "s".
func announcesSecluded(args []string) int {
	for i, a := range args {
		if a == "." {
			break
		}
		if a == "--secluded-args" || a == "--protect-args" {
			return i + 1
		}
		if len(a) < 2 || a[0] != '-' || a[1] == '-' {
			continue
		}
		flags, _, _ := strings.Cut(a[1:], "e")
		if strings.Contains(flags, "s") && shortFlags(flags) {
			return i + 1
		}
	}
	return 0
}

// argList reads arguments up to an empty one.
func (r *Reader) argList(end byte) ([]string, error) {
	var args []string
	for total := 0; ; {
		a, err := r.until(end, maxText)
		if err != nil {
			return nil, err
		}
		if a == "" {
			return args, nil
		}
		if total += len(a); len(args) == maxArgs || total > maxArgBytes {
			return nil, protoErrorf("more than %d arguments or %d bytes of them", maxArgs, maxArgBytes)
		}
		args = append(args, a)
	}
}

// until reads bytes up to end, which it drops.
func (r *Reader) until(end byte, limit int) (string, error) {
	var b []byte
	for {
		c, err := r.Byte()
		switch {
		case err != nil:
			return "", err
		case c == end:
			return string(b), nil
		case len(b) == limit:
			return "", protoErrorf("string longer than %d bytes", limit)
		}
		b = append(b, c)
	}
}

// shellSpecial are the bytes that stock escapes in arguments
// (options.c:safe_arg).
const shellSpecial = " \t\n\"'`$&;|<>()*?[]{}\\!~#"

// EscapeArg puts a backslash before what a remote shell would interpret, as
// stock does in option arguments. For a path, whose wildcards are meant for
// the server, set path: then they stay.
func EscapeArg(a string, path bool) string {
	special := shellSpecial
	if path {
		special = " \t\n\"'`$&;|<>(){}\\!~#"
	}
	if !strings.ContainsAny(a, special) {
		return a
	}
	var b strings.Builder
	for i := range len(a) {
		if strings.IndexByte(special, a[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(a[i])
	}
	return b.String()
}

// UnescapeArg removes those backslashes. A daemon does that to the options,
// not to the paths, which it globs (util1.c:glob_expand_module,
// clientserver.c:rsync_module since 3.4.4).
func UnescapeArg(a string) string {
	if strings.IndexByte(a, '\\') < 0 {
		return a
	}
	var b strings.Builder
	for i := 0; i < len(a); i++ {
		if a[i] == '\\' && i+1 < len(a) {
			i++
		}
		b.WriteByte(a[i])
	}
	return b.String()
}

// ModulePaths strips the module's name from the paths of a client, after
// splitting each at " module/" as a daemon does when arguments are not
// secluded (util1.c:glob_expand_module). "" is the module itself.
func ModulePaths(module string, args []string, secluded bool) []string {
	var paths []string
	for _, a := range args {
		pieces := []string{a}
		if !secluded {
			pieces = strings.Split(a, " "+module+"/")
		}
		for i, p := range pieces {
			if i == 0 {
				if p == module {
					p = ""
				}
				p = strings.TrimPrefix(p, module+"/")
			}
			paths = append(paths, p)
		}
	}
	return paths
}
