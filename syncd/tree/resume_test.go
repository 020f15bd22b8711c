package tree

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// persist stages a file with a journal, as a run does that will be killed.
func persist(t *testing.T, d *Dir, name, text string) *Staged {
	t.Helper()
	s, err := d.Stage(name)
	must(t, err)
	_, err = s.File.WriteAt([]byte(text), 0)
	must(t, err)
	if kept, err := s.Persist(); !kept || err != nil {
		t.Fatalf("not kept: %v", err)
	}
	must(t, s.AddJournal())
	if s.Journal == nil {
		t.Fatal("no journal")
	}
	return s
}

func leftovers(t *testing.T, d *Dir) []string {
	t.Helper()
	n, err := d.Names()
	must(t, err)
	return n.Leftovers()
}

func TestResume(t *testing.T) {
	d, path := testDir(t)
	s := persist(t, d, "file", "half")
	if got := leftovers(t, d); !slices.Equal(got, []string{JournalName("file"), PartialName("file")}) || !IsResumable(got[0]) || !IsResumable(got[1]) {
		t.Errorf("left: %q", got)
	}
	if d.Resume("file") != nil {
		t.Error("taken from a run that is alive")
	}
	must(t, s.Release())
	if d.Resume("other") != nil {
		t.Error("resumed a file of another name")
	}
	s = d.Resume("file")
	if s == nil || s.Journal == nil || !s.Persisted() {
		t.Fatalf("not resumed: %+v", s)
	}
	for _, name := range leftovers(t, d) { // as another run does
		must(t, d.RemoveLeftover(name))
	}
	must(t, s.Commit())
	if got := content(t, filepath.Join(path, "file")); got != "half" || len(leftovers(t, d)) > 0 {
		t.Errorf("content %q, left %q", got, leftovers(t, d))
	}
}

func TestPersistTakesThePlaceOfADeadRun(t *testing.T) {
	d, path := testDir(t)
	must(t, persist(t, d, "file", "old").Release())
	s := persist(t, d, "file", "new")
	must(t, s.Release())
	s = d.Resume("file")
	if s == nil {
		t.Fatal("not resumed")
	}
	if got := content(t, filepath.Join(path, PartialName("file"))); got != "new" {
		t.Errorf("resumed with %q", got)
	}
	must(t, s.Discard())
	if got := leftovers(t, d); len(got) > 0 {
		t.Errorf("left: %q", got)
	}
}

// A second run of the same file stages it as if there were no first one.
func TestPersistBesideALiveRun(t *testing.T) {
	d, path := testDir(t)
	first := persist(t, d, "file", "first")
	second, err := d.Stage("file")
	must(t, err)
	_, err = second.File.WriteAt([]byte("second"), 0)
	must(t, err)
	if kept, err := second.Persist(); kept || err != nil {
		t.Errorf("kept: %t, %v", kept, err)
	}
	must(t, second.Commit())
	if got := content(t, filepath.Join(path, "file")); got != "second" {
		t.Errorf("content %q", got)
	}
	must(t, first.Commit())
	if got := content(t, filepath.Join(path, "file")); got != "first" || len(leftovers(t, d)) > 0 {
		t.Errorf("content %q, left %q", got, leftovers(t, d))
	}
}

func TestResumeDistrusts(t *testing.T) {
	for name, change := range map[string]func(path, journal string) error{
		"of another user":     func(path, _ string) error { return os.Chown(path, 12, 34) },
		"writable for others": func(path, _ string) error { return os.Chmod(path, 0o622) },
		"with another name":   func(path, _ string) error { return os.Link(path, path+"x") },
		"a symlink": func(path, _ string) error {
			if err := os.Rename(path, path+"x"); err != nil {
				return err
			}
			return os.Symlink(path+"x", path)
		},
		"a fifo": func(path, _ string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return unix.Mkfifo(path, 0o600)
		},
		"without a journal":            func(_, journal string) error { return os.Remove(journal) },
		"with another user's journal":  func(_, journal string) error { return os.Chown(journal, 12, 34) },
		"with a journal of many names": func(_, journal string) error { return os.Link(journal, journal+"x") },
	} {
		t.Run(name, func(t *testing.T) {
			d, path := testDir(t)
			must(t, persist(t, d, "file", "half").Release())
			must(t, change(filepath.Join(path, PartialName("file")), filepath.Join(path, JournalName("file"))))
			if d.Resume("file") != nil {
				t.Error("it was resumed")
			}
		})
	}
}
