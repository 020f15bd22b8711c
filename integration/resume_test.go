package integration

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// broken is a transfer of one large file that is broken off again and again.
type broken struct {
	t        testing.TB
	src, dst string
	way      string
	args     []string
	wire     int64 // bytes that went over it, in all runs
	lost     int64 // of them: in flight when a run was broken off, in neither process
}

func newBroken(t testing.TB, way string, size int, args ...string) *broken {
	dir := t.TempDir()
	b := &broken{t: t, way: way, args: args, src: filepath.Join(dir, "src"), dst: filepath.Join(dir, "dst")}
	randomFile(t, filepath.Join(b.src, "big"), size, 3)
	check(t, os.Mkdir(b.dst, 0o755))
	return b
}

// start begins a run against a daemon of its own.
func (b *broken) start(args ...string) (d *daemon, client *os.Process, wait func() result) {
	b.t.Helper()
	served, from, to := b.dst, b.src+"/", ""
	if b.way == "pull" {
		served = b.src
	}
	d = serveDir(b.t, served)
	if to = d.url("m/"); b.way == "pull" {
		from, to = d.url("m/"), b.dst+"/"
	}
	client, wait = begin(b.t, syncArgs(append(append(args, b.args...), from, to)...)...)
	return d, client, wait
}

// stop begins a run and ends one side of it after a while. It reports whether
// that was before the end.
func (b *broken) stop(victim string, after time.Duration, args ...string) bool {
	b.t.Helper()
	d, client, wait := b.start(args...)
	time.Sleep(after)
	var s *stats
	switch victim {
	case "client":
		if lost := d.killClient(client); b.way == "pull" {
			b.lost += lost // the daemon, which counts, has sent it
		}
		wait()
		s = d.sessions(1)[0]
	case "interrupted client":
		_ = client.Signal(os.Interrupt)
		s = lastStats(b.t, wait().stdout)
	case "daemon":
		_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
		s = lastStats(b.t, wait().stdout)
	}
	d.kill()
	b.wire += s.WireSent + s.WireReceived
	_, err := os.Stat(filepath.Join(b.dst, "big"))
	return err != nil
}

// killClient kills a client, unless it has ended, and returns how many bytes were in the
// sockets between it and the daemon, which stands still meanwhile.
func (d *daemon) killClient(client *os.Process) (inFlight int64) {
	d.t.Helper()
	_ = client.Signal(syscall.SIGSTOP)
	check(d.t, syscall.Kill(-d.cmd.Process.Pid, syscall.SIGSTOP))
	defer func() {
		_ = client.Kill()
		check(d.t, syscall.Kill(-d.cmd.Process.Pid, syscall.SIGCONT))
	}()
	time.Sleep(50 * time.Millisecond) // what has come is acknowledged: it is in one queue only
	_, port, err := net.SplitHostPort(d.addr)
	check(d.t, err)
	number, err := strconv.ParseUint(port, 10, 16)
	check(d.t, err)
	end := fmt.Sprintf(":%04X", number)
	table, err := os.ReadFile("/proc/net/tcp")
	check(d.t, err)
	for _, line := range strings.Split(string(table), "\n") {
		// sl local_address rem_address st tx_queue:rx_queue, see proc_pid_net(5)
		f := strings.Fields(line)
		if len(f) < 5 || f[3] == "0A" || !strings.HasSuffix(f[1], end) && !strings.HasSuffix(f[2], end) {
			continue
		}
		var sent, received int64
		if _, err := fmt.Sscanf(f[4], "%X:%X", &sent, &received); err != nil {
			d.t.Fatal(err)
		}
		inFlight += sent + received
	}
	return inFlight
}

// finish makes a run that nothing stops, and checks what came of it.
func (b *broken) finish(args ...string) result {
	b.t.Helper()
	d, _, wait := b.start(args...)
	r := wait()
	wantExit(b.t, r, 0)
	d.stop()
	s := lastStats(b.t, r.stdout)
	b.wire += s.WireSent + s.WireReceived
	judge(b.t, b.src, b.dst)
	noStagingNames(b.t, b.dst)
	return r
}

