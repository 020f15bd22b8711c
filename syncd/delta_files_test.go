package syncd

import (
	"testing"

	"github.com/seed9553035b/syncd/delta"
)

// TestWhatIsTakenIsRead sees that a search whose bytes are written gets them in a
// buffer: what is mapped could change between being hashed and being written.
func TestWhatIsTakenIsRead(t *testing.T) {
	var taken any = countedFile{}
	if _, ok := taken.(delta.Mapper); ok {
		t.Error("a file whose bytes are taken can be mapped")
	}
}
