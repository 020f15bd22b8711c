package tree

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// occupy puts something of each type but a directory under a name.
func occupy(t *testing.T, path string) map[string]string {
	t.Helper()
	names := map[string]string{"nothing": "", "file": "old", "symlink": "", "fifo": "", "socket": "", "device": ""}
	write(t, filepath.Join(path, "target"), "of the symlink")
	write(t, filepath.Join(path, "file"), "old")
	must(t, os.Symlink("target", filepath.Join(path, "symlink")))
	must(t, unix.Mkfifo(filepath.Join(path, "fifo"), 0o600))
	must(t, unix.Mknod(filepath.Join(path, "socket"), unix.S_IFSOCK|0o600, 0))
	must(t, unix.Mknod(filepath.Join(path, "device"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	return names
}

func TestStageReplacesAnythingButADirectory(t *testing.T) {
	d, path := testDir(t)
	for name := range occupy(t, path) {
		s, err := d.Stage(name)
		must(t, err)
		defer s.Discard()
		if got := entry(t, d, s.stage, Want{}); got.Mode != unix.S_IFREG|0o600 || !IsStagingName(s.stage) {
			t.Errorf("%s: staged as %q with mode %o", name, s.stage, got.Mode)
		}
		_, err = s.File.WriteAt([]byte("new "+name), 0)
		must(t, err)
		if old, err := d.Entry(name, Want{}); name != "nothing" && (err != nil || old.Size == int64(len("new "+name))) {
			t.Errorf("%s is visible too early: %+v, %v", name, old, err)
		}
		must(t, s.Commit())
		must(t, s.Discard()) // of no effect
		if got := content(t, filepath.Join(path, name)); got != "new "+name {
			t.Errorf("%s has %q", name, got)
		}
	}
	if got := content(t, filepath.Join(path, "target")); got != "of the symlink" {
		t.Errorf("the target of the symlink has %q", got)
	}
	n, err := d.Names()
	must(t, err)
	if len(n.Leftovers()) > 0 {
		t.Errorf("left over: %q", n.Leftovers())
	}
}

func TestStageOverADirectory(t *testing.T) {
	d, path := testDir(t)
	must(t, d.Mkdir("dir"))
	s, err := d.Stage("dir")
	must(t, err)
	wantErr(t, s.Commit(), ErrIsDir, "dir")
	must(t, d.Remove("dir", true))
	must(t, s.Commit()) // still staged
	if got := content(t, filepath.Join(path, "dir")); got != "" {
		t.Errorf("content %q", got)
	}
}

func TestStageDiscard(t *testing.T) {
	d, path := testDir(t)
	write(t, filepath.Join(path, "file"), "old")
	s, err := d.Stage("file")
	must(t, err)
	must(t, s.Discard())
	must(t, s.Discard())
	if got := names(t, d); !slices.Equal(got, []string{"file"}) || content(t, filepath.Join(path, "file")) != "old" {
		t.Errorf("names %q", got)
	}
	s, err = d.Stage("file")
	must(t, err)
	must(t, os.Remove(filepath.Join(path, s.stage)))
	must(t, s.Discard()) // gone already
}

func TestStageOfOddNames(t *testing.T) {
	d, path := testDir(t)
	for _, name := range oddNames {
		s, err := d.Stage(name)
		must(t, err)
		must(t, s.Commit())
		if got := content(t, filepath.Join(path, name)); got != "" {
			t.Errorf("%q: %q", name, got)
		}
		must(t, os.Remove(filepath.Join(path, name)))
		sd, err := d.StageDir(name)
		must(t, err)
		must(t, sd.Commit())
		must(t, d.Remove(name, true))
	}
}

func TestStageDir(t *testing.T) {
	d, path := testDir(t)
	s, err := d.StageDir("dir")
	must(t, err)
	defer s.Discard()
	if s.Adopted || s.Dir.Path() != "dir" {
		t.Errorf("%+v", s)
	}
	f, err := s.Dir.Create("file", 0o600)
	must(t, err)
	must(t, f.Close())
	if got := names(t, d); len(got) != 0 {
		t.Errorf("visible too early: %q", got)
	}
	must(t, s.Commit())
	must(t, s.Discard()) // of no effect
	if got := entry(t, d, "dir", Want{}); got.Mode != unix.S_IFDIR|0o700 {
		t.Errorf("mode %o", got.Mode)
	}
	_ = content(t, filepath.Join(path, "dir/file"))
}

func TestStageDirFindsTheNameTaken(t *testing.T) {
	d, path := testDir(t)
	for _, what := range []string{"directory", "file", "symlink"} {
		s, err := d.StageDir("name")
		must(t, err)
		switch what {
		case "directory":
			must(t, d.Mkdir("name"))
		case "file":
			write(t, filepath.Join(path, "name"), "")
		case "symlink":
			must(t, os.Symlink("x", filepath.Join(path, "name")))
		}
		wantErr(t, s.Commit(), fs.ErrExist, "name")
		if err := s.renameUnlessThere(); err != unix.EEXIST {
			t.Errorf("%s, and a file system without RENAME_NOREPLACE: %v", what, err)
		}
		must(t, d.Remove("name", what == "directory"))
		must(t, s.renameUnlessThere())
		must(t, d.rename("name", s.stage))
		must(t, s.Commit()) // still staged
		must(t, d.Remove("name", true))
	}
}

func TestStageDirDiscardRemovesAll(t *testing.T) {
	d, path := testDir(t)
	s, err := d.StageDir("dir")
	must(t, err)
	write(t, filepath.Join(path, s.stage, "a/b/c"), "")
	write(t, filepath.Join(path, s.stage, stagingName()), "")
	must(t, s.Discard())
	must(t, s.Discard())
	if left, err := os.ReadDir(path); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestStageDirDiscardLeavesWhatIsNotItsOwn(t *testing.T) {
	d, path := testDir(t)
	s, err := d.StageDir("dir")
	must(t, err)
	must(t, os.Rename(filepath.Join(path, s.stage), filepath.Join(path, "moved")))
	write(t, filepath.Join(path, s.stage, "file"), "of someone else")
	stage := s.stage
	must(t, s.Discard())
	_ = content(t, filepath.Join(path, stage, "file"))
}

func TestStageDirAdoption(t *testing.T) {
	tests := []struct {
		name  string
		alter func(t *testing.T, stage string)
		want  bool
	}{
		{"left by a killed run", func(*testing.T, string) {}, true},
		{"with set-group-ID from its parent", func(t *testing.T, stage string) {
			must(t, unix.Chmod(stage, 0o2700))
		}, true},
		{"another mode", func(t *testing.T, stage string) { must(t, os.Chmod(stage, 0o701)) }, false},
		{"another owner", func(t *testing.T, stage string) { must(t, os.Chown(stage, 1, 0)) }, false},
		{"a file", func(t *testing.T, stage string) {
			must(t, os.RemoveAll(stage))
			write(t, stage, "")
		}, false},
		{"a symlink to such a directory", func(t *testing.T, stage string) {
			must(t, os.Rename(stage, stage+"x"))
			must(t, os.Symlink(filepath.Base(stage)+"x", stage))
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, path := testDir(t)
			stage := filepath.Join(path, stagingDirName("dir"))
			must(t, os.Mkdir(stage, 0o700))
			write(t, filepath.Join(stage, "file"), "half")
			tt.alter(t, stage)
			s, err := d.StageDir("dir")
			must(t, err)
			if s.Adopted != tt.want || (filepath.Join(path, s.stage) == stage) != tt.want {
				t.Errorf("adopted: %v", s.Adopted)
			}
			if n := len(names(t, s.Dir)); (n == 1) != tt.want {
				t.Errorf("it has %d names", n)
			}
			must(t, s.Commit())
		})
	}
}

func TestStageDirOfTwoLiveRuns(t *testing.T) {
	d, _ := testDir(t)
	a, err := d.StageDir("dir")
	must(t, err)
	b, err := d.StageDir("dir")
	must(t, err)
	if a.stage == b.stage || b.Adopted {
		t.Errorf("both in %s", a.stage)
	}
	must(t, a.Commit())
	wantErr(t, b.Commit(), fs.ErrExist, "dir")
	must(t, b.Discard())
	n, err := d.Names()
	must(t, err)
	if n.Len() != 1 || len(n.Leftovers()) != 0 {
		t.Errorf("%d names, left over %q", n.Len(), n.Leftovers())
	}
}

// Without an fd nothing is staged, and nothing is left.
func TestStageWithoutDescriptors(t *testing.T) {
	d, path := testDir(t)
	var old unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: old.Max}))
	_, err1 := d.StageDir("dir")
	_, err2 := d.Stage("file")
	_, err3 := d.OpenDir("none")
	_, err4 := d.Entry(".", all)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
	wantErr(t, err1, unix.EMFILE, "dir")
	wantErr(t, err2, unix.EMFILE, "file")
	wantErr(t, err3, unix.EMFILE, "none")
	must(t, err4) // it has its fd
	if left, err := os.ReadDir(path); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func BenchmarkStageAndCommit(b *testing.B) {
	r, err := OpenRoot(b.TempDir(), false)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	d, err := r.Dir("")
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	b.ReportAllocs()
	for b.Loop() {
		s, err := d.Stage("file")
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Commit(); err != nil {
			b.Fatal(err)
		}
	}
}
