package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// backupTree has in the old target something for each way in which a run
// replaces or deletes.
func backupTree(t *testing.T) func(src, old string) {
	return func(src, old string) {
		writeTree(t, src, map[string]string{"changed": "new", "dir/sub/changed": "newer", "with backup": "newer", "same": "x", "was a link": "a file", "was a file": "",
			"was a directory": "a file", "is a directory/file": "x", "linked": "x", "new": "new", "changed~": "new, and named as a backup",
			"large": strings.Repeat("new contents ", 10_000)})
		writeTree(t, old, map[string]string{"changed": "old", "dir/sub/changed": "old", "same": "x", "was a file": "old",
			"is a directory": "a file", "linked": "old", "linked too": "old too", "gone": "old", "gone dir/file": "old", "gone dir/sub/file": "old",
			"dir/sub/gone": "old", "gone~": "an old backup", "with backup": "old", "with backup~": "an old backup", "changed~": "old, and named as a backup",
			"large": strings.Repeat("old contents ", 9_000) + strings.Repeat("new contents ", 1_000)})
		check(t, os.Remove(filepath.Join(src, "was a file")))
		check(t, os.Symlink("same", filepath.Join(src, "was a file")))
		check(t, os.Symlink("same", filepath.Join(old, "was a link")))
		check(t, os.Symlink("new", filepath.Join(src, "changed link")))
		check(t, os.Symlink("old", filepath.Join(old, "changed link")))
		check(t, os.Symlink("old", filepath.Join(old, "gone link")))
		check(t, os.Link(filepath.Join(src, "linked"), filepath.Join(src, "linked too")))
		check(t, os.Mkdir(filepath.Join(old, "was a directory"), 0o755))
		check(t, os.Chmod(filepath.Join(src, "dir/sub"), 0o711))
		check(t, os.Chmod(filepath.Join(old, "dir/sub"), 0o711))
		check(t, os.Chown(filepath.Join(old, "changed"), 1234, 4321))
		setTreeTimes(t, src)
		setTreeTimes(t, old)
	}
}

// TestBackups has every way keep what stock keeps, where and as stock keeps it.
func TestBackups(t *testing.T) {
	b := newBeside(t, backupTree(t))
	b.links = true
	for _, options := range []string{
		"-b", "-b --suffix=.old", "-b --delete", "-b --delete --suffix=.old", "-b --del --delete-excluded --exclude=gone",
		"-b --backup-dir=kept --delete --exclude=/kept", "--backup-dir=kept/deep --suffix=.1 --delete --exclude=/kept", "-b -n --delete",
		"-b --inplace", "-b --inplace --backup-dir=kept", "-b --delete --force --exclude=changed*", "-b --delete --max-delete=2 --exclude=gone*",
	} {
		t.Run(options, func(t *testing.T) { b.run(t, strings.Fields(options)...) })
	}
}

// TestBackupsElsewhere keeps them on another file system, to which nothing can be
// linked, and in a directory beside the target, as our shell server does too.
func TestBackupsElsewhere(t *testing.T) {
	dir := t.TempDir()
	src, old := filepath.Join(dir, "src"), filepath.Join(dir, "old")
	backupTree(t)(src, old)
	shell := localShell(t)
	for name, command := range map[string][]string{
		"ours": {program, "sync"}, "our server": {"rsync", "-a", "-e", shell, "--rsync-path=" + program},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, backups := range map[string]string{"tmpfs": mountTmpfs(t, filepath.Join(t.TempDir(), "tmpfs"), ""), "relative": "../kept/today"} {
				ours, stocks := filepath.Join(t.TempDir(), "dst"), filepath.Join(t.TempDir(), "dst")
				mustRun(t, "cp", "-a", old, ours)
				mustRun(t, "cp", "-a", old, stocks)
				kept := map[bool]string{}
				for isOurs, dst := range map[bool]string{true: ours, false: stocks} {
					place := backups
					if kept[isOurs] = filepath.Join(dst, backups); kind == "tmpfs" {
						place = filepath.Join(backups, name, filepath.Base(filepath.Dir(dst)))
						kept[isOurs] = place
					}
					to, c := dst+"/", command
					if !isOurs {
						c = []string{"rsync", "-a"}
					} else if name == "our server" {
						to = "host:" + to
					}
					mustRun(t, slices.Concat(c, []string{"-H", "--delete", "--backup-dir=" + place, src + "/", to})...)
				}
				judge(t, stocks, ours, "--omit-dir-times")
				judge(t, kept[false], kept[true], "--omit-dir-times", "--no-hard-links")
			}
		})
	}
}

