package syncd

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/seed9553035b/syncd/syncd/cache"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// stockServer serves one stock client, whose session is set up and whose
// arguments were parsed: below a module, or wherever a remote shell's user may
// go. The functions say which.
type stockServer struct {
	*stockPeer
	stats   *Stats
	sums    *cache.Cache
	hidden  *filter.List // what a module hides; nil without one
	module  *module      // nil without one
	numeric bool         // owners are numbers, whatever the client says
	expand  func(path string) ([]string, error)
	open    opener // of a source's directories
	dest    func(given string, o *Options, single bool) (*stockDest, error)
	alt     func(k *sink, below string, a AltDest) error
	backups func(below string, o *Options) *backups
	fsync   func() Fsync
	log     func(native.Note)
}

// stockDest is what a client's files go into.
type stockDest struct {
	root  *tree.Root // nil in a dry run if it does not exist
	below string     // its path below the module
	as    string     // the name that a single file gets, "" for its own
}

// serve plays the role that the client does not. It first refuses what can't be
// done.
func (v *stockServer) serve(ctx context.Context) error {
	a := v.session.Args
	if err := refuseOptions(a); err != nil {
		return err
	}
	var rules []string
	var err error
	if a.SendsFilters(v.session.Protocol) {
		if rules, err = rsync.ReadFilters(v.r); err != nil {
			return err
		}
	}
	filters, err := stockFilters(rules, v.session.Protocol, a.DeleteExcluded)
	if err != nil {
		return err
	}
	if !a.Sender {
		return v.receive(ctx, filters)
	}
	src := &source{rules: filters, hidden: v.hidden, oneFS: a.OneFileSystem > 0, numeric: a.NumericIDs || v.numeric,
		diskACLs: true, stats: v.stats, sums: v.sums}
	if v.module != nil {
		src.munged, src.chmod = v.module.MungeSymlinks, v.module.outgoing
	}
	x := &stockSource{stockPeer: v.stockPeer, src: src}
	if err := v.openArgs(x); err != nil {
		return err
	}
	defer src.view.Close()
	return x.run(ctx)
}

// openArgs opens the paths of a client as the view of x. Those that are not
// there are reported, as stock does it; the others are sent.
func (v *stockServer) openArgs(x *stockSource) error {
	paths := v.session.Args.Paths
	if len(paths) == 0 {
		paths = []string{""}
	}
	var there []string
	for _, p := range paths {
		expanded, err := v.expand(p)
		if err == nil && len(expanded) == 0 {
			err = syscall.ENOENT
		}
		before := len(there)
		for _, p := range expanded {
			if err = v.visible(p); err == nil {
				there = append(there, p)
			}
		}
		if len(there) == before { // else what wildcards found is all that there is to see
			if err := x.unlisted(p, &fs.PathError{Op: "stat", Path: p, Err: rootCause(err)}); err != nil {
				return err
			}
		}
	}
	if x.src.view = new(view); len(there) == 0 {
		return nil // a view of no arguments
	}
	shown, err := openView(there, v.open)
	if err != nil {
		return err
	}
	x.src.view = shown
	if len(there) == 1 && isContent(there[0]) {
		x.src.below = strings.TrimSuffix(there[0], "/")
	}
	return nil
}

// visible fails if a path is not there, or hidden.
func (v *stockServer) visible(p string) error {
	one, err := openView([]string{p}, v.open)
	if err != nil {
		return err
	}
	defer one.Close()
	if v.hidden != nil && v.hidden.Excluded(strings.TrimSuffix(p, "/"), !one.single(), filter.Sender) {
		return syscall.ENOENT
	}
	return nil
}

