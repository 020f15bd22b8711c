package integration

import (
	"crypto/md5"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The factors of the matrix. Options are spelled alike for both programs.
var matrixFactors = []factor{
	{"way", []string{"stock pulls from the daemon", "stock pushes to the daemon", "we pull from the daemon", "we push to the daemon",
		"stock pulls by shell", "stock pushes by shell", "we pull by shell", "we push by shell"}},
	{"tree", slices.Sorted(maps.Keys(matrixTrees))},
	{"protocol", []string{"--protocol=27", "--protocol=28", "--protocol=29", "--protocol=30", "--protocol=31", "--protocol=32"}},
	{"checksum", []string{"", "--cc=md4", "--cc=md5", "--cc=xxh64", "--cc=xxh3", "--cc=xxh128", "--cc=sha1", "--cc=none"}},
	{"compression", []string{"", "-z", "--zc=zlib", "--zc=zlibx", "--zc=zstd", "--zc=lz4"}},
	{"lists", []string{"", "--no-inc-recursive"}},
	{"kept", []string{"-a", "-aH", "-aHAX"}},
	{"more", []string{"", "-S", "--delete", "-c", "-W", "--inplace", "-n", "--partial", "--numeric-ids",
		"-u", "-y", "-B2048", "--append-verify", "--partial-dir=.part", "--exclude=*1*", "--delete --exclude=f*", "--fsync", "-x"}},
}

// cell is one row of the matrix.
type cell struct{ way, tree, protocol, checksum, compression, lists, kept, more string }

func (c cell) options() []string {
	return strings.Fields(strings.Join([]string{"-i", c.protocol, c.checksum, c.compression, c.lists, c.kept, c.more}, " "))
}

// matrixCells are the rows.
func matrixCells() (cells []cell) {
	value := func(f, v int) string { return matrixFactors[f].values[v] }
	old := func(s string) bool { return s == "--protocol=27" || s == "--protocol=28" || s == "--protocol=29" }
	for _, r := range pairwise(matrixFactors, func(a, av, b, bv int) bool {
		// ACLs and xattrs came with protocol 30. Comparing needs a checksum. Names
		// that are linked only here change together in place, at any moment.
		// Our sink takes files from protocol 29 on, which -y needs too.
		x, y := value(a, av), value(b, bv)
		return old(x) && y == "-aHAX" || (x == "--protocol=27" || x == "--protocol=28") && y == "-y" || x == "--cc=none" && (y == "-c" || y == "--append-verify") ||
			x == "links" && (y == "--inplace" || y == "--append-verify") ||
			strings.HasPrefix(x, "stock pushes") && (y == "--protocol=27" || y == "--protocol=28")
	}) {
		var s []string
		for f, v := range r {
			s = append(s, value(f, v))
		}
		cells = append(cells, cell{s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]})
	}
	return cells
}

// matrix is what all cells share. dir has src/TREE and old/TREE, and dst/N for
// what is made.
type matrix struct {
	dir, shell, userShell string
	daemons               map[bool]string // stock's and ours, by ours
	userDaemons           map[bool]string // the same, as nobody
	ok                    atomic.Int64
}

func newMatrix(t *testing.T) *matrix {
	m := &matrix{dir: openTempDir(t), shell: localShell(t), daemons: map[bool]string{}, userDaemons: map[bool]string{}}
	check(t, os.Mkdir(filepath.Join(m.dir, "old"), 0o755))
	for name, grow := range matrixTrees {
		src := filepath.Join(m.dir, "src", name)
		check(t, os.MkdirAll(src, 0o755))
		grow(t, src)
		setTreeTimes(t, src)
		matrixAge(t, src, filepath.Join(m.dir, "old", name))
	}
	check(t, os.Mkdir(filepath.Join(m.dir, "dst"), 0o777))
	m.userShell = filepath.Join(m.dir, "shell")
	check(t, os.WriteFile(m.userShell, []byte("#!/bin/sh\nshift\nexec "+strings.Join(asNobody(), " ")+" sh -c \"$*\"\n"), 0o755))
	for user, to := range map[string]map[bool]string{"root": m.daemons, "nobody": m.userDaemons} {
		mod := module{name: "m", path: m.dir, writable: true}
		ours := daemonConfig{modules: []module{mod}}
		if user == "nobody" {
			ours.wrap = asNobody()
		}
		mod.keys = "uid = " + user + "\ngid = " + map[string]string{"root": "root", "nobody": "nogroup"}[user]
		to[false], to[true] = stockDaemon(t, mod), serve(t, ours).addr
	}
	return m
}

