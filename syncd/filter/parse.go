package filter

import (
	"fmt"
	"strings"
)

const (
	maxText    = 5119 // bytes of one rule; stock's line buffer (BIGPATHBUFLEN - 1)
	maxPattern = 4095 // bytes of its pattern; stock's MAXPATHLEN - 1
)

// SyntaxError is the error of a rule that cannot be understood. It is wrapped
// with the name of the file and the line if the rule is from a file.
type SyntaxError struct {
	// Rule is the text as given to a method of List. It is empty for rules
	// from files: what is in a file that is not meant for the reader of the
	// message must not end up there.
	Rule   string
	Reason string
}

func (e *SyntaxError) Error() string {
	if e.Rule == "" {
		return "filter rule: " + e.Reason
	}
	return fmt.Sprintf("filter rule %q: %s", e.Rule, e.Reason)
}

func syntaxError(format string, args ...any) error {
	return &SyntaxError{Reason: fmt.Sprintf(format, args...)}
}

// notation is how a rule may begin.
type notation uint8

const (
	filterNotation  notation = iota // --filter: a rule name is needed
	patternNotation                 // --exclude: "- ", "+ ", "!" or a bare pattern
)

// directive is a rule as parsed.
type directive struct {
	verb byte // '-', '+', '.', ':' or '!'
	mods modifiers
	arg  string // pattern or file name
	// open says that nothing followed the rule's name, not even the space: in
	// a word-split file the next word is the argument.
	open bool
}

// ruleNames are the long names of the rules.
var ruleNames = []struct {
	name  string
	short byte
}{
	{"clear", '!'}, {"dir-merge", ':'}, {"exclude", '-'}, {"hide", 'H'}, {"include", '+'},
	{"merge", '.'}, {"protect", 'P'}, {"risk", 'R'}, {"show", 'S'},
}

// parse reads one rule that is not empty. in are the modifiers of the merge
// rule whose file it stands in, 0 otherwise. It mirrors parse_rule_tok in
// exclude.c.
func parse(text string, in modifiers, n notation) (directive, error) {
	if len(text) > maxText {
		return directive{}, syntaxError("longer than %d bytes", maxText)
	}
	if strings.IndexByte(text, 0) >= 0 {
		return directive{}, syntaxError("a NUL byte inside")
	}
	var d directive
	var err error
	switch {
	case in.has(noPrefixes):
		d = directive{verb: '-', mods: in & include, arg: text}
		if in.has(cvs) && text == "!" {
			d = directive{verb: '!'}
		}
	case n == patternNotation:
		d = parseOld(text, in)
	default:
		d, err = parseNew(text)
	}
	if err != nil {
		return directive{}, err
	}
	d.mods |= in & handedDown
	if in&sides != 0 && d.verb != '!' {
		if d.mods&sides != 0 {
			return directive{}, syntaxError("names a side, and so does the merge rule of its file")
		}
		d.mods |= in & sides
	}
	return d, d.check()
}

// parseOld reads the notation of --exclude and --include.
func parseOld(text string, in modifiers) directive {
	switch {
	case text == "!":
		return directive{verb: '!'}
	case strings.HasPrefix(text, "- "):
		return directive{verb: '-', arg: text[2:]}
	case strings.HasPrefix(text, "+ "):
		return directive{verb: '+', mods: include, arg: text[2:]}
	}
	return directive{verb: '-', mods: in & include, arg: text}
}

// parseNew reads the notation of --filter.
func parseNew(text string) (directive, error) {
	short, rest, err := splitName(text)
	if err != nil {
		return directive{}, err
	}
	d := directive{verb: short}
	switch short {
	case '!':
		if rest != "" && rest != "," {
			return d, syntaxError("text after the rule that clears the list")
		}
		return d, nil
	case '+':
		d.mods = include
	case 'H':
		d.verb, d.mods = '-', senderSide
	case 'S':
		d.verb, d.mods = '+', senderSide|include
	case 'P':
		d.verb, d.mods = '-', receiverSide
	case 'R':
		d.verb, d.mods = '+', receiverSide|include
	}
	rest = strings.TrimPrefix(rest, ",")
	end := strings.IndexAny(rest, " _")
	d.open = end < 0
	if d.open {
		end = len(rest)
	} else {
		d.arg = rest[end+1:]
	}
	if strings.IndexByte("HSPR", short) >= 0 && strings.ContainsAny(rest[:end], "srC") {
		return d, syntaxError("modifier %q does not go with %q", rest[:end], short)
	}
	for i := range end {
		if err := d.modify(rest[i]); err != nil {
			return d, err
		}
	}
	return d, nil
}

// splitName takes the name off a rule; it returns the short form of the name.
func splitName(text string) (short byte, rest string, err error) {
	for _, r := range ruleNames {
		if rest, ok := strings.CutPrefix(text, r.name); ok {
			if rest == "" || strings.IndexByte(" _,", rest[0]) >= 0 {
				return r.short, rest, nil
			}
		}
	}
	if strings.IndexByte("-+.:!HSPR", text[0]) < 0 {
		return 0, "", syntaxError("begins with no known rule name")
	}
	return text[0], text[1:], nil
}

// modify adds the modifier with that letter.
func (d *directive) modify(letter byte) error {
	merge := d.verb == '.' || d.verb == ':'
	ok := true
	switch letter {
	case '/':
		d.mods |= absolute
	case 's':
		d.mods |= senderSide
	case 'r':
		d.mods |= receiverSide
	case 'p':
		d.mods |= perishable
	case 'x':
		d.mods |= xattr
	case '!': // negation goes with a pattern, it cannot be handed down
		ok = !merge
		d.mods |= negate
	case 'C':
		ok = !d.mods.has(noPrefixes)
		d.mods |= cvs | noPrefixes | wordSplit | noInherit
	case '-', '+':
		ok = merge && !d.mods.has(noPrefixes)
		d.mods |= noPrefixes
		if letter == '+' {
			d.mods |= include
		}
	case 'e':
		ok = merge
		d.mods |= excludeSelf
	case 'n':
		ok = merge
		d.mods |= noInherit
	case 'w':
		ok = merge
		d.mods |= wordSplit
	default:
		return syntaxError("unknown modifier %q", letter)
	}
	if !ok {
		return syntaxError("modifier %q does not go with %q and the ones before it", letter, d.verb)
	}
	return nil
}

// check holds the argument against the rule.
func (d *directive) check() error {
	merge := d.verb == '.' || d.verb == ':'
	switch {
	case len(d.arg) > maxPattern:
		return syntaxError("pattern longer than %d bytes", maxPattern)
	case merge && d.arg == "" && d.mods.has(cvs):
		d.arg = ".cvsignore"
	case !merge && d.mods.has(cvs):
		if d.arg != "" {
			return syntaxError("\"C\" stands for the CVS patterns and takes none")
		}
	case d.verb != '!' && d.arg == "":
		return syntaxError("nothing follows the rule's name")
	case merge:
		switch d.arg[strings.LastIndexByte(d.arg, '/')+1:] {
		case "", ".", "..":
			return syntaxError("the merge file is a directory")
		}
	}
	return nil
}
