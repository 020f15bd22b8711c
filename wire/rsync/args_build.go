package rsync

import (
	"fmt"
	"strconv"
	"strings"
)

// Build encodes the server arguments, from "--server" to the paths. Nothing is
// escaped. protocol is the version that the client will offer. head holds the
// first list if the arguments are secluded, and everything before the "."
// otherwise; tail is the rest (options.c:server_options).
func (a *Args) Build(protocol int) (head, tail []string) {
	head = []string{"--server"}
	if a.Sender {
		head = append(head, "--sender")
	}
	if b := a.bundle(protocol); b != "-" {
		head = append(head, b)
	}
	long := a.longArgs()
	end := append(append([]string(nil), "."), a.Paths...)
	if a.Secluded {
		return head, append(long, end...)
	}
	return append(head, long...), end
}

// bundle returns the short options and, from protocol 30 on, the capabilities.
func (a *Args) bundle(protocol int) string {
	var b strings.Builder
	b.WriteByte('-')
	for i := range shortOptions {
		o := &shortOptions[i]
		if !a.sends(o) {
			continue
		}
		for range a.count(o) {
			b.WriteByte(o.short)
		}
	}
	if a.Compress && (a.CompressChoice == "" || a.CompressChoice == "zlib") {
		b.WriteByte('z')
	}
	if protocol >= 30 && a.Capabilities != "" {
		b.WriteString("e." + a.Capabilities)
	}
	return b.String()
}

// sends reports whether the client sends the option in this direction.
func (a *Args) sends(o *option) bool {
	return o.sent == always || o.sent == push && !a.Sender || o.sent == pull && a.Sender
}

// count returns how often a flag is to be written.
func (a *Args) count(o *option) int {
	on := false
	switch f := o.at(a).(type) {
	case *int:
		return min(*f, 9) // options.c: more than nine v are not sent
	case *bool:
		on = *f
	case *Tri:
		on = *f == On
	case devices:
		on = f.a.Devices
	case deletion:
		on = f.a.Delete == f.mode
	}
	if on {
		return 1
	}
	return 0
}

// longArgs returns the long options.
func (a *Args) longArgs() []string {
	var out []string
	for i := range longOptions {
		o := &longOptions[i]
		if !a.sends(o) {
			continue
		}
		name := "--" + o.long
		if o.form == flag {
			for range a.count(o) {
				out = append(out, name)
			}
			continue
		}
		for _, v := range a.values(o) {
			if o.form == separate {
				out = append(out, name, v)
			} else {
				out = append(out, name+"="+v)
			}
		}
	}
	return append(append(out, a.oddArgs()...), a.Extra...)
}

// oddArgs returns the options whose spelling depends on more than one field.
func (a *Args) oddArgs() []string {
	var out []string
	add := func(on bool, args ...string) {
		if on {
			out = append(out, args...)
		}
	}
	// -D stands for both; only a difference needs words.
	add(a.Devices && !a.Specials, "--no-specials")
	add(a.Specials && !a.Devices, "--specials")
	add(a.WholeFile == Off, "--no-W")
	add(a.MsgsToStderr == Off, "--no-msgs2stderr")
	add(a.BlockSize != 0, "-B"+strconv.Itoa(a.BlockSize))
	add(a.ModifyWindow < 0, "-@"+strconv.Itoa(a.ModifyWindow))
	add(a.ModifyWindow > 0, "--modify-window="+strconv.Itoa(a.ModifyWindow))
	switch a.CompressChoice {
	case "":
	case "zlib":
		add(a.Compress, "--old-compress")
	case "zlibx":
		add(a.Compress, "--new-compress")
	default:
		out = append(out, "--compress-choice="+a.CompressChoice)
	}
	// The names come over the connection: joined, as stock spells it.
	add(a.FilesFrom == "-", "--files-from=-")
	add(a.FilesFrom != "" && a.FilesFrom != "-", "--files-from", a.FilesFrom)
	return out
}

// values returns the values of an option that has been given.
func (a *Args) values(o *option) []string {
	switch f := o.at(a).(type) {
	case *string:
		if *f != "" {
			return []string{*f}
		}
	case *[]string:
		return *f
	case *int:
		return given(*f != 0, *f)
	case *int32:
		return given(*f != 0, *f)
	case *int64:
		return given(*f != 0, *f)
	case **int64:
		if *f != nil {
			return given(true, **f)
		}
	case **int:
		if *f == nil {
			return nil
		}
		n := **f
		if f == &a.MaxDelete && n == 0 {
			// 0 was "no limit" in old servers; a negative limit is not.
			n = -1
		}
		return given(true, n)
	}
	return nil
}

// given returns the value as text if it was given.
func given[T int | int32 | int64](ok bool, v T) []string {
	if !ok {
		return nil
	}
	return []string{fmt.Sprint(v)}
}