// command is the command line of a cell: with our program in its part, or with
// stock's in all.
func (m *matrix) command(c cell, ours bool, dst string) (command []string) {
	from, to := filepath.Join(m.dir, "src", c.tree)+"/", dst+"/"
	weAreClient := ours && strings.HasPrefix(c.way, "we")
	pull, user := strings.Contains(c.way, "pull"), c.tree == "unreadable"
	remote := &to
	if pull {
		remote = &from
	}
	if user && !pull {
		command = asNobody()
	}
	if weAreClient {
		command = append(command, program, "sync")
	} else {
		command = append(command, "rsync")
	}
	for _, o := range c.options() {
		if o == "--fsync" && weAreClient {
			o = "--fsync=commit"
		}
		command = append(command, o)
	}
	if strings.HasSuffix(c.way, "daemon") {
		daemons := m.daemons
		if user && pull {
			daemons = m.userDaemons
		}
		*remote = stockURL(daemons[ours && !weAreClient], "m"+strings.TrimPrefix(*remote, m.dir))
	} else {
		*remote = "host:" + *remote
		shell := m.shell
		if user && pull {
			shell = m.userShell
		}
		command = append(command, "-e", shell)
		if ours && !weAreClient {
			command = append(command, "--rsync-path="+program)
		}
	}
	return append(command, from, to)
}

// run runs one cell beside stock talking to stock.
func (m *matrix) run(t *testing.T, n int, c cell) {
	dst := map[bool]string{}
	got := map[bool]result{}
	for _, ours := range []bool{false, true} {
		dst[ours] = filepath.Join(m.dir, "dst", fmt.Sprintf("%d-%t", n, ours))
		mustRun(t, "cp", "-a", filepath.Join(m.dir, "old", c.tree), dst[ours])
		if c.tree == "unreadable" && c.way == "stock pushes by shell" || c.way == "we push by shell" && c.tree == "unreadable" {
			mustRun(t, "chown", "-R", "nobody:nogroup", dst[ours])
		}
		if c.tree == "changing" && !ours {
			continue
		}
		if c.tree != "changing" {
			got[ours] = run(t, m.command(c, ours, dst[ours])...)
		}
	}
	defer func() {
		for _, d := range dst {
			check(t, os.RemoveAll(d))
		}
	}()
	if c.tree == "changing" {
		m.runChanging(t, c, dst[true])
		return
	}
	if got[true].code != got[false].code {
		t.Errorf("exit %d, between stock and stock %d:\n%s\nstock:\n%s", got[true].code, got[false].code, got[true].stderr, got[false].stderr)
	}
	diffLines(t, "itemized", itemLines(c, got[true].stdout), itemLines(c, got[false].stdout))
	made := [2][]string{treeLines(t, dst[true]), treeLines(t, dst[false])}
	if c.tree == "links" && c.protocol < "--protocol=31" {
		for _, lines := range made { // what is sent has whole seconds, what is linked may have more
			for i := range lines {
				lines[i] = partOfSecond.ReplaceAllString(lines[i], "$1,")
			}
		}
	}
	diffLines(t, "the result", made[0], made[1])
	if c.more != "-n" && c.more != "--append-verify" && got[false].code == 0 {
		m.judge(t, c, dst[true])
	}
}

// judge asks stock whether anything that the cell keeps is not as in the source.
func (m *matrix) judge(t *testing.T, c cell, dst string) {
	args := []string{"rsync", "-nic", "--info=nonreg0", c.kept}
	if strings.HasPrefix(c.more, "--delete") || strings.HasPrefix(c.more, "--exclude") || c.more == "-u" {
		args = append(args, strings.Fields(c.more)...)
	}
	if c.protocol < "--protocol=30" {
		args = append(args, "--no-times") // which had 32 bits
	}
	if c.protocol < "--protocol=28" {
		args = append(args, "--no-hard-links") // of symlinks and devices
	}
	for _, l := range sortedLines(mustRun(t, append(args, filepath.Join(m.dir, "src", c.tree)+"/", dst+"/")...)) {
		// A dry run says that it would delete what it can't, for what is excluded
		// in it.
		if l != "" && !strings.HasPrefix(c.more, "--delete ") {
			t.Errorf("differs from the source: %s", l)
		}
	}
}

