package integration

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// editFile writes to dst what src has, with edits: overwritten, inserted and
// deleted pieces of 4 to 64 KiB, seeded. dst is given an old time, so that no
// quick check takes it for src.
func editFile(t testing.TB, src, dst string, edits int) {
	t.Helper()
	old, err := os.ReadFile(src)
	check(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	piece := make([]byte, 64<<10)
	var out bytes.Buffer
	for i, pos := 0, 0; i <= edits; i++ {
		next := len(old) * (i + 1) / (edits + 1)
		out.Write(old[pos:next])
		pos = next
		if i == edits {
			break
		}
		for b := range piece {
			piece[b] = byte(random.Uint32())
		}
		n := 4<<10 + random.IntN(60<<10)
		if kind := random.IntN(3); kind != 2 {
			out.Write(piece[:n])
			if kind == 1 {
				continue
			}
		}
		pos = min(pos+n, len(old))
	}
	check(t, os.WriteFile(dst, out.Bytes(), 0o644))
	check(t, os.Chtimes(dst, time.Unix(1e9, 0), time.Unix(1e9, 0)))
}

// wantEqual fails unless two files have the same content.
func wantEqual(t testing.TB, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	check(t, err)
	y, err := os.ReadFile(b)
	check(t, err)
	if !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ", a, b)
	}
}

func inode(t testing.TB, path string) uint64 {
	t.Helper()
	var st syscall.Stat_t
	check(t, syscall.Stat(path, &st))
	return st.Ino
}

// TestDelta has a file of 32 MiB with some edits updated, each way and by each
// option that concerns how.
func TestDelta(t *testing.T) {
	src, into := t.TempDir(), t.TempDir()
	randomFile(t, filepath.Join(src, "f"), 32<<20, 3)
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: into, writable: true}, {name: "src", path: src}}})
	base := filepath.Join(t.TempDir(), "base")
	editFile(t, filepath.Join(src, "f"), base, 10)
	for _, options := range [][]string{
		{}, {"--inplace"}, {"--compress"}, {"--compress=auto"}, {"--block-size=700"}, {"--digest=blake3"},
		{"--transport=readwrite"}, {"--whole-file"}, {"--sparse"}, {"--inplace", "--whole-file"},
	} {
		for _, way := range []string{"pull", "push"} {
			t.Run(fmt.Sprint(way, options), func(t *testing.T) {
				dst := into
				from, to := src+"/", d.url("m/")
				if way == "pull" {
					dst = t.TempDir()
					from, to = d.url("src/"), dst+"/"
				}
				file := filepath.Join(dst, "f")
				mustRun(t, "cp", "-p", base, file)
				before := inode(t, file)
				s := mustSync(t, append(options, from, to)...)
				wantEqual(t, filepath.Join(src, "f"), file)
				judge(t, src, dst)
				inplace := len(options) > 0 && options[0] == "--inplace"
				if same := inode(t, file) == before; same != inplace {
					t.Errorf("the file is the same inode: %t", same)
				}
				whole := len(options) > 0 && options[len(options)-1] == "--whole-file"
				if lit := s.LiteralBytes; !whole && lit > 2<<20 || whole && lit < 32<<20 {
					t.Errorf("%d bytes of literals", lit)
				}
				if p := s.PathBytes; len(options) == 0 && way == "pull" && p.Reflink == 0 {
					t.Errorf("no blocks are shared: %+v", p)
				}
				if len(options) == 0 && s.HashBytes > 40<<20 {
					t.Errorf("this end read %d MiB to hash them: more than the file once", s.HashBytes>>20)
				}
				noStagingNames(t, dst)
			})
		}
	}
}

