package rsync

import (
	"slices"
	"strings"
)

// Refusals are options that a daemon's module does not take: names, letters or
// patterns of names, in order; a "!" in front takes back what those before it
// refuse (rsyncd.conf(5), refuse options; options.c:set_refuse_options). A daemon
// without any refuses a few all the same; nil, as of a server behind a remote
// shell, refuses nothing.
type Refusals []string

// refusedAtFirst are options that a module has to allow by name.
var refusedAtFirst = []string{"copy-devices", "write-devices"}

// onlyByName are options that no pattern refuses, and lettersByName the letters
// of more: without most of them a client could do nothing to good purpose.
var onlyByName = append([]string{"log-format", "iconv", "no-iconv", "checksum-seed"}, refusedAtFirst...)

const lettersByName = "e0sn"

// archiveLetters are what a refusal of "a" is about.
const archiveLetters = "rdlptgoD"

// implied are options that others come down to: who refuses the second refuses
// the first.
var implied = map[string]string{
	"delete-before": "delete", "delete-during": "delete", "delete-delay": "delete", "delete-after": "delete", "delete-excluded": "delete",
	"del": "delete", "delete-missing-args": "delete", "append": "inplace", "inplace": "partial", "partial-dir": "partial", "delay-updates": "partial",
	"compress-level": "compress", "compress-choice": "compress", "zc": "compress", "new-compress": "compress", "old-compress": "compress",
}

// refuses returns the name by which the option is refused, "" if it is not.
// letter is 0 if it has none. sender says that the server has the source.
func (r Refusals) refuses(long string, letter byte, sender bool) string {
	if sender && (long == "remove-source-files" || long == "remove-sent-files") && r.matches("delete", 0) {
		return "delete"
	}
	if r.matches(long, letter) {
		return long
	}
	for base := implied[long]; base != ""; base = implied[base] {
		if r.matches(base, 0) {
			return base
		}
	}
	return ""
}

// matches applies the patterns in order.
func (r Refusals) matches(long string, letter byte) bool {
	if r == nil {
		return false
	}
	refused := slices.Contains(refusedAtFirst, long)
	for _, p := range r {
		negated := len(p) > 1 && p[0] == '!'
		if negated {
			p = p[1:]
		}
		if refusalMatches(p, long, letter) {
			refused = !negated
		}
	}
	return refused
}

func refusalMatches(pattern, long string, letter byte) bool {
	short := ""
	if letter != 0 {
		short = string(letter)
	}
	if !strings.ContainsAny(pattern, "*?[") {
		if (pattern == "a" || pattern == "archive") && short != "" {
			return strings.Contains(archiveLetters, short)
		}
		return pattern == long || pattern == short && short != ""
	}
	if slices.Contains(onlyByName, long) || short != "" && strings.Contains(lettersByName, short) {
		return false
	}
	return long != "" && MatchName(pattern, long) || short != "" && MatchName(pattern, short)
}

// Check returns what is wrong with the first pattern that is malformed.
func (r Refusals) Check() error {
	for _, p := range r {
		if err := CheckPattern(p); err != nil {
			return err
		}
	}
	return nil
}

// A RefusedError is an option that the daemon's configuration refuses, in
// stock's words (options.c:create_refuse_error).
type RefusedError struct {
	Option string // the long name, or a letter if there is none
	Letter byte   // 0 if there is none
}

// Error names the option.
func (e *RefusedError) Error() string {
	s := "The server is configured to refuse "
	if e.Option == "" {
		return s + "-" + string(e.Letter)
	}
	s += "--" + e.Option
	if e.Letter != 0 {
		s += " (-" + string(e.Letter) + ")"
	}
	return s
}
