package filter

// automaton runs a wildcard pattern over a text in one pass. It is a
// non-deterministic automaton whose states are the bits of a set: bit i says
// that the first i tokens of the pattern match the text read so far
// (Shift-And; Baeza-Yates and Gonnet, "A new approach to text searching",
// 1992; with repeated tokens as in Navarro and Raffinot, "Flexible Pattern
// Matching in Strings", 2002, chapter 4). A byte costs a few operations per 64
// tokens, so a match is linear in the text and no pattern is exponential.
type automaton struct {
	words  int    // words of a set
	accept int    // the number of tokens, and the bit of a full match
	row    []byte // for each of 256 bytes, which row it uses
	rows   []uint64
	star   []uint64 // the tokens "*"
	deep   []uint64 // the tokens "**"
	// restart sets bit 0 again after each slash.
	restart bool
}

// newAutomaton compiles a pattern; nil if no text at all can match it.
func newAutomaton(text string, restart bool) *automaton {
	tokens, ok := tokenize(text)
	if !ok {
		return nil
	}
	words := len(tokens)/64 + 1
	a := &automaton{
		words:   words,
		accept:  len(tokens),
		star:    make([]uint64, words),
		deep:    make([]uint64, words),
		restart: restart,
	}
	var mentioned byteSet
	mentioned.add('/') // "?" and classes never match it
	for i, t := range tokens {
		switch t.kind {
		case tokenStar:
			a.star[i/64] |= 1 << (i % 64)
		case tokenDeep:
			a.deep[i/64] |= 1 << (i % 64)
		case tokenSet:
			mentioned.union(&t.mentioned)
		}
	}
	a.buildRows(tokens, &mentioned)
	return a
}

// buildRows fills row and rows. Row 0 is shared by all bytes that the pattern
// does not tell apart; each other byte has its own.
func (a *automaton) buildRows(tokens []token, mentioned *byteSet) {
	a.row = make([]byte, 256)
	rows := 1
	if mentioned.len() == 256 {
		rows = 0 // nobody shares
	}
	a.rows = make([]uint64, a.words*(rows+mentioned.len()))
	shared := false
	for b := range 256 {
		r := 0
		if mentioned.has(byte(b)) {
			r = rows
			a.row[b] = byte(r)
			rows++
		} else if shared {
			continue
		} else {
			shared = true
		}
		set := a.rows[r*a.words : (r+1)*a.words]
		for i := range tokens {
			if tokens[i].accepts(byte(b)) {
				set[i/64] |= 1 << (i % 64)
			}
		}
	}
}

// match reports whether the pattern matches the text as a whole, with a slash
// before it if lead and one behind it if trail.
func (a *automaton) match(lead bool, text string, trail bool) bool {
	if a.words == 1 {
		return a.matchSmall(lead, text, trail)
	}
	state := make([]uint64, a.words)
	state[0] = 1
	a.close(state)
	if lead {
		a.step(state, '/')
	}
	for i := 0; i < len(text); i++ {
		if !a.step(state, text[i]) {
			return false
		}
	}
	if trail {
		a.step(state, '/')
	}
	return state[a.accept/64]>>(a.accept%64)&1 == 1
}

// step reads one byte. It returns false if no text that follows can match.
func (a *automaton) step(state []uint64, b byte) bool {
	row := a.rows[int(a.row[b])*a.words:]
	var carry, any uint64
	for w, s := range state {
		moved := s & row[w]
		stay := s & a.deep[w]
		if b != '/' {
			stay |= s & a.star[w]
		}
		state[w] = moved<<1 | carry | stay
		carry = moved >> 63
		any |= state[w]
	}
	if a.restart && b == '/' {
		state[0] |= 1
	}
	a.close(state)
	return any != 0 || a.restart
}

// close adds the states that are reached without a byte: a star may match
// nothing. Two stars are never neighbours, so one pass is enough.
func (a *automaton) close(state []uint64) {
	var carry uint64
	for w, s := range state {
		skip := s & (a.star[w] | a.deep[w])
		state[w] = s | skip<<1 | carry
		carry = skip >> 63
	}
}

// matchSmall is match for patterns of fewer than 64 tokens: the set of states
// is one word.
func (a *automaton) matchSmall(lead bool, text string, trail bool) bool {
	star, deep := a.star[0], a.deep[0]
	anyStar := star | deep
	restart := uint64(0)
	if a.restart {
		restart = 1
	}
	state := uint64(1)
	state |= (state & anyStar) << 1
	slash := func() {
		state = (state&a.rows[a.row['/']])<<1 | state&deep | restart
		state |= (state & anyStar) << 1
	}
	if lead {
		slash()
	}
	for i := 0; i < len(text); i++ {
		if b := text[i]; b == '/' {
			slash()
		} else {
			state = (state&a.rows[a.row[b]])<<1 | state&anyStar
			state |= (state & anyStar) << 1
		}
		if state|restart == 0 {
			return false
		}
	}
	if trail {
		slash()
	}
	return state>>a.accept&1 == 1
}

// size returns about how many bytes the automaton keeps.
func (a *automaton) size() int {
	return len(a.row) + 8*(len(a.rows)+len(a.star)+len(a.deep))
}
