package filter

// Side is the part that the caller plays for the path it asks about.
type Side uint8

const (
	// Sender asks whether a path goes into the list of what is sent.
	Sender Side = iota
	// Receiver asks whether a path that the sender lacks is kept: Exclude
	// protects it from deletion.
	Receiver
	// Removing is Receiver inside a directory that is itself being removed,
	// where perishable rules do not count.
	Removing
)

// Verdict is what the rules say about a path.
type Verdict uint8

const (
	None    Verdict = iota // no rule matched; the path is part of the transfer
	Include                // an include rule was the first to match
	Exclude                // an exclude rule was the first to match
)

// String returns "none", "include" or "exclude".
func (v Verdict) String() string {
	switch v {
	case Include:
		return "include"
	case Exclude:
		return "exclude"
	}
	return "none"
}

// modifiers are the properties of a rule, or those that a merge file hands
// down to the rules in it.
type modifiers uint16

const (
	include      modifiers = 1 << iota // "+": the verdict is Include
	absolute                           // "/": the pattern sees List.Root before the path
	negate                             // "!": the rule applies where the pattern fails
	senderSide                         // "s"
	receiverSide                       // "r"
	perishable                         // "p"
	xattr                              // "x": for names of extended attributes, not for paths
	cvs                                // "C"
	noPrefixes                         // "-" or "+" on a merge rule: lines are bare patterns
	wordSplit                          // "w": words rather than lines
	noInherit                          // "n": subdirectories do not see the rules
	excludeSelf                        // "e": the merge file itself is excluded

	sides = senderSide | receiverSide
	// handedDown are the modifiers of a merge rule that all rules of its file
	// get. Sides are handed down too, but may not meet others; include is for
	// bare patterns only.
	handedDown = absolute | perishable | xattr
)

func (m modifiers) has(all modifiers) bool { return m&all == all }

// rule is one entry of a list. Exactly one of three: a pattern; a dir-merge
// rule (merge is set), a place for rules that are read directory by directory;
// a "-C" rule (mods has cvs, merge is nil), a place for the CVS ignores.
type rule struct {
	mods    modifiers
	pattern pattern
	merge   *dirMerge
	ignores *ruleSet
	// fromOption marks what AddCVS added: a server with -C in its arguments
	// adds it too, so it is not always sent.
	fromOption bool
}

// dirMerge is one dir-merge rule. Its address is its identity.
type dirMerge struct {
	mods modifiers
	path string // as written; with a slash in it parents are scanned
	name string // the last element of path
}

// ruleSet is an ordered set of rules in front of those it inherits. A set that
// others inherit is not changed any more.
type ruleSet struct {
	rules     []*rule
	inherited *ruleSet
}

// query is one question to a list.
type query struct {
	path  string
	isDir bool
	xattr bool
	side  Side
	root  string // List.Root without slashes at its ends
	// delExcluded makes rules without sides rules for the sender.
	delExcluded bool
	scope       *Scope // may be nil: dir-merge rules are then empty
}

// verdict returns what the first matching rule of s says; it mirrors
// check_filter in exclude.c.
func (q *query) verdict(s *ruleSet) Verdict {
	for ; s != nil; s = s.inherited {
		for _, r := range s.rules {
			v := None
			switch {
			case q.side == Removing && r.mods.has(perishable):
			case r.merge != nil:
				v = q.verdict(q.scope.rules(r.merge))
			case r.ignores != nil:
				v = q.verdict(r.ignores)
			case q.matches(r):
				v = r.verdict()
			}
			if v != None {
				return v
			}
		}
	}
	return None
}

// matches reports whether r, a pattern, applies to q.
func (q *query) matches(r *rule) bool {
	if r.mods.has(xattr) != q.xattr || !r.concerns(q.side, q.delExcluded) {
		return false
	}
	return r.pattern.match(q.root, q.path, q.isDir) != r.mods.has(negate)
}

// concerns reports whether a pattern has a say on a side. delExcluded is
// --delete-excluded: what is not for a named side is for the sender only.
func (r *rule) concerns(side Side, delExcluded bool) bool {
	switch r.mods & sides {
	case senderSide:
		return side == Sender
	case receiverSide:
		return side != Sender
	case 0:
		return side == Sender || !delExcluded
	}
	return true
}

func (r *rule) verdict() Verdict {
	if r.mods.has(include) {
		return Include
	}
	return Exclude
}
