package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// deletionTree has directories with nothing in them at several depths, and in the
// old target what the source does not have.
func deletionTree(t *testing.T) func(src, old string) {
	return func(src, old string) {
		writeTree(t, src, map[string]string{"file": "x", "a/b/c/file": "x", "only/objects/x.o": "x", "only/sub/y.o": "x", "way": "a file", "keep/me.bak": "x"})
		writeTree(t, old, map[string]string{"gone": "x", "gone.bak": "x", "gone dir/file": "x", "gone dir/sub/file.bak": "x", "only/objects/z.o": "x",
			"way/in/the": "x", "empty/was/here/file": "x", "a/b/gone": "x", "a/b/gone.bak": "x", "a/gone dir/deep/file": "x"})
		for _, d := range []string{"empty/of/all", "a/empty", "a/b/c/empty/too", "protected/dir"} {
			check(t, os.MkdirAll(filepath.Join(src, d), 0o755))
		}
		check(t, os.MkdirAll(filepath.Join(src, "linked/sub"), 0o755))
		check(t, os.Symlink("nowhere", filepath.Join(src, "linked/sub/link")))
		setTreeTimes(t, src)
		setTreeTimes(t, old)
	}
}

// TestDeletions has every way delete what stock deletes.
func TestDeletions(t *testing.T) {
	b := newBeside(t, deletionTree(t))
	for _, options := range []string{
		"--force", "--del --force", "--delete-before", "--delete-during", "--delete-delay", "--delete-after", "-n --delete --force", "-n --force", "-v", "-n -v",
		"--delete --exclude=*.bak --exclude=way", "--delete-excluded --exclude=*.bak", "--delete-excluded --exclude=*.o --exclude=a/b", "-n --delete-excluded --exclude=*.bak",
		"--delete --ignore-errors", "-m --exclude=way", "-m --delete", "-m --delete --exclude=*.o", "-m --delete-excluded --exclude=*.o",
		"-m --delete-before --exclude=*.bak", "-m --delete --filter=protect_empty/of/", "-m --filter=P_/protected --delete-excluded --filter=H_*.bak",
		"--delete --filter=P_gone*", "--delete --filter=risk_gone.bak --exclude=*.bak", "--delete -f R_*.bak -f -_*.bak -n", "-n -m --delete",
	} {
		t.Run(options, func(t *testing.T) { b.run(t, strings.Fields(options)...) })
	}
}

// TestIgnoreErrors deletes although a directory could not be read, but nothing
// in that one.
func TestIgnoreErrors(t *testing.T) {
	dir := openTempDir(t)
	src := filepath.Join(dir, "src")
	writeTree(t, src, map[string]string{"file": "x", "secret/file": "x"})
	check(t, os.Chmod(filepath.Join(src, "secret"), 0))
	addr := serve(t, daemonConfig{modules: []module{{name: "m", path: src}}, wrap: asNobody()}).addr
	stock := stockDaemon(t, module{name: "m", path: src, keys: "uid = nobody\ngid = nogroup"})
	for name, from := range map[string]string{"native": "syncd://" + addr + "/m/", "stock": stockURL(stock, "m/")} {
		for _, option := range []string{"-v", "--ignore-errors"} {
			dst := filepath.Join(dir, name+option)
			writeTree(t, dst, map[string]string{"gone": "x", "secret/there": "x"})
			r := run(t, program, "sync", "--delete", option, from, dst+"/")
			wantExit(t, r, 23)
			_, there := readFile(t, filepath.Join(dst, "gone"))
			if there != (option == "-v") {
				t.Errorf("%s, %s: what the source lacks is there: %t", name, option, there)
			}
			if _, there := readFile(t, filepath.Join(dst, "secret/there")); !there && name == "native" {
				t.Errorf("%s, %s: deleted in a directory that could not be read", name, option)
			}
		}
	}
}

// TestPruneArguments prunes below an argument as stock does, which is on a file
// system as well as a root is.
func TestPruneArguments(t *testing.T) {
	dir := t.TempDir()
	grow := deletionTree(t)
	for _, name := range []string{"src", "old/src", "other"} {
		check(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
	}
	grow(dir+"/src", dir+"/old/src")
	writeTree(t, dir, map[string]string{"other/sub/file": "x"})
	check(t, os.MkdirAll(dir+"/other/empty", 0o755))
	setTreeTimes(t, dir+"/other")
	d, b := serveDir(t, dir), beside{dir: dir}
	for i, options := range []string{"-am --force", "-amx --delete", "-amx --delete --exclude=*.o"} {
		sync := func(name, to string, command ...string) []string {
			dst := fmt.Sprint(name, i)
			mustRun(t, "cp", "-a", dir+"/old", filepath.Join(dir, dst))
			wantExit(t, run(t, slices.Concat(command, strings.Fields(options), []string{dir + "/src", dir + "/other", to + dst + "/"})...), 0)
			return slices.Concat(b.tree(t, dst+"/src"), b.tree(t, dst+"/other"))
		}
		want := sync("stock", dir+"/", "rsync")
		diffLines(t, options, sync("local", dir+"/", program, "sync"), want)
		diffLines(t, options+", pushed", sync("push", d.url("m/"), program, "sync"), want)
	}
}

// TestPruneUnreadable does not take a directory for an empty one whose entries
// can't be looked at: nothing is deleted.
func TestPruneUnreadable(t *testing.T) {
	dir := openTempDir(t)
	src := filepath.Join(dir, "src")
	writeTree(t, src, map[string]string{"file": "x", "secret/file": "x"})
	check(t, os.Chmod(filepath.Join(src, "secret"), 0o744))
	d := serve(t, daemonConfig{modules: []module{{name: "m", path: src}}, wrap: asNobody()})
	dst := filepath.Join(dir, "dst")
	writeTree(t, dst, map[string]string{"secret/file": "x"})
	r := here.sync(t, "-m", "--delete", d.url("m/"), dst+"/")
	wantExit(t, r, 23)
	wantFile(t, filepath.Join(dst, "secret/file"), "x")
	wantFile(t, filepath.Join(dst, "file"), "x")
}