var partOfSecond = regexp.MustCompile(`(, \d+)\.\d{9},`)

// itemLine is a line about an entry.
var itemLine = regexp.MustCompile(`^([<>ch.][fdLDS][.+ ?cstTpoguax]{9} |\*deleting   )`)

// itemLines are the lines of a run that have to be the same, in order. These
// may differ:
//
//   - Of a file of several names that are new or differ, the program chooses
//     the one whose content is sent.
//   - Below protocol 29 stock tells only what was transferred, also where the
//     side that knows more is its own; on a pull we show what is done.
//   - A server of ours asks for long attributes before it has compared the rest:
//     their letter comes on a line of its own.
//   - With --append-verify stock shows a file once more if it is sent anew; we
//     have verified it before.
//   - With errors at the source we delete nothing, and stock what it came across
//     before.
func itemLines(c cell, out string) (lines []string) {
	old, ourPull := c.protocol < "--protocol=29", strings.HasPrefix(c.way, "we pull")
	for _, l := range sortedLines(out) {
		if !itemLine.MatchString(l) {
			continue
		}
		letters, name := l[:12], l[12:]
		switch {
		case c.tree == "links" && c.kept != "-a":
			if name, _, _ = strings.Cut(name, " => "); strings.TrimSpace(letters[2:]) == "" {
				continue
			}
			letters = ""
		case old && ourPull:
			if letters[0] != '>' {
				continue
			}
			letters = letters[:2]
		case c.tree == "attributes" && c.kept == "-aHAX":
			letters = strings.ReplaceAll(letters, "x", ".")
			if strings.Trim(letters[2:], ". ") == "" {
				continue
			}
		case c.more == "--append-verify" && letters[0] != '.':
			letters = ""
		case c.tree == "unreadable" && letters == "*deleting   ":
			continue
		}
		lines = append(lines, letters+name)
	}
	return lines
}

// runChanging has files change, vanish and appear while they are read. What
// comes of it is for the next run, when all is quiet, to put right.
func (m *matrix) runChanging(t *testing.T, c cell, dst string) {
	own := c
	own.tree = filepath.Base(dst) + ".src"
	src := filepath.Join(m.dir, "src", own.tree)
	mustRun(t, "cp", "-a", filepath.Join(m.dir, "src", c.tree), src)
	defer func() { check(t, os.RemoveAll(src)) }()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(300 * time.Microsecond):
				path := filepath.Join(src, fmt.Sprintf("%d/%d", i*7%8, i*7%200))
				switch i % 3 {
				case 0:
					_ = os.Remove(path) // it may be gone already
				case 1:
					_ = os.WriteFile(path, []byte(strings.Repeat("new", i)), 0o644)
				case 2:
					_ = os.Truncate(path, int64(i))
				}
			}
		}
	}()
	r := run(t, m.command(own, true, dst)...)
	close(stop)
	<-done
	wantExit(t, r, 0, 23, 24)
	if c.more == "-n" || c.more == "--append-verify" {
		return
	}
	time.Sleep(10 * time.Millisecond)
	wantExit(t, run(t, m.command(own, true, dst)...), 0)
	if c.checksum != "--cc=none" { // what arrived is not verified then
		m.judge(t, own, dst)
	}
}

// TestMatrix has both programs in all roles talk to each other, with all pairs
// of what can vary, and compares the exit codes, what is shown and the trees
// with those of stock talking to stock.
func TestMatrix(t *testing.T) {
	m := newMatrix(t)
	cells := matrixCells()
	t.Log(strings.SplitN(mustRun(t, "rsync", "--version"), "\n", 2)[0])
	t.Run("cells", func(t *testing.T) {
		for n, c := range cells {
			t.Run(fmt.Sprintf("%d %s, %s: %s", n, c.way, c.tree, strings.Join(c.options(), " ")), func(t *testing.T) {
				t.Parallel()
				m.run(t, n, c)
				if !t.Failed() {
					m.ok.Add(1)
				}
			})
		}
	})
	t.Logf("%d cells, %d equal to stock talking to stock", len(cells), m.ok.Load())
}

func sum(b []byte) []byte {
	s := md5.Sum(b)
	return s[:]
}