// A longer TestResume, as a figure for the documents: -resume.mib=2048 -resume.kills=20.
var (
	resumeMiB   = flag.Int("resume.mib", 256, "size of the file in `MiB`")
	resumeKills = flag.Int("resume.kills", 8, "break a transfer off `N` times")
)

// TestResume kills each side of a transfer of one file at random moments: what
// has arrived and was verified is never sent again.
func TestResume(t *testing.T) {
	size, kills := *resumeMiB<<20, *resumeKills
	// A segment that is not whole, and what is in the receiver's pipe. Where the sender
	// is the one who tells how much it sent, what was in flight is counted too.
	const unverified, unread = 8<<20 + 1<<20, 7 << 20
	const rate = 200 << 20
	// The runs that are broken off take about as long as the whole file does.
	mean := time.Duration(size/kills) * time.Second / rate
	for _, victim := range []string{"client", "interrupted client", "daemon"} {
		for _, way := range []string{"pull", "push"} {
			t.Run(victim+" "+way, func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, uint64(len(victim+way))))
				b := newBroken(t, way, size, "--bwlimit=200M")
				killed := 0
				for range kills {
					if b.stop(victim, mean/2+time.Duration(random.Int64N(int64(mean)))) {
						killed++
					}
				}
				b.finish()
				if killed < kills/2 {
					t.Errorf("only %d of %d runs were broken off", killed, kills)
				}
				// The heads, and what a run needs that finds nothing to do, are less than 1 %.
				most := int64(size)*101/100 + int64(killed)*unverified
				if way == "push" && victim != "client" {
					most += int64(killed) * unread
				}
				if b.wire-b.lost > most {
					t.Errorf("%d bytes were sent for a file of %d, and %d of them in flight: more than %d were not", b.wire, int64(size), b.lost, most)
				}
				t.Logf("%d of %d runs broken off within a file of %d MiB: %.3f of it was sent in all, %.3f without what was in flight", killed, kills, size>>20,
					float64(b.wire)/float64(size), float64(b.wire-b.lost)/float64(size))
			})
		}
	}
}

// TestResumeDistrusts changes what a broken run has left: nothing of it is
// believed, and what is still right is used.
func TestResumeDistrusts(t *testing.T) {
	const size = 64 << 20
	for _, c := range []struct {
		name   string
		harm   func(t *testing.T, staged, journal string)
		source func(t *testing.T, path string)
		said   string
		reused int64 // bytes at least
	}{
		{name: "nothing", harm: func(*testing.T, string, string) {}, reused: 16 << 20},
		{name: "content lost as by a power failure", harm: func(t *testing.T, staged, _ string) {
			check(t, os.Truncate(staged, 0))
		}},
		{name: "some content lost", harm: func(t *testing.T, staged, _ string) {
			f, err := os.OpenFile(staged, os.O_WRONLY, 0)
			check(t, err)
			_, err = f.WriteAt(make([]byte, 4096), 9<<20)
			check(t, err)
			check(t, f.Close())
		}, reused: 8 << 20},
		{name: "journal cut short", harm: func(t *testing.T, _, journal string) {
			check(t, os.Truncate(journal, 128+64+10))
		}, said: "damaged", reused: 8 << 20},
		{name: "journal without a header", harm: func(t *testing.T, _, journal string) {
			check(t, os.Truncate(journal, 100))
		}, said: "damaged", reused: 8 << 20}, // it is a basis still
		{name: "bit of a record flipped", harm: func(t *testing.T, _, journal string) {
			flipBit(t, journal, 128+3)
		}, said: "damaged", reused: 8 << 20},
		{name: "source changed", harm: func(*testing.T, string, string) {}, source: func(t *testing.T, path string) {
			flipBit(t, path, 1<<20)
		}, reused: 8 << 20},
		{name: "journal gone", harm: func(t *testing.T, _, journal string) {
			check(t, os.Remove(journal))
		}, reused: 8 << 20},
		{name: "file gone", harm: func(t *testing.T, staged, _ string) {
			check(t, os.Remove(staged))
		}},
	} {
		for _, way := range []string{"pull", "push"} {
			t.Run(c.name+" "+way, func(t *testing.T) {
				t.Parallel()
				b := newBroken(t, way, size)
				staged, journal := b.half()
				c.harm(t, staged, journal)
				if c.source != nil {
					c.source(t, filepath.Join(b.src, "big"))
				}
				r := b.finish()
				s := lastStats(t, r.stdout)
				if s.MatchedBytes < c.reused || s.MatchedBytes+s.LiteralBytes < size {
					t.Errorf("%d bytes were reused, want %d; %d were sent", s.MatchedBytes, c.reused, s.LiteralBytes)
				}
				if n := strings.Count(r.stderr, "damaged"); c.said != "" && n != 1 || c.said == "" && r.stderr != "" {
					t.Errorf("said %d times, or something else:\n%s", n, r.stderr)
				}
			})
		}
	}
}

