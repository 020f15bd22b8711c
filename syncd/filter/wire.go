package filter

import (
	"fmt"
	"strings"
)

// ParseWire adds a rule that a peer sent, in the form of protocol 29 and
// later. Below 29 a peer's rules are in the notation of AddExclude. A rule that
// would read a file or the environment of this host does not do so: "." is
// refused, "-C" is CVS's own patterns.
func (l *List) ParseWire(text string) error {
	return l.add(text, 0, filterNotation, fromPeer)
}

// Rules returns the rules that a client sends to its peer, as text for the
// wire, in order. local is the client's side, Sender or Receiver; rules that
// concern only that side are not among them. protocol is the one in use; below
// 29 there are only plain includes and excludes, and any other rule is an
// error. It mirrors send_rules in exclude.c.
func (l *List) Rules(local Side, protocol int) ([]string, error) {
	w := wireWriter{list: l, local: local, protocol: protocol}
	err := w.set(&l.set)
	return w.texts, err
}

// AllRules returns all rules, as text for the wire of the newest protocol: for a
// peer that has to know what both sides do.
func (l *List) AllRules() ([]string, error) {
	w := wireWriter{list: l, local: Receiver, protocol: 32, all: true}
	err := w.set(&l.set)
	return w.texts, err
}

// wireWriter collects the texts of rules.
type wireWriter struct {
	list     *List
	local    Side
	protocol int
	all      bool // whatever side they concern
	texts    []string
}

func (w *wireWriter) set(s *ruleSet) error {
	for _, r := range s.rules {
		if !w.all && !w.forPeer(r) {
			continue
		}
		if r.ignores != nil && (w.local == Sender || w.protocol < 29) {
			// The receiver's patterns would be its own: it gets ours, one by one.
			if err := w.set(r.ignores); err != nil {
				return err
			}
			continue
		}
		text, err := w.text(r)
		if err != nil {
			return err
		}
		if len(text) > maxText {
			return syntaxError("longer than %d bytes on the wire", maxText)
		}
		w.texts = append(w.texts, text)
	}
	return nil
}

// forPeer reports whether the peer has to know r.
func (w *wireWriter) forPeer(r *rule) bool {
	remote := Receiver
	if w.local == Receiver {
		remote = Sender
		if r.fromOption {
			return false // a sender with -C among its arguments adds them itself
		}
	}
	// Under --delete-excluded the rules in a merge file may still name sides,
	// unless they have no prefixes.
	deleteExcluded := w.list.DeleteExcluded && (r.merge == nil || r.mods.has(noPrefixes))
	return r.concerns(remote, deleteExcluded)
}

// text mirrors get_rule_prefix in exclude.c.
func (w *wireWriter) text(r *rule) (string, error) {
	pattern := r.pattern.text
	if r.merge != nil {
		pattern = r.merge.path
	}
	if r.pattern.dirOnly {
		pattern += "/"
	}
	verb := "-"
	switch {
	case r.merge != nil:
		verb = ":"
	case r.mods.has(include):
		verb = "+"
	}
	letters := r.letters()
	if w.protocol < 30 {
		letters = strings.ReplaceAll(letters, "p", "")
	}
	if w.protocol < 29 {
		letters = strings.Trim(letters, "sr")
		if r.merge != nil || letters != "" {
			return "", fmt.Errorf("filter rule %q cannot be said in protocol %d", verb+letters+" "+pattern, w.protocol)
		}
	}
	return verb + letters + " " + pattern, nil
}

// letters returns the modifiers in the order of the wire.
func (r *rule) letters() string {
	order := []struct {
		mod    modifiers
		letter string
	}{
		{absolute, "/"}, {negate, "!"}, {cvs, "C"}, {noInherit, "n"}, {wordSplit, "w"}, {noPrefixes, "-"},
		{excludeSelf, "e"}, {xattr, "x"}, {senderSide, "s"}, {receiverSide, "r"}, {perishable, "p"},
	}
	mods := r.mods
	if mods.has(cvs) {
		mods &^= noInherit | wordSplit | noPrefixes // "C" says these
	}
	var b strings.Builder
	for _, o := range order {
		switch {
		case !mods.has(o.mod):
		case o.mod == noPrefixes && mods.has(include):
			b.WriteString("+")
		default:
			b.WriteString(o.letter)
		}
	}
	return b.String()
}
