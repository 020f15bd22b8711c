package filter

import (
	"os"
	"strings"
	"testing"
)

// naiveMatch is the definition of a wildcard match, token by token, with a
// table of what is known so that it ends.
func naiveMatch(tokens []token, text string) bool {
	type at struct{ token, text int }
	known := make(map[at]bool)
	var match func(at) bool
	match = func(p at) bool {
		if v, ok := known[p]; ok {
			return v
		}
		var v bool
		switch rest := text[p.text:]; {
		case p.token == len(tokens):
			v = rest == ""
		case tokens[p.token].kind == tokenSet:
			v = rest != "" && tokens[p.token].set.has(rest[0]) && match(at{p.token + 1, p.text + 1})
		default:
			v = match(at{p.token + 1, p.text}) ||
				rest != "" && (rest[0] != '/' || tokens[p.token].kind == tokenDeep) && match(at{p.token, p.text + 1})
		}
		known[p] = v
		return v
	}
	return match(at{})
}

// naive holds an unanchored pattern with "**" against the path from its start
// and from behind each slash.
func naive(tokens []token, restart bool, text string) bool {
	if naiveMatch(tokens, text) {
		return true
	}
	for i := range text {
		if restart && text[i] == '/' && naiveMatch(tokens, text[i+1:]) {
			return true
		}
	}
	return false
}

// FuzzAutomaton compares the automaton, in both its sizes, with naiveMatch.
func FuzzAutomaton(f *testing.F) {
	needCorpus(f, "FuzzAutomaton")
	f.Fuzz(func(t *testing.T, pattern, text string, restart bool) {
		if len(pattern) > 300 || len(text) > 300 || pattern == "" {
			return
		}
		tokens, ok := tokenize(pattern)
		if !ok {
			return
		}
		want := naive(tokens, restart, text)
		a := newAutomaton(pattern, restart)
		if got := a.match(false, text, false); got != want {
			t.Fatalf("pattern %q, text %q, restart %v: got %v, want %v", pattern, text, restart, got, want)
		}
		// Sixty-four more tokens make it one of several words.
		pad := strings.Repeat("=", 64)
		long := newAutomaton(pad+pattern, false)
		if got, want := long.match(false, pad+text, false), naive(tokens, false, text); got != want {
			t.Fatalf("long pattern %q, text %q: got %v, want %v", pattern, text, got, want)
		}
	})
}

// FuzzRule feeds rules of a peer: what is accepted comes back from Rules as
// rules that mean the same.
func FuzzRule(f *testing.F) {
	needCorpus(f, "FuzzRule")
	f.Fuzz(func(t *testing.T, first, second, path string, isDir bool) {
		var l List
		for _, text := range []string{first, second} {
			if err := l.ParseWire(text); err != nil {
				return
			}
		}
		// A sender's peer gets what concerns receivers.
		texts, err := l.Rules(Sender, 32)
		if err != nil {
			return // only longer on the wire than as given: "/" instead of nothing
		}
		var peer List
		for _, text := range texts {
			if err := peer.ParseWire(text); err != nil {
				t.Fatalf("rules %q %q: on the wire %q: %v", first, second, text, err)
			}
		}
		for _, side := range []Side{Receiver, Removing} {
			if got, want := peer.Match(path, isDir, side), l.Match(path, isDir, side); got != want {
				t.Fatalf("rules %q %q, wire %q, path %q: got %v, want %v", first, second, texts, path, got, want)
			}
		}
	})
}

// FuzzMergeFile reads files of a tree.
func FuzzMergeFile(f *testing.F) {
	needCorpus(f, "FuzzMergeFile")
	f.Fuzz(func(t *testing.T, rule, file, path string) {
		var l List
		if l.ParseWire(rule) != nil {
			return
		}
		scope, err := l.Enter(nil, "", filesOf(map[string]string{".rules": file}))
		if err != nil {
			return
		}
		scope.Match(path, false, Sender)
		scope.Match(path, true, Removing)
	})
}

// needCorpus fails if a fuzz target has lost its seeds: they are the part of it
// that every test run executes.
func needCorpus(f *testing.F, target string) {
	f.Helper()
	seeds, err := os.ReadDir("testdata/fuzz/" + target)
	if err != nil || len(seeds) == 0 {
		f.Fatalf("no seeds for %s: %v", target, err)
	}
}