// TestBackupsHideNothing has clients of both kinds aim backups at what a module
// hides: the file that would get there is not replaced.
func TestBackupsHideNothing(t *testing.T) {
	dir := t.TempDir()
	src, served := filepath.Join(dir, "src"), filepath.Join(dir, "served")
	writeTree(t, src, map[string]string{"secret/file": "new", "conf": "new"})
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: served, writable: true, keys: `exclude: ["/secret", "*.conf~"]`}}})
	for name, client := range map[string][]string{"native": {program, "sync", "-I"}, "stock": {"rsync", "-aI"}} {
		for option, file := range map[string]string{"--backup-dir=/": "secret/file", "--backup-dir=/secret": "conf", "--suffix=.conf~": "conf", "--backup-dir=../../../secret": "conf"} {
			writeTree(t, served, map[string]string{"secret/kept": "x", "in/secret/file": "old", "in/conf": "old"})
			to := d.url("m/in/")
			if name == "stock" {
				to = stockURL(d.addr, "m/in/")
			}
			r := run(t, append(client, "-b", option, src+"/", to)...)
			wantExit(t, r, 23)
			wantFile(t, filepath.Join(served, "in", file), "old")
			if got := names(t, filepath.Join(served, "secret")); strings.TrimSpace(got) != "kept" {
				t.Errorf("%s, %s: in the hidden directory is %q", name, option, got)
			}
		}
	}
}

// TestBackupsAreFilesToRules has a module hide all files but some: that it shows
// directories of any name makes no place for a backup.
func TestBackupsAreFilesToRules(t *testing.T) {
	dir := t.TempDir()
	src, served := filepath.Join(dir, "src"), filepath.Join(dir, "served")
	writeTree(t, src, map[string]string{"a.txt": "new"})
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: served, writable: true, keys: `include: ["*/", "*.txt"], exclude: ["*"]`}}})
	for name, command := range map[string][]string{
		"native": {program, "sync", "-I", src + "/", d.url("m/")}, "stock": {"rsync", "-aI", src + "/", stockURL(d.addr, "m/")},
	} {
		writeTree(t, served, map[string]string{"a.txt": "old", "a.txt.conf": "hidden"})
		for _, place := range []string{"--backup-dir=/", "--backup-dir=kept/.."} {
			t.Log(name, place)
			wantExit(t, run(t, append(command, "-b", "--suffix=.conf", place)...), 23)
			wantFile(t, filepath.Join(served, "a.txt.conf"), "hidden")
			wantFile(t, filepath.Join(served, "a.txt"), "old")
		}
	}
}

// TestBackupsAreNotTheFiles has the directory for backups be the destination,
// however it is reached: nothing is replaced or deleted that would have no backup.
func TestBackupsAreNotTheFiles(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	writeTree(t, src, map[string]string{"changed": "new"})
	check(t, os.Symlink("dst", filepath.Join(dir, "link")))
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: dst, writable: true}}})
	local := []string{program, "sync", src + "/", dst + "/"}
	push := []string{program, "sync", src + "/", d.url("m/")}
	stock := []string{"rsync", "-a", src + "/", stockURL(d.addr, "m/")}
	for _, c := range []struct {
		name, place string
		command     []string
		code        int
	}{
		{"the same", ".", local, 1}, {"the same by its name", "../dst", local, 23}, {"absolute", dst, local, 23}, {"by a symlink", "../link", local, 23},
		{"the module", "/", push, 23}, {"the module, for stock", "/", stock, 23},
	} {
		t.Run(c.name, func(t *testing.T) {
			writeTree(t, dst, map[string]string{"changed": "old one", "gone": "old"})
			r := run(t, append(c.command, "--delete", "--backup-dir="+c.place)...)
			wantExit(t, r, c.code)
			if !strings.Contains(r.stderr, "need a --suffix") {
				t.Errorf("it does not say what is missing:\n%s", r.stderr)
			}
			wantFile(t, filepath.Join(dst, "changed"), "old one")
			wantFile(t, filepath.Join(dst, "gone"), "old")
			mustRun(t, append(c.command, "--delete", "--backup-dir="+c.place, "--suffix=.1")...)
			wantFile(t, filepath.Join(dst, "changed.1"), "old one")
			wantFile(t, filepath.Join(dst, "gone.1"), "old")
			check(t, os.Remove(filepath.Join(dst, "changed.1")))
			check(t, os.Remove(filepath.Join(dst, "gone.1")))
		})
	}
}