// half kills a run when some segments of the file have arrived, and returns
// what it has left.
func (b *broken) half() (staged, journal string) {
	b.t.Helper()
	d, client, wait := b.start("--bwlimit=64M")
	find := func(mark string) string {
		found, err := filepath.Glob(filepath.Join(b.dst, ".~syncd~"+mark+strings.Repeat("?", 13)))
		check(b.t, err)
		if len(found) != 1 {
			return ""
		}
		return found[0]
	}
	eventually(b.t, "three segments are in the journal", func() bool {
		journal = find("j")
		st, err := os.Stat(journal)
		return err == nil && st.Size() >= 128+3*64
	})
	staged = find("p")
	_ = client.Kill()
	wait()
	d.kill()
	return staged, journal
}

func flipBit(t testing.TB, path string, at int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, err)
	b[at] ^= 4
	check(t, os.WriteFile(path, b, 0o600))
}

// TestResumeForeign leaves what looks like a file to resume, of someone else:
// it is not taken over, and it is removed.
func TestResumeForeign(t *testing.T) {
	b := newBroken(t, "pull", 32<<20)
	staged, _ := b.half()
	check(t, os.Chown(staged, nobody, nobody))
	b.finish("--whole-file")
	check(t, os.Remove(filepath.Join(b.dst, "big")))
	staged, _ = b.half()
	link := filepath.Join(b.src, "..", "link")
	check(t, os.Link(staged, link))
	before, err := os.ReadFile(link)
	check(t, err)
	b.finish("--whole-file")
	after, err := os.ReadFile(link)
	check(t, err)
	if !bytes.Equal(before, after) {
		t.Error("a file with another name was written to")
	}
}

// TestResumeTwoRuns has two runs of the same file at a time.
func TestResumeTwoRuns(t *testing.T) {
	b := newBroken(t, "pull", 48<<20)
	d := serveDir(t, b.src)
	var waits []func() result
	for range 2 {
		_, wait := begin(t, syncArgs("--bwlimit=40M", d.url("m/"), b.dst+"/")...)
		waits = append(waits, wait)
	}
	for _, wait := range waits {
		wantExit(t, wait(), 0)
	}
	b.finish()
}

// TestResumeFullDisk fills the disk within a large file: with --partial the next
// run, for which there is room, goes on.
func TestResumeFullDisk(t *testing.T) {
	for _, way := range []string{"pull", "push"} {
		t.Run(way, func(t *testing.T) {
			b := newBroken(t, way, 64<<20, "--partial")
			mountTmpfs(t, b.dst, "size=40m")
			writeFile(t, filepath.Join(b.src, "small"), "x")
			d, _, wait := b.start()
			r := wait()
			wantExit(t, r, 23)
			d.stop()
			if !strings.Contains(r.stderr, "no space left on device") {
				t.Errorf("the cause is not named:\n%s", r.stderr)
			}
			mustRun(t, "mount", "-o", fmt.Sprintf("remount,size=%dm", 100), b.dst)
			if s := lastStats(t, b.finish().stdout); s.LiteralBytes > 40<<20 {
				t.Errorf("%d bytes were sent again", s.LiteralBytes)
			}
		})
	}
}
