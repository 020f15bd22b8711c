package rsync

import (
	"math"
	"strconv"
	"strings"
)

// ParseArgs decodes the arguments of a server, from "--server" on. An option
// that is unknown, lacks its value or has one that cannot be is an *ArgError
// that names the first such option; one of refuse is a *RefusedError. The Args
// then have what was understood: the session has to be set up with them before
// the client can be told (options.c:parse_arguments, clientserver.c:rsync_module).
func ParseArgs(args []string, refuse Refusals) (*Args, error) {
	a, err := parseArgs(args, refuse)
	if a.CompressLevel != nil && a.CompressChoice != "none" {
		a.Compress = true // a level asks for compression too, and is all that is sent of it
	}
	return a, err
}

func parseArgs(args []string, refuse Refusals) (*Args, error) {
	p := argParser{a: &Args{}, rest: args, refuse: refuse}
	var first error
	if len(args) == 0 || args[0] != "--server" {
		first = &ArgError{"--server", "must come first"}
	} else {
		p.rest = args[1:]
	}
	for len(p.rest) > 0 {
		arg := p.rest[0]
		p.rest = p.rest[1:]
		if arg == "." {
			p.a.Paths = p.rest
			return p.a, first
		}
		if err := p.option(arg); err != nil && first == nil {
			first = err
		}
	}
	if first == nil {
		first = &ArgError{".", "missing before the paths"}
	}
	return p.a, first
}

// argParser holds what is not yet parsed.
type argParser struct {
	a      *Args
	rest   []string
	refuse Refusals
}

// option handles one argument and, if it takes a separate value, the next.
func (p *argParser) option(arg string) error {
	switch {
	case arg == "--sender":
		p.a.Sender = true
		return nil
	case strings.HasPrefix(arg, "--"):
		return p.long(arg)
	case len(arg) > 1 && arg[0] == '-':
		return p.bundle(arg[1:])
	}
	return &ArgError{arg, "is neither an option nor \".\""}
}

// long handles --name, --no-name, --name=value and --name value.
func (p *argParser) long(arg string) error {
	name, value, hasValue := strings.Cut(arg[2:], "=")
	o := findLong(name)
	if o == nil {
		if base, ok := strings.CutPrefix(name, "no-"); ok && !hasValue {
			return p.negated(arg, base)
		}
		return &ArgError{"--" + name, "unknown option"}
	}
	if o.form == flag {
		if hasValue {
			return &ArgError{"--" + name, "takes no value"}
		}
		return p.set(o, "--"+name, "")
	}
	if !hasValue {
		if len(p.rest) == 0 {
			return &ArgError{"--" + name, "lacks its value"}
		}
		value, p.rest = p.rest[0], p.rest[1:]
	}
	return p.set(o, "--"+name, value)
}

// negated handles --no-name and --no-x, for flags only.
func (p *argParser) negated(arg, base string) error {
	var o *option
	if len(base) == 1 {
		o = findShort(base[0])
	} else {
		o = findLong(base)
	}
	if o == nil || o.form != flag {
		return &ArgError{arg, "unknown option"}
	}
	switch f := o.at(p.a).(type) {
	case *bool:
		*f = false
	case *int:
		*f = 0
	case *Tri:
		*f = Off
	case devices:
		f.a.Devices, f.a.Specials = false, false
	default:
		return &ArgError{arg, "unknown option"}
	}
	return p.refused(strings.TrimPrefix(arg, "--"), 0)
}

// refused fails if the option is. It counts as understood all the same.
func (p *argParser) refused(long string, letter byte) error {
	name := p.refuse.refuses(long, letter, p.a.Sender)
	if name == "" && (long != "" || !p.refuse.matches("", letter)) {
		return nil
	}
	if o := findLong(name); name != long {
		letter = 0
		if o != nil {
			letter = o.short
		}
	}
	return &RefusedError{Option: name, Letter: letter}
}