// TestDeltaIsCopiedInTheKernel pushes to a basis that nobody writes to, and to one that
// somebody might: there each block is checked on its way.
func TestDeltaIsCopiedInTheKernel(t *testing.T) {
	for name, dst := range map[string]string{"XFS": t.TempDir(), "ext4": mountExt4(t)} {
		src := t.TempDir()
		randomFile(t, filepath.Join(src, "f"), 32<<20, 3)
		d := serve(t, daemonConfig{modules: []module{{name: "m", path: dst, writable: true}}})
		for _, held := range []bool{false, true} {
			file := filepath.Join(dst, "f")
			editFile(t, filepath.Join(src, "f"), file, 10)
			if held {
				f, err := os.OpenFile(file, os.O_WRONLY, 0)
				check(t, err)
				defer f.Close()
			}
			s := mustSync(t, src+"/", d.url("m/"))
			judge(t, src, dst)
			if s.Peer == nil || s.Peer.PathBytes.User > 0 != held || s.Peer.HashBytes > 36<<20 && !held {
				t.Errorf("%s, held open: %t: %+v", name, held, s.Peer)
			}
		}
	}
}

// TestDeltaOfRepetitiveFiles updates files of which every block is like every
// other from copies that are shifted by one byte, in about the time of a random
// file.
func TestDeltaOfRepetitiveFiles(t *testing.T) {
	const size = 64 << 20
	block := make([]byte, 4096)
	for i := range block {
		block[i] = byte(rand.Uint32())
	}
	var took [4]time.Duration
	for i, piece := range [][]byte{nil, make([]byte, 4096), block, append(bytes.Repeat([]byte{1}, 4096), block...)} {
		src, dst := t.TempDir(), t.TempDir()
		if piece == nil {
			randomFile(t, filepath.Join(src, "f"), size, 9)
		} else {
			check(t, os.WriteFile(filepath.Join(src, "f"), bytes.Repeat(piece, size/len(piece)), 0o644))
		}
		content, err := os.ReadFile(filepath.Join(src, "f"))
		check(t, err)
		check(t, os.WriteFile(filepath.Join(dst, "f"), append([]byte{42}, content...), 0o644))
		d := serve(t, daemonConfig{modules: []module{{name: "src", path: src}}})
		start := time.Now()
		mustSync(t, d.url("src/"), dst+"/")
		took[i] = time.Since(start)
		wantEqual(t, filepath.Join(src, "f"), filepath.Join(dst, "f"))
		if took[i] > 20*took[0]+time.Second { // linear or not: no measurement of speed
			t.Errorf("file %d took %v, a random one %v", i, took[i], took[0])
		}
	}
	t.Logf("shifted by a byte, %d MiB: random %v, zeros %v, one block %v, two blocks %v", size>>20, took[0], took[1], took[2], took[3])
}

// TestDeltaWhileTheBasisChanges rewrites the basis while it is hashed, and copied from
// or shared: what arrives is right, or reported.
func TestDeltaWhileTheBasisChanges(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	randomFile(t, filepath.Join(src, "f"), 64<<20, 5)
	d := serve(t, daemonConfig{modules: []module{{name: "src", path: src}, {name: "dst", path: dst, writable: true}}})
	const rounds = 6
	for i := range rounds {
		file := filepath.Join(dst, "f")
		editFile(t, filepath.Join(src, "f"), file, 5)
		stop, done := make(chan struct{}), make(chan struct{})
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		check(t, err)
		mapped, err := unix.Mmap(int(f.Fd()), 0, 60<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		check(t, err)
		go func() {
			defer close(done)
			for n := int64(0); ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				at := n * 977 % (60 << 20)
				switch {
				case i%3 == 0:
					_, err = f.WriteAt([]byte("changed"), at)
				case i%3 == 1:
					mapped[at]++
				case n == 0:
					time.Sleep(20 * time.Millisecond)
					err = f.Truncate(1 << 20)
				}
			}
		}()
		from, to := d.url("src/"), dst+"/"
		if i%2 == 1 {
			from, to = src+"/", d.url("dst/")
		}
		r := run(t, syncArgs(from, to)...)
		close(stop)
		<-done
		check(t, unix.Munmap(mapped))
		f.Close()
		wantExit(t, r, 0, 23)
		if r.code == 0 {
			wantEqual(t, filepath.Join(src, "f"), file)
		}
	}
	t.Logf("a basis written to, also through a mapping, or truncated, while it was hashed, %d times: no wrong file", rounds)
}