// TestBackupDirStays has runs that delete put backups into the destination, time
// and again, where nothing but the option says that they are to stay.
func TestBackupDirStays(t *testing.T) {
	dir := t.TempDir()
	src, served := filepath.Join(dir, "src"), filepath.Join(dir, "served")
	writeTree(t, src, map[string]string{"file": "new", "kept/of the source": "x"})
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: served, writable: true}}})
	for name, command := range map[string][]string{
		"local": {program, "sync", "-I", src + "/", served + "/in/"}, "push": {program, "sync", "-I", src + "/", d.url("m/in/")},
		"stock": {"rsync", "-aI", src + "/", stockURL(d.addr, "m/in/")}, "shell": {"rsync", "-aI", "-e", localShell(t), "--rsync-path=" + program, src + "/", "host:" + served + "/in/"},
	} {
		for _, place := range []string{"old/today", "./old//today/", "kept", "../in/old/today", "absolute"} {
			t.Run(name+" "+place, func(t *testing.T) {
				in := filepath.Join(served, "in")
				check(t, os.RemoveAll(in))
				kept := filepath.Join(in, place)
				if place == "absolute" {
					if kept, place = filepath.Join(in, "old"), "/in/old"; name == "local" || name == "shell" {
						place = filepath.Join(in, "old")
					}
				}
				writeTree(t, in, map[string]string{"file": "old", "dir/gone": "old"})
				writeTree(t, kept, map[string]string{"earlier": "older"})
				args := append(command, "--delete", "--backup-dir="+place)
				if said := mustRun(t, append(args, "-ni")...); strings.Contains(said, "earlier") {
					t.Errorf("a dry run would delete:\n%s", said)
				}
				for range 2 {
					mustRun(t, args...)
					wantFile(t, filepath.Join(kept, "dir/gone"), "old")
					wantFile(t, filepath.Join(kept, "earlier"), "older")
				}
				wantFile(t, filepath.Join(kept, "file"), "new")
			})
		}
	}
}

// TestBackupsAtRisk has rules that let backups be deleted, and keeps those of the
// run: an older one under the same name was to be deleted.
func TestBackupsAtRisk(t *testing.T) {
	dir := t.TempDir()
	src, served := filepath.Join(dir, "src"), filepath.Join(dir, "served")
	writeTree(t, src, map[string]string{"dir/changed": "new"})
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: served, writable: true}}})
	for name, command := range map[string][]string{
		"local": {program, "sync", src + "/", served + "/in/"}, "push": {program, "sync", src + "/", d.url("m/in/")}, "stock": {"rsync", "-a", src + "/", stockURL(d.addr, "m/in/")},
	} {
		for _, risk := range []string{"--include=*", "--filter=R *", "--delete-excluded"} {
			t.Run(name+" "+risk, func(t *testing.T) {
				in := filepath.Join(served, "in")
				check(t, os.RemoveAll(in))
				writeTree(t, in, map[string]string{"dir/changed": "the old", "dir/changed~": "older", "dir/other~": "older", "dir/gone": "old", "dir/gone~": "older", "all/gone": "old", "all/gone~": "older"})
				mustRun(t, append(command, "-b", "--delete", risk)...)
				wantFile(t, filepath.Join(in, "dir/changed~"), "the old")
				wantFile(t, filepath.Join(in, "dir/gone~"), "old")
				wantFile(t, filepath.Join(in, "all/gone~"), "old")
				if _, there := readFile(t, filepath.Join(in, "dir/other~")); there {
					t.Error("what is at risk was not deleted")
				}
			})
		}
	}
}

