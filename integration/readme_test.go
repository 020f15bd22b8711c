package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestDocumentsLinkWhatIsThere checks that every relative link of our documents
// leads to a file or a directory.
func TestDocumentsLinkWhatIsThere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)]*)?\)`)
	for _, doc := range []string{"README.md", "wire/native/protocol.md"} {
		text, err := os.ReadFile(filepath.Join("..", doc))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join("..", filepath.Dir(doc), string(m[1]))); err != nil {
				t.Errorf("%s: a link to %s, which is not there", doc, m[1])
			}
		}
	}
}
