package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/syncd"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/wire/native"
)

func newDemo() *cobra.Command {
	return &cobra.Command{
		Use:   "demo [DIR]",
		Short: "Mirror a sample tree, or DIR, through a daemon on this host",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			tmp, err := os.MkdirTemp("", "syncd-demo-*")
			if err != nil {
				return err
			}
			defer os.RemoveAll(tmp)
			d := &demo{c: c, tmp: tmp}
			return d.run(c.Context(), args)
		},
	}
}

// demo pushes a tree to a daemon, pulls it back and compares.
type demo struct {
	c   *cobra.Command
	tmp string
	url string
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.c.OutOrStdout(), format+"\n", args...)
}

func (d *demo) run(ctx context.Context, args []string) error {
	src := filepath.Join(d.tmp, "source")
	if len(args) > 0 {
		src = args[0]
		d.say("1. The tree to mirror is %s.", src)
	} else {
		n, err := sampleTree(src)
		if err != nil {
			return err
		}
		d.say("1. Made a sample tree: %d files, with symlinks and a file that is mostly hole.", n)
	}
	stop, err := d.serve(ctx)
	if err != nil {
		return err
	}
	defer stop()
	d.say("2. Started a daemon: %s", d.url)

	back := filepath.Join(d.tmp, "back")
	for _, step := range []struct{ title, from, to string }{
		{"3. Pushed the tree to the daemon:", src + "/", d.url + "/"},
		{"4. Pulled it back from the daemon:", d.url + "/", back},
		{"5. Pulled it again; nothing had changed:", d.url + "/", back},
	} {
		r, err := d.sync(ctx, step.from, step.to)
		if err != nil {
			return err
		}
		d.say("%s", step.title)
		d.explain(r)
	}
	n, err := compareTrees(src, back)
	if err != nil {
		return err
	}
	d.say("6. Compared what came back with the original, byte by byte: %d entries, all equal.", n)
	return nil
}

// serve starts a daemon with one writable module.
func (d *demo) serve(ctx context.Context) (stop func(), err error) {
	module := filepath.Join(d.tmp, "module")
	if err := os.Mkdir(module, 0o755); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	writable := false
	cfg := config.Default()
	cfg.Fsync = string(syncd.FsyncNone) // a demo need not outlive a power cut
	cfg.Modules = []config.Module{{Name: "demo", Path: module, ReadOnly: &writable}}
	d.url = "syncd://" + l.Addr().String() + "/demo"
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan struct{})
	go func() {
		defer close(served)
		syncd.NewServer(cfg, slog.New(slog.DiscardHandler)).Serve(ctx, l)
	}()
	return func() { cancel(); <-served }, nil
}

func (d *demo) sync(ctx context.Context, from, to string) (*syncd.Result, error) {
	src, err := syncd.ParseLocation(from)
	if err != nil {
		return nil, err
	}
	dst, err := syncd.ParseLocation(to)
	if err != nil {
		return nil, err
	}
	t := &syncd.Transfer{Sources: []syncd.Location{src}, Dest: dst, Filter: new(filter.List), Stats: syncd.NewStats(),
		Options: syncd.Options{HardLinks: true}, Timeout: time.Minute,
		Note: func(n native.Note) { fmt.Fprintln(d.c.ErrOrStderr(), "syncd:", n.Text) }}
	r, err := t.Run(ctx)
	if err != nil {
		return nil, err
	}
	if r.Exit != 0 {
		return nil, exitCode(r.Exit)
	}
	return r, nil
}

// explain says in plain words what the kernel did, at both ends.
func (d *demo) explain(r *syncd.Result) {
	if r.LiteralBytes == 0 {
		d.say("   no file was opened for its content; %.1f KiB of listings crossed the wire, in %.0f ms.",
			float64(r.WireReceived+r.WireSent)/1024, r.Seconds*1000)
		return
	}
	d.say("   %d files, %.1f MiB in %.0f ms.", r.Transferred, mib(r.LiteralBytes), r.Seconds*1000)
	p := r.PathBytes
	if r.Peer == nil {
		return
	}
	q := r.Peer.PathBytes
	d.say("   Moved inside the kernel by splice: %.1f MiB at this end, %.1f MiB at the daemon's.", mib(p.Splice), mib(q.Splice))
	d.say("   Copied through user space: %d bytes here, %d there.", p.User, q.User)
	d.say("   Digests checked over %.1f MiB; %d segments had to be asked for again.", mib(r.HashBytes), r.Redone)
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// sampleTree makes a tree with some of what real ones have, and returns the
// number of its files.
func sampleTree(dir string) (int, error) {
	random := rand.NewChaCha8([32]byte{1})
	files := 0
	write := func(name string, size int) error {
		b := make([]byte, size)
		_, _ = random.Read(b) // never fails
		files++
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return err
		}
		return os.WriteFile(p, b, 0o644)
	}
	for i := range 300 {
		if err := write(fmt.Sprintf("site/page%02d/%03d.html", i%20, i), 200+37*i); err != nil {
			return 0, err
		}
	}
	for i := range 3 {
		if err := write(fmt.Sprintf("media/video %d.mp4", i), 20<<20+i); err != nil {
			return 0, err
		}
	}
	if err := os.Symlink("site/page00/000.html", filepath.Join(dir, "index.html")); err != nil {
		return 0, err
	}
	if err := os.Link(filepath.Join(dir, "media/video 0.mp4"), filepath.Join(dir, "media/latest.mp4")); err != nil {
		return 0, err
	}
	hole, err := os.Create(filepath.Join(dir, "disk.img"))
	if err != nil {
		return 0, err
	}
	defer hole.Close()
	if _, err := hole.WriteAt([]byte("data behind a hole"), 64<<20); err != nil {
		return 0, err
	}
	return files + 2, nil
}

// compareTrees fails at the first difference in names, types, modes, times or
// contents, and returns the number of entries.
func compareTrees(a, b string) (int, error) {
	n := 0
	err := filepath.WalkDir(a, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		n++
		rel, err := filepath.Rel(a, p)
		if err != nil {
			return err
		}
		x, err := os.Lstat(p)
		if err != nil {
			return err
		}
		y, err := os.Lstat(filepath.Join(b, rel))
		if err != nil {
			return err
		}
		if x.Mode() != y.Mode() || !x.IsDir() && x.Size() != y.Size() || !x.ModTime().Equal(y.ModTime()) {
			return fmt.Errorf("%s came back different: %v %d %v, was %v %d %v", rel,
				y.Mode(), y.Size(), y.ModTime(), x.Mode(), x.Size(), x.ModTime())
		}
		if !x.Mode().IsRegular() {
			return nil
		}
		p2, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		q2, err := os.ReadFile(filepath.Join(b, rel))
		if err != nil {
			return err
		}
		if !bytes.Equal(p2, q2) {
			return fmt.Errorf("%s came back with another content", rel)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	m := 0
	err = filepath.WalkDir(b, func(string, fs.DirEntry, error) error { m++; return nil })
	if err == nil && m != n {
		err = fmt.Errorf("%d entries came back, there were %d", m, n)
	}
	return n, err
}