// receive is the sink of a client.
func (v *stockServer) receive(ctx context.Context, rules *filter.List) error {
	a := v.session.Args
	if v.session.Protocol < 29 {
		// A client of that age says nothing of a file that it can't send, and
		// shows that only at the end of all: this side would wait for ever.
		return Exitf(ExitProtocol, "files are taken from rsync 2.6.4 or later only (protocol 29), not by protocol %d", v.session.Protocol)
	}
	o, err := sinkOptions(a)
	if err != nil {
		return err
	}
	up, err := newStockUpstream(v.stockPeer, request{any: true, rules: rules}, v.stats)
	if err != nil {
		return err
	}
	first, err := up.readFirst()
	if err != nil {
		return err
	}
	if _, ok := v.session.Checksum.Algorithm(); !ok {
		o.WholeFile = true
	}
	given := ""
	if len(a.Paths) > 0 {
		given = a.Paths[0]
	}
	d, err := v.dest(given, &o, first.Len() == 1 && !first.File(first.Start).IsDir())
	if err != nil {
		return &ExitError{Code: ExitFiles, Err: err}
	}
	if d.root != nil {
		defer d.root.Close()
	}
	up.asked.as = d.as
	meta := sinkMeta(a)
	if err := o.mapOwners(meta); err != nil {
		return &ExitError{Code: ExitUsage, Err: err}
	}
	meta.NumericIDs = meta.NumericIDs || v.numeric
	meta.OmitDirTimes = meta.OmitDirTimes || o.omitsDirTimes()
	meta.ExactTimes = a.Checksum                                       // as stock, where contents were compared (generator.c: maybe_ATTRS_ACCURATE_TIME)
	meta.WholeSeconds = a.ModifyWindow == 0 || v.session.Protocol < 31 // as stock compares
	k := &sink{up: up, stock: up, root: d.root, opt: &o, rules: rules, hidden: v.hidden, below: d.below, meta: meta,
		stats: v.stats, push: true, fsync: v.fsync()}
	if v.module != nil {
		k.munge, meta.Chmod = v.module.MungeSymlinks, v.module.incoming
	}
	k.note = func(note native.Note) {
		v.log(note)
		if v.module != nil && slices.Contains(meta.Notes(), note.Text) {
			return // what the module's user may not do is the administrator's affair
		}
		if err := up.report(note); err != nil {
			k.abort(err)
		}
	}
	up.k = k
	for _, alt := range o.AltDests {
		if err := v.alt(k, d.below, alt); err != nil {
			k.note(native.Note{Text: err.Error(), Error: true})
		}
	}
	k.backup = v.backups(d.below, &o)
	_, err = k.run(ctx)
	return err
}

// report tells a client what is of note. What is about a file that has failed
// makes it end with the code for that.
func (a *stockUpstream) report(note native.Note) error {
	code := rsync.MsgWarning
	if !note.Error {
		code = rsync.MsgInfo
	}
	a.mu.Lock()
	if n := a.stats.Failed.Load(); n > a.failed {
		a.failed, code = n, rsync.MsgErrorXfer
	}
	a.mu.Unlock()
	return a.tell(code, "syncd: "+note.Text)
}

// dirItem is what a client is to see of a directory, whose record bears the
// number of its own list.
type dirItem struct {
	path  string
	flags rsync.IFlags
}

// shows reports whether the client wants to see what is done.
func (a *stockUpstream) shows() bool {
	return a.session.Args.Verbose > 0 || strings.Contains(a.session.Args.LogFormat, "%")
}

// item has a client show what was done about an entry, by a record. What is
// fetched has its record already (generator.c:itemize).
func (a *stockUpstream) item(p string, e *wire.Entry, i item, link string) {
	flags := flagsOf(i)
	transfer := i.update == '<' || i.update == '>'
	switch {
	case transfer:
		if !a.session.Args.DryRun {
			return
		}
		flags |= rsync.Transfer
	case i.update == 'c':
		flags |= rsync.LocalChange
	case i.update == 'h':
		flags |= rsync.LocalChange | rsync.XNameFollows
	}
	if !a.shows() || flags == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if e.IsDir() && p != "" && a.session.IncRecurse() {
		a.dirItem = &dirItem{p, flags}
		return
	}
	ndx := int(e.Ctime.Sec)
	if flags == rsync.ReportXattr && a.current != nil && a.current.asked[ndx] {
		return // the client has seen the request for the value
	}
	a.record(&pendingFile{ndx: ndx, flags: flags}, link, nil)
}

// skipped tells a client of what its options leave out.
func (a *stockUpstream) skipped(p string) {
	if err := a.tell(rsync.MsgInfo, "skipping non-regular file \""+Printable(p)+"\""); err != nil {
		a.k.abort(err)
	}
}

// showDeleted has a client show a deletion (log.c:log_delete).
func (a *stockUpstream) showDeleted(p string, dir bool) {
	if !a.shows() {
		return
	}
	if err := a.w.Message(rsync.Message{Code: rsync.MsgDeleted, Text: p, Dir: dir}); err != nil {
		a.k.abort(err)
	}
}
