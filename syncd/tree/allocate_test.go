package tree

import "testing"

// TestAllocateKeepsTheSize checks that a file that was allocated ahead is as
// long as what was written, wherever that helps, and that writing out starts.
func TestAllocateKeepsTheSize(t *testing.T) {
	d, _ := testDir(t)
	f, err := d.Create("f", 0o600)
	must(t, err)
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
	size, err := f.Size()
	if err != nil || size != 4099 {
		t.Fatalf("size %d, %v; want 4099", size, err)
	}
}

// TestAllocateOnAClosedFile checks that there is no more than a false.
func TestAllocateOnAClosedFile(t *testing.T) {
	d, _ := testDir(t)
	f, err := d.Create("f", 0o600)
	must(t, err)
	f.Close()
	if Allocate(f, 0, 1<<20) || StartWriting(f, 0, 0) == nil {
		t.Error("a closed file was allocated or written")
	}
}
