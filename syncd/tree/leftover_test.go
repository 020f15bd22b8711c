package tree

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRemoveLeftover(t *testing.T) {
	d, path := testDir(t)
	file, dir, foreign := stagingName(), stagingDirName("x"), randomStagingDirName()
	write(t, filepath.Join(path, file), "half")
	write(t, filepath.Join(path, dir, "a/b"), "half")
	write(t, filepath.Join(path, dir, "a", stagingName()), "half")
	write(t, filepath.Join(path, foreign, "b"), "half")
	must(t, os.Chown(filepath.Join(path, foreign), 12, 34))
	for _, name := range []string{file, dir, foreign} {
		must(t, d.RemoveLeftover(name))
		must(t, d.RemoveLeftover(name)) // gone already
	}
	if left, err := os.ReadDir(path); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestRemoveLeftoverOfALiveRun(t *testing.T) {
	d, path := testDir(t)
	file, err := d.Stage("file")
	must(t, err)
	dir, err := d.StageDir("dir")
	must(t, err)
	inner, err := dir.Dir.Stage("inner")
	must(t, err)
	for _, name := range []string{file.stage, dir.stage} {
		must(t, d.RemoveLeftover(name))
		if _, err := os.Lstat(filepath.Join(path, name)); err != nil {
			t.Errorf("removed in use: %v", err)
		}
	}
	must(t, inner.Commit())
	must(t, dir.Commit())
	must(t, file.Commit())
	_ = content(t, filepath.Join(path, "dir/inner"))
}

// A run that was killed has lost its lock, whatever else is alive.
func TestRemoveLeftoverInsideALiveOne(t *testing.T) {
	d, path := testDir(t)
	dead := filepath.Join(path, stagingDirName("dir"))
	write(t, filepath.Join(dead, "a/file"), "")
	outer, err := d.OpenDir(filepath.Base(dead))
	must(t, err)
	defer outer.Close()
	live, err := outer.Stage("x")
	must(t, err)
	must(t, d.RemoveLeftover(filepath.Base(dead)))
	if _, err := os.Lstat(filepath.Join(dead, live.stage)); err != nil {
		t.Errorf("removed in use: %v", err)
	}
	must(t, live.Discard())
	must(t, d.RemoveLeftover(filepath.Base(dead)))
	if _, err := os.Lstat(dead); err == nil {
		t.Error("still there")
	}
}

func TestRemoveLeftoverWithoutALock(t *testing.T) {
	d, path := testDir(t)
	link, fifo := stagingName(), stagingName()
	must(t, os.Symlink("/etc", filepath.Join(path, link)))
	must(t, unix.Mkfifo(filepath.Join(path, fifo), 0o600))
	for _, name := range []string{link, fifo} {
		must(t, d.RemoveLeftover(name))
		if _, err := os.Lstat(filepath.Join(path, name)); err != nil {
			t.Errorf("removed too early: %v", err)
		}
	}
	ago := func(age time.Duration) *unix.Statx_t {
		return &unix.Statx_t{Ctime: unix.StatxTimestamp{Sec: time.Now().Add(-age).Unix()}}
	}
	if isOld(ago(leftoverAge-time.Minute)) || !isOld(ago(leftoverAge+time.Minute)) {
		t.Error("a leftover without a lock is dead after a day, not before")
	}
}

func TestRemoveLeftoverTakesNoData(t *testing.T) {
	d, path := testDir(t)
	write(t, filepath.Join(path, ".~syncd~precious"), "data")
	wantErr(t, d.RemoveLeftover(".~syncd~precious"), ErrName, ".~syncd~precious")
	_ = content(t, filepath.Join(path, ".~syncd~precious"))
}

// A staged directory that is committed while a cleanup has it open is data by then.
func TestClaimOfACommittedDirectory(t *testing.T) {
	d, path := testDir(t)
	stage := stagingDirName("dir")
	must(t, d.Mkdir(stage))
	var st unix.Statx_t
	must(t, statAt(d.fd, stage, &st))
	must(t, os.Rename(filepath.Join(path, stage), filepath.Join(path, "dir")))
	if fd, dead := d.claimLeftover(stage, &st); dead || fd != -1 {
		t.Errorf("claimed: %d", fd)
	}
	must(t, d.Mkdir(stage))
	fd, dead := d.claimLeftover(stage, &st)
	if !dead || st.Ino != entry(t, d, stage, Want{}).Ino {
		t.Errorf("the new one is not claimed: %d", fd)
	}
	unix.Close(fd)
}