// TestBackupsOfOthers has an ordinary user replace a file of root's, which the
// kernel lets it have no hard link to: it is copied, and is never without its name.
func TestBackupsOfOthers(t *testing.T) {
	if on, err := os.ReadFile("/proc/sys/fs/protected_hardlinks"); err != nil || strings.TrimSpace(string(on)) != "1" {
		t.Fatalf("fs.protected_hardlinks is %q (%v), the default of all distributions is 1", on, err)
	}
	dir := openTempDir(t)
	src, dst, trace := filepath.Join(dir, "src"), filepath.Join(dir, "dst"), filepath.Join(t.TempDir(), "trace")
	writeTree(t, src, map[string]string{"conf": "newer"})
	writeTree(t, dst, map[string]string{"conf": "old"})
	check(t, os.Chown(dst, nobody, nobody))
	mustRun(t, append([]string{"strace", "-f", "-o", trace, "-e", "trace=linkat,renameat,renameat2"}, asNobody(program, "sync", "-b", src+"/", dst+"/")...)...)
	wantFile(t, filepath.Join(dst, "conf"), "newer")
	wantFile(t, filepath.Join(dst, "conf~"), "old")
	if calls, _ := readFile(t, trace); !strings.Contains(calls, "EPERM") || regexp.MustCompile(`rename\w*\(\w+, "conf",`).MatchString(calls) {
		t.Errorf("it was not linked in vain, or renamed:\n%s", calls)
	}
}

// TestBackupsAreSynced sees in the system calls that a backup which is a copy, and
// the directory that has it, are on disk before the old file loses its name.
func TestBackupsAreSynced(t *testing.T) {
	dir := t.TempDir()
	src, dst, kept := filepath.Join(dir, "src"), filepath.Join(dir, "dst"), mountTmpfs(t, filepath.Join(dir, "kept"), "")
	writeTree(t, src, map[string]string{"dir/conf": "newer"})
	for policy, syncs := range map[string]int{"none": 0, "commit": 3, "file": 3} { // the file, the directory, the one above
		writeTree(t, dst, map[string]string{"dir/conf": "old"})
		trace, place := filepath.Join(dir, policy), filepath.Join(kept, policy)
		mustRun(t, "strace", "-f", "-y", "-o", trace, "-e", "trace=fsync,renameat,renameat2", program, "sync", "--fsync="+policy, "--backup-dir="+place, src+"/", dst+"/")
		calls, _ := readFile(t, trace)
		before, _, ok := strings.Cut(calls, dst+"/dir>, \"conf\"")
		if got := len(regexp.MustCompile(`fsync\(\d+<`+regexp.QuoteMeta(kept)).FindAllString(before, -1)); !ok || got != syncs {
			t.Errorf("%s: %d syncs before the old file is replaced, want %d:\n%s", policy, got, syncs, calls)
		}
		wantFile(t, filepath.Join(place, "dir/conf"), "old")
	}
}

// TestBackupsComeFirst sees in the system calls that an old file has its second
// name before the new one gets the first, and that what is deleted is renamed: a
// crash at any moment leaves the old content under a name.
func TestBackupsComeFirst(t *testing.T) {
	dir := t.TempDir()
	src, dst, trace := filepath.Join(dir, "src"), filepath.Join(dir, "dst"), filepath.Join(dir, "trace")
	writeTree(t, src, map[string]string{"conf": "newer"})
	writeTree(t, dst, map[string]string{"conf": "old", "gone": "old"})
	mustRun(t, append([]string{"strace", "-f", "-o", trace, "-e", "trace=linkat,renameat,renameat2"}, program, "sync", "-b", "--delete", src+"/", dst+"/")...)
	calls, _ := readFile(t, trace)
	at := func(call string) int {
		for i, line := range strings.Split(calls, "\n") {
			if ok, _ := regexp.MatchString(call, line); ok {
				return i
			}
		}
		t.Errorf("there is no call %s", call)
		return -1
	}
	if linked, renamed := at(`linkat\(.*"conf", .*"conf~"`), at(`renameat2?\(.*, "conf"`); linked > renamed {
		t.Errorf("linked at line %d, replaced at %d", linked, renamed)
	}
	at(`renameat2?\(.*"gone", .*"gone~"`)
	wantFile(t, filepath.Join(dst, "conf~"), "old")
	wantFile(t, filepath.Join(dst, "gone~"), "old")
}
