package syncd

import (
	"testing"

	"github.com/seed9553035b/syncd/delta"
)

// TestTrustIsBounded notes copies that were not checked: neighbours as one, and no more
// than a peer may have this side remember.
func TestTrustIsBounded(t *testing.T) {
	w := &partBuilder{builder: new(builder)}
	for i := range int64(1000) {
		w.trust(delta.Op{Off: 7 + i*10, Src: i * 10, Len: 10})
	}
	if len(w.trusted) != 1 || w.trusted[0] != (delta.Op{Off: 7, Src: 0, Len: 10_000}) {
		t.Errorf("neighbours are noted as %v", w.trusted)
	}
	for i := range int64(maxTrusted - 1) {
		w.trust(delta.Op{Off: 20_000 + i, Src: 5, Len: 1})
	}
	if len(w.trusted) != maxTrusted || w.many {
		t.Errorf("%d copies are noted, many: %t", len(w.trusted), w.many)
	}
	for i := range int64(10) {
		w.trust(delta.Op{Off: 1e9 + i*5, Src: 5, Len: 1})
	}
	if len(w.trusted) != 0 || !w.many {
		t.Errorf("%d copies are noted, many: %t", len(w.trusted), w.many)
	}
}
