package delta

// Tuning of looking ahead.
const (
	// What is looked for may lie behind where it should, by what an edit has put
	// before it: so much more is searched, and no more than one part in aheadShare of it.
	aheadSlack = 1 << 20
	aheadShare = 8

	// What is searched ahead in vain is searched again. It may be one part in
	// aheadLoss, and aheadLossMin bytes, some milliseconds, before that is given up.
	aheadLoss    = 8
	aheadLossMin = 4 << 20

	// aheadSure blocks in a row are what they seem, and not searched again: a block of a
	// repetitive file is easily at several places, and hides the begin of another.
	aheadSure = 8
)

// ahead says where to look for the parts of a signature while it comes: each in what
// follows, in the file that is searched, that which was found last.
type ahead struct {
	blocks int   // of the signature, looked for
	at     int64 // in the searched file, behind the last block of those that were found
	behind int64 // and in the signed one
	lost   bool  // it is of no use any more
	seen   int64 // bytes searched
	vain   int64 // of them, without finding anything, or for another time
}

// aheadPart is a part of a signature, and where to look for it.
type aheadPart struct {
	from, to int    // blocks
	area     []span // of the searched file: where they should be, and a bit more
}

// next returns the part that ends before block to of sig, whose sums are there up to that
// one, to be looked for in the first size bytes of a file.
func (a *ahead) next(sig *Signature, to int, size int64) (p aheadPart, ok bool) {
	// A scanner finds a short last block behind the one before.
	p.from, p.to = a.blocks, min(to, sig.Blocks()-2)
	if a.lost || p.to <= p.from || a.at >= size {
		return p, false
	}
	a.blocks = p.to
	end := a.at + int64(p.to)*int64(sig.params.Block) - a.behind
	slack := end + min(aheadSlack, (end-a.at)/aheadShare)
	p.area = []span{{a.at, min(end, size)}, {min(end, size), min(slack, size)}}
	return p, true
}

// index returns the index of the part.
func (p *aheadPart) index(sig *Signature) *index {
	ix := newIndex(sig.part(p.from, p.to))
	ix.origin, _ = sig.Block(p.from)
	return ix
}

// found says that n bytes of the part were found, of which the last lie before at in
// the searched file, and before behind in the signed one.
func (a *ahead) found(at, behind, n int64) {
	a.at, a.behind = at, behind
	a.vain -= n
}

// searched says that the part's area was searched up to end.
func (a *ahead) searched(p aheadPart, end int64) {
	n := end - p.area[0].off
	a.seen += n
	a.vain += n
	a.lost = a.vain > a.seen/aheadLoss+aheadLossMin
}
