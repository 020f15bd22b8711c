package tree

import (
	"os"
	"testing"
)

// TestAllocateKeepsTheSize checks that a file that was allocated ahead is as
// long as what was written, wherever that helps, and that writing out starts.
func TestAllocateKeepsTheSize(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	Allocate(f, 0, 1<<20)
	if _, err := f.WriteAt([]byte("abc"), 4096); err != nil {
		t.Fatal(err)
	}
	if err := StartWriting(f, 0, 0); err != nil {
		t.Fatal(err)
	}
	if err := LetGo(f, 0, 4099); err != nil {
		t.Fatal(err)
	}
	st, err := f.Stat()
	if err != nil || st.Size() != 4099 {
		t.Fatalf("size %d, %v; want 4099", st.Size(), err)
	}
}

// TestAllocateOnAClosedFile checks that there is no more than a false.
func TestAllocateOnAClosedFile(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if Allocate(f, 0, 1<<20) || StartWriting(f, 0, 0) == nil {
		t.Error("a closed file was allocated or written")
	}
}