// TestDeltaWhileSomethingHappensToTheBasis changes the basis of a delta, or no more than
// its mode and name, while the delta is on its way. What was copied of it is checked
// then, and does not come again unless it is wrong.
func TestDeltaWhileSomethingHappensToTheBasis(t *testing.T) {
	rename := func(t *testing.T, basis string) {
		check(t, os.Chmod(basis, 0o600))
		check(t, os.Link(basis, basis+".too"))
	}
	for name, c := range map[string]struct {
		hole   int64 // bytes at the end of both files
		redone int64 // ranges that have to come again
		harm   func(t *testing.T, basis string)
	}{
		"a name":                    {0, 0, rename},
		"a name, and it has a hole": {8 << 20, 0, rename},
		"a write": {0, 1, func(t *testing.T, basis string) {
			f, err := os.OpenFile(basis, os.O_WRONLY, 0)
			check(t, err)
			_, err = f.WriteAt([]byte("changed"), 31<<20)
			check(t, err)
			check(t, f.Close())
		}},
	} {
		t.Run(name, func(t *testing.T) {
			src, dst := t.TempDir(), t.TempDir()
			source, basis := filepath.Join(src, "f"), filepath.Join(dst, "f")
			randomFile(t, source, 32<<20, 5)
			editFile(t, source, basis, 60)
			for _, path := range []string{source, basis} {
				st, err := os.Stat(path)
				check(t, err)
				check(t, os.Truncate(path, st.Size()+c.hole))
			}
			d := serve(t, daemonConfig{modules: []module{{name: "dst", path: dst, writable: true}}})
			_, wait := begin(t, syncArgs("--bwlimit=4m", src+"/", d.url("dst/"))...)
			eventually(t, "the new file is begun", func() bool {
				names, err := os.ReadDir(dst)
				return err == nil && len(names) > 1
			})
			time.Sleep(50 * time.Millisecond)
			c.harm(t, basis)
			r := wait()
			wantExit(t, r, 0)
			wantEqual(t, source, basis)
			s := lastStats(t, r.stdout)
			if s.LiteralBytes > 4<<20 || s.Redone != c.redone {
				t.Errorf("%d bytes were sent, %d ranges again, want %d", s.LiteralBytes, s.Redone, c.redone)
			}
		})
	}
}

// TestAltDests takes files from beside the destination.
func TestAltDests(t *testing.T) {
	top := t.TempDir()
	src := filepath.Join(top, "src")
	writeTree(t, src, map[string]string{"same": "same", "dir/same": "more", "new": "new"})
	mustRun(t, "cp", "-a", src, filepath.Join(top, "old"))
	check(t, os.Remove(filepath.Join(top, "old", "new")))
	d := serveDir(t, top)
	for _, way := range []string{"local", "push", "pull"} {
		for option, links := range map[string]int{"--link-dest=../old": 2, "--copy-dest=../old": 1, "--compare-dest=../old": 0} {
			t.Run(way+option, func(t *testing.T) {
				dst := filepath.Join(top, "dst")
				check(t, os.RemoveAll(dst))
				check(t, os.Mkdir(dst, 0o755))
				from, to := src+"/", dst+"/"
				if way == "push" {
					to = d.url("m/dst/")
				}
				if way == "pull" {
					from = d.url("m/src/")
				}
				s := mustSync(t, option, from, to)
				var st syscall.Stat_t
				err := syscall.Stat(filepath.Join(dst, "dir/same"), &st)
				if links == 0 {
					if err == nil {
						t.Error("a file was made that the other directory has")
					}
				} else {
					check(t, err)
					judge(t, src, dst)
					if int(st.Nlink) < links {
						t.Errorf("%d links, want %d", st.Nlink, links)
					}
				}
				if s.LiteralBytes != 3 {
					t.Errorf("%d bytes were sent, want 3", s.LiteralBytes)
				}
			})
		}
	}
}

