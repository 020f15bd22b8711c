package syncd

import (
	"math"
	"os"
	"strings"
	"time"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// refusal is an option that this program can't honour for a stock client.
type refusal struct {
	name string
	on   bool
}

// refuseOptions refuses, by name, what a stock client asks of its server and
// does not get. What is not named here is honoured, or concerns the client's
// own side, or only how much is said.
func refuseOptions(a *rsync.Args) error {
	if !a.Sender {
		if err := refuseSinkOptions(a); err != nil {
			return err
		}
	}
	list := []refusal{
		{"--files-from", a.FilesFrom != ""}, {"--relative", a.Relative}, {"--iconv", a.Iconv != ""},
		{"--atimes", a.AccessTimes > 0}, {"--crtimes", a.CrTimes}, {"--cvs-exclude", a.CVSExclude},
		{"--xattrs given twice", a.Xattrs > 1}, {"--one-file-system given twice", a.OneFileSystem > 1},
		{"--remove-source-files", a.RemoveSource}, {"--only-write-batch", a.OnlyWriteBatch != ""},
		{"--ignore-missing-args", a.IgnoreMissing}, {"--delete-missing-args", a.DeleteMissing},
	}
	if a.Sender {
		list = append(list, refusal{"--copy-links", a.CopyLinks}, refusal{"--copy-dirlinks", a.CopyDirlinks},
			refusal{"--copy-unsafe-links", a.CopyUnsafeLinks}, refusal{"--copy-devices", a.CopyDevices},
			refusal{"--open-noatime", a.OpenNoatime})
	}
	for _, r := range list {
		if r.on {
			return Exitf(ExitUnsupported, "%s is not supported by this server", r.name)
		}
	}
	return nil
}

// refuseSinkOptions is refuseOptions for what concerns the side that writes.
func refuseSinkOptions(a *rsync.Args) error {
	list := []refusal{
		{"--keep-dirlinks", a.KeepDirlinks},
		{"--acls without --perms", a.ACLs && !a.Perms}, {"--executability", a.Executability && !a.Perms},
		{"--delay-updates", a.DelayUpdates}, {"--preallocate", a.Preallocate},
		{"--write-devices", a.WriteDevices},
		{"--temp-dir", a.TempDir != ""},
		{"--super without being root", a.Super && os.Geteuid() != 0}, {"--fuzzy given twice", a.Fuzzy > 1},
		{"more than one destination", len(a.Paths) > 1},
	}
	for _, r := range list {
		if r.on {
			return Exitf(ExitUnsupported, "%s is not supported by this server", r.name)
		}
	}
	return nil
}

// sinkOptions are those of a sink that a stock client asks for.
func sinkOptions(a *rsync.Args) (o Options, err error) {
	o = Options{
		HardLinks: a.HardLinks > 0, ACLs: a.ACLs, Xattrs: a.Xattrs > 0, Sparse: a.Sparse, NumericIDs: a.NumericIDs,
		DryRun: a.DryRun, Checksum: a.Checksum, Update: a.Update, OneFS: a.OneFileSystem > 0,
		Delete: a.Deletes(), Inplace: a.Inplace, Append: a.Append == 1, AppendVerify: a.Append > 1,
		Partial: a.Partial, PartialDir: []byte(a.PartialDir), Fuzzy: a.Fuzzy > 0, WholeFile: a.WholeFile == rsync.On,
		BlockSize: int64(a.BlockSize), Existing: a.Existing, IgnoreExisting: a.IgnoreExisting, MinSize: a.MinSize, MaxSize: a.MaxSize,
		SizeOnly: a.SizeOnly, IgnoreTimes: a.IgnoreTimes, DeleteExcluded: a.DeleteExcluded, IgnoreErrors: a.IgnoreErrors, Force: a.Force,
		NoLinks: !a.Links, NoTimes: !a.Times, SafeLinks: a.SafeLinks, UserMap: a.UserMap, GroupMap: a.GroupMap, MkPath: a.MkPath,
		Backup: a.Backup || a.BackupDir != "", BackupDir: []byte(a.BackupDir), Suffix: a.Suffix,
	}
	if a.MaxDelete != nil {
		n := int64(*a.MaxDelete)
		o.MaxDelete = &n
	}
	if a.Fsync {
		o.Fsync = FsyncCommit
	}
	for _, d := range []struct {
		kind  AltKind
		paths []string
	}{{CompareDest, a.CompareDest}, {CopyDest, a.CopyDest}, {LinkDest, a.LinkDest}} {
		for _, p := range d.paths {
			o.AltDests = append(o.AltDests, AltDest{d.kind, []byte(p)})
		}
	}
	if err := o.Validate(); err != nil {
		return o, &ExitError{Code: ExitUnsupported, Err: err}
	}
	return o, nil
}

// sinkMeta is the metadata that a stock client wants to be kept.
func sinkMeta(a *rsync.Args) *tree.Meta {
	return &tree.Meta{
		Perms: a.Perms, Owner: a.Owner, Group: a.Group, Times: a.Times, OmitDirTimes: a.OmitDirTimes,
		OmitLinkTimes: a.OmitLinkTimes, Xattrs: a.Xattrs > 0, ACLs: a.ACLs, NumericIDs: a.NumericIDs,
		Devices: a.Devices, Specials: a.Specials, ModifyWindow: int64(max(a.ModifyWindow, 0)),
	}
}

// stockFilters compiles the rules of a stock client.
func stockFilters(rules []string, protocol int, deleteExcluded bool) (*filter.List, error) {
	l := &filter.List{DeleteExcluded: deleteExcluded}
	for _, r := range rules {
		add := l.ParseWire
		if protocol < 29 {
			add = l.AddExclude
		}
		if err := add(r); err != nil {
			return nil, &ExitError{Code: ExitUsage, Err: err}
		}
	}
	if err := refuseRules(l); err != nil {
		return nil, &ExitError{Code: ExitUnsupported, Err: err}
	}
	return l, nil
}

// stockArgs are the arguments for a stock server that say what the options do.
// What the sink does on this side of a pull, the server need not know.
func (t *Transfer) stockArgs(pull bool) (*rsync.Args, error) {
	o := &t.Options
	if o.BlockSize > maxStockBlock {
		return nil, Exitf(ExitUsage, "a block size of %d is more than the %d that rsync takes", o.BlockSize, maxStockBlock)
	}
	if t.Digest != delta.XXH3128 {
		return nil, Exitf(ExitUnsupported, "--digest is of our own dialect: with rsync --checksum-choice says what verifies")
	}
	if !pull && o.SkipCompress != nil {
		return nil, Exitf(ExitUnsupported, "--skip-compress is not supported in a push to rsync")
	}
	a := o.stockArgs(pull)
	a.Timeout = int(t.Timeout / time.Second)
	if c := t.Stock.Compress; c != "" {
		a.Compress, a.CompressChoice = c != "none", ""
		if a.Compress && c != "auto" {
			a.CompressChoice = c
		}
	}
	a.ChecksumChoice = t.Stock.Checksum
	if len(a.CompareDest) > 0 && len(a.CopyDest) > 0 || len(a.LinkDest) > 0 && len(a.CompareDest)+len(a.CopyDest) > 0 {
		return nil, Exitf(ExitUnsupported, "rsync takes --compare-dest, --copy-dest or --link-dest, not two of them")
	}
	t.offerCapabilities(a)
	return a, nil
}

func (t *Transfer) offerCapabilities(a *rsync.Args) {
	if a.OfferIncRecurse() && !t.Stock.Whole {
		a.Capabilities = "i"
	}
	a.Capabilities += rsync.CapLetters
}

// maxStockBlock is the largest block that stock takes (rsync.h:MAX_BLOCK_SIZE).
const maxStockBlock = 128 << 10

// stockArgs says what the options do in the words of stock.
func (o *Options) stockArgs(pull bool) *rsync.Args {
	a := &rsync.Args{
		Sender: pull, Recursive: true, Links: !o.NoLinks, Perms: !o.NoPerms, Times: !o.NoTimes, Owner: !o.NoOwner, Group: !o.NoGroup,
		Devices: !o.NoDevices, Specials: !o.NoSpecials, SafeLinks: o.SafeLinks, ACLs: o.ACLs, Checksum: o.Checksum, NumericIDs: o.NumericIDs, Sparse: o.Sparse,
		Timeout: int(o.Timeout), BlockSize: int(o.BlockSize), IgnoreTimes: o.IgnoreTimes,
		PruneEmptyDirs: o.Prune,
	}
	if o.ModifyWindow != nil {
		a.ModifyWindow = int(*o.ModifyWindow)
	}
	count := func(n *int, on bool) {
		if on {
			*n = 1
		}
	}
	count(&a.HardLinks, o.HardLinks)
	count(&a.Xattrs, o.Xattrs)
	count(&a.OneFileSystem, o.OneFS)
	count(&a.Append, o.Append && (!pull || !o.AppendVerify))
	if o.Compress == CompressZstd || o.Compress == CompressAuto {
		a.Compress = true
		if o.Level > 0 {
			a.CompressLevel = &o.Level
		}
	}
	if pull {
		a.SkipCompress = strings.Join(o.SkipCompress, "/")
	} else {
		o.pushArgs(a)
	}
	return a
}

// pushArgs adds what the server needs to know to be the sink.
func (o *Options) pushArgs(a *rsync.Args) {
	a.DryRun, a.Update, a.Inplace, a.Partial = o.DryRun, o.Update, o.Inplace, o.Partial
	a.PartialDir, a.Backup, a.BackupDir = string(o.PartialDir), o.Backup, string(o.BackupDir)
	if o.Backup && o.Suffix != "" && (o.Suffix != defaultSuffix || len(o.BackupDir) > 0) {
		a.Suffix = o.Suffix // it is the default otherwise
	}
	a.Existing, a.IgnoreExisting, a.SizeOnly = o.Existing, o.IgnoreExisting, o.SizeOnly
	a.MinSize, a.MaxSize = o.MinSize, o.MaxSize
	a.OmitDirTimes, a.OmitLinkTimes = o.OmitDirTimes, o.OmitLinkTimes
	a.MkPath = o.MkPath
	if !o.NoOwner { // which the map would turn on
		a.UserMap = o.UserMap
	}
	if !o.NoGroup {
		a.GroupMap = o.GroupMap
	}
	a.Fsync = o.Fsync == FsyncCommit || o.Fsync == FsyncFile
	if o.WholeFile {
		a.WholeFile = rsync.On
	}
	if o.AppendVerify {
		a.Append = 2
	}
	if o.Fuzzy {
		a.Fuzzy = 1
	}
	if o.Delete {
		a.Delete = map[DeleteWhen]rsync.DeleteMode{
			"":           rsync.DeleteDelay, // after the transfer, as our own sink
			DeleteBefore: rsync.DeleteBefore, DeleteDuring: rsync.DeleteDuring, DeleteDelay: rsync.DeleteDelay, DeleteAfter: rsync.DeleteAfter,
		}[o.DeleteWhen]
	}
	a.DeleteExcluded, a.IgnoreErrors, a.Force = o.DeleteExcluded, o.IgnoreErrors, o.Force
	if o.MaxDelete != nil {
		n := int(min(*o.MaxDelete, math.MaxInt32))
		a.MaxDelete = &n
	}
	for _, d := range o.AltDests {
		to := map[AltKind]*[]string{CompareDest: &a.CompareDest, CopyDest: &a.CopyDest, LinkDest: &a.LinkDest}[d.Kind]
		*to = append(*to, string(d.Path))
	}
	a.LogFormat = "X" // nothing is logged here
	if o.Itemize || o.Names {
		a.LogFormat = "%i"
	}
}

// refusedBy returns the first option that a module refuses, by the name and in
// the direction in which a stock client would send it.
func (o *Options) refusedBy(refuse rsync.Refusals, pull bool) error {
	a := o.stockArgs(pull)
	a.DryRun = o.DryRun // which stock says on a pull too
	head, tail := a.Build(rsync.MaxProtocol)
	_, err := rsync.ParseArgs(append(head, tail...), refuse)
	return err
}