// bundle handles short options behind one dash; the first that takes a value
// takes the rest, or the next argument if nothing is left.
func (p *argParser) bundle(flags string) (first error) {
	for i := range len(flags) {
		name := "-" + flags[i:i+1]
		o := findShort(flags[i])
		if o == nil {
			return &ArgError{name, "unknown option"}
		}
		if o.form == flag {
			// A refused one is understood, and so are those behind it.
			if err := p.set(o, name, ""); err != nil && first == nil {
				first = err
			}
			continue
		}
		value := flags[i+1:]
		if value == "" {
			if len(p.rest) == 0 {
				return &ArgError{name, "lacks its value"}
			}
			value, p.rest = p.rest[0], p.rest[1:]
		}
		if err := p.set(o, name, value); first == nil {
			first = err
		}
		break
	}
	return first
}

// set stores a value into the option's field.
func (p *argParser) set(o *option, name, value string) error {
	var err error
	switch f := o.at(p.a).(type) {
	case *bool:
		*f = true
	case *Tri:
		*f = On
	case *int:
		err = setInt(f, o.form, value)
	case **int:
		var n int
		*f = &n
		err = setInt(&n, o.form, value)
		if f == &p.a.MaxDelete {
			n = max(n, 0) // -1 is how stock sends 0
		}
	case *int32:
		var n int64
		n, err = strconv.ParseInt(value, 10, 32)
		*f = int32(n)
	case *int64:
		*f, err = ParseSize(value)
	case **int64:
		var n int64
		*f = &n
		n, err = ParseSize(value)
	case *string:
		*f = value
	case *[]string:
		*f = append(*f, value)
	case *capString:
		*f = capString(value[strings.LastIndexByte(value, '.')+1:])
	case devices:
		f.a.Devices, f.a.Specials = true, true
	case deletion:
		f.a.Delete = f.mode
	case choice:
		err = f.set(value)
	}
	if err != nil {
		return &ArgError{name, "invalid value " + strconv.Quote(value)}
	}
	return p.refused(o.long, o.short)
}

// set turns compression on, or off for "none".
func (c choice) set(value string) error {
	if c.name != "" {
		value = c.name
	}
	c.a.Compress = value != "none"
	c.a.CompressChoice = notAuto(value)
	return nil
}

// setInt counts a flag or parses a number.
func setInt(f *int, form form, value string) error {
	if form == flag {
		*f++
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 32)
	*f = int(n)
	return err
}

// findLong returns the option of that long name, without the dashes.
func findLong(name string) *option {
	if name == "protect-args" {
		name = "secluded-args"
	}
	for _, list := range [][]option{longOptions, shortOptions} {
		for i := range list {
			if name != "" && list[i].long == name {
				return &list[i]
			}
		}
	}
	return nil
}

// findShort returns the option of that letter.
func findShort(letter byte) *option {
	for _, list := range [][]option{shortOptions, longOptions} {
		for i := range list {
			if list[i].short == letter {
				return &list[i]
			}
		}
	}
	return nil
}

// shortFlags reports whether all letters are short options without values.
func shortFlags(letters string) bool {
	for i := range len(letters) {
		if o := findShort(letters[i]); o == nil || o.form != flag {
			return false
		}
	}
	return true
}

// ParseSize reads a size as stock's options take it: a number, perhaps with a
// fraction, a unit of B, K, M, G, T or P (1024; 1000 if a "B" follows, an
// "iB" changes nothing), and perhaps +1 or -1 (options.c:parse_size_arg).
func ParseSize(s string) (int64, error) {
	bad := &ArgError{s, "is not a size"}
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
		i++
	}
	number, unit := s[:i], strings.ToLower(s[i:])
	offset := int64(0)
	switch {
	case strings.HasSuffix(unit, "+1"):
		offset, unit = 1, unit[:len(unit)-2]
	case strings.HasSuffix(unit, "-1"):
		offset, unit = -1, unit[:len(unit)-2]
	}
	scale, base := 1.0, 1024.0
	if unit != "" && unit != "b" {
		power := strings.IndexByte("kmgtp", unit[0]) + 1
		switch unit[1:] {
		case "b":
			base = 1000
		case "", "ib":
		default:
			return 0, bad
		}
		if power == 0 {
			return 0, bad
		}
		scale = math.Pow(base, float64(power))
	}
	if whole, err := strconv.ParseInt(number, 10, 64); err == nil && scale == 1 {
		return whole + offset, nil
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || v*scale >= math.MaxInt64 {
		return 0, bad
	}
	return int64(v*scale) + offset, nil
}