// TestAltDestsOfOneFile has a file that gets another name be looked for beside
// the directory that it goes into, not beside itself.
func TestAltDestsOfOneFile(t *testing.T) {
	top := openTempDir(t)
	writeTree(t, top, map[string]string{"src/file": "same", "old/new": "same"})
	for _, p := range []string{"src/file", "old/new"} {
		setTimes(t, filepath.Join(top, p), 1_500_000_000, 0)
	}
	shell := filepath.Join(top, "sh")
	check(t, os.WriteFile(shell, []byte("#!/bin/sh\nshift\nexec sh -c \"$*\"\n"), 0o755))
	d := serveDir(t, top)
	from, to := filepath.Join(top, "src/file"), filepath.Join(top, "dst/new")
	for name, command := range map[string][]string{
		"local": {program, "sync", from, to},
		"pull":  {program, "sync", d.url("m/src/file"), to},
		"push":  {program, "sync", from, d.url("m/dst/new")},
		"stock": {"rsync", "-a", "-e", shell, "--rsync-path=" + program, from, "host:" + to},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, os.RemoveAll(filepath.Dir(to)))
			check(t, os.Mkdir(filepath.Dir(to), 0o755))
			mustRun(t, append(command, "--link-dest=../old")...)
			var st syscall.Stat_t
			check(t, syscall.Stat(to, &st))
			if st.Nlink != 2 {
				t.Errorf("%d links, want 2", st.Nlink)
			}
		})
	}
}

// TestPartial interrupts a transfer and goes on from what was kept.
func TestPartial(t *testing.T) {
	src := t.TempDir()
	randomFile(t, filepath.Join(src, "f"), 64<<20, 6)
	d := serve(t, daemonConfig{modules: []module{{name: "src", path: src}}})
	for _, option := range []string{"--partial", "--partial-dir=.part"} {
		t.Run(option, func(t *testing.T) {
			dst := t.TempDir()
			p, wait := begin(t, syncArgs(option, "--bwlimit=40M", d.url("src/"), dst+"/")...)
			time.Sleep(time.Second)
			check(t, p.Signal(os.Interrupt))
			wantExit(t, wait(), 20)
			if _, err := os.Stat(filepath.Join(dst, "f")); err == nil {
				t.Fatal("an incomplete file is visible")
			}
			s := mustSync(t, option, d.url("src/"), dst+"/")
			wantEqual(t, filepath.Join(src, "f"), filepath.Join(dst, "f"))
			if s.MatchedBytes < 4<<20 {
				t.Errorf("only %d bytes were reused", s.MatchedBytes)
			}
			judge(t, src, dst)
			noStagingNames(t, dst)
		})
	}
}

// TestAppend adds to a file that became longer.
func TestAppend(t *testing.T) {
	src, dst := t.TempDir(), t.TempDir()
	randomFile(t, filepath.Join(src, "log"), 8<<20, 7)
	content, err := os.ReadFile(filepath.Join(src, "log"))
	check(t, err)
	d := serve(t, daemonConfig{modules: []module{{name: "src", path: src}}})
	for _, option := range []string{"--append", "--append-verify"} {
		check(t, os.WriteFile(filepath.Join(dst, "log"), content[:5<<20], 0o644))
		s := mustSync(t, option, d.url("src/"), dst+"/")
		wantEqual(t, filepath.Join(src, "log"), filepath.Join(dst, "log"))
		if s.LiteralBytes != 3<<20 {
			t.Errorf("%s: %d bytes were sent, want 3 MiB", option, s.LiteralBytes)
		}
	}
	wrong := bytes.Clone(content[:5<<20])
	wrong[100] ^= 1
	check(t, os.WriteFile(filepath.Join(dst, "log"), wrong, 0o644))
	mustSync(t, "--append-verify", d.url("src/"), dst+"/")
	wantEqual(t, filepath.Join(src, "log"), filepath.Join(dst, "log"))
}
