package rsync

// A form says how an option takes its value.
type form uint8

const (
	flag     form = iota // none; may be repeated if the field counts
	joined               // --name=value, or -xvalue
	separate             // --name value
)

// A direction says when a client sends an option.
type direction uint8

const (
	always direction = iota
	push             // the client sends files
	pull             // the client receives files
	never            // understood, not sent under this name
)

// An option ties its spellings to a field of Args. The type of the pointer
// that at returns decides how a value is read: *bool, *int, *Tri and so on.
type option struct {
	long  string
	short byte
	form  form
	sent  direction
	at    func(a *Args) any
}

// shortOptions are in the order in which stock bundles them
// (options.c:server_options).
var shortOptions = []option{
	{"secluded-args", 's', flag, always, func(a *Args) any { return &a.Secluded }},
	{"verbose", 'v', flag, always, func(a *Args) any { return &a.Verbose }},
	{"quiet", 'q', flag, always, func(a *Args) any { return &a.Quiet }},
	{"backup", 'b', flag, always, func(a *Args) any { return &a.Backup }},
	{"update", 'u', flag, always, func(a *Args) any { return &a.Update }},
	{"dry-run", 'n', flag, always, func(a *Args) any { return &a.DryRun }},
	{"links", 'l', flag, always, func(a *Args) any { return &a.Links }},
	{"dirs", 'd', flag, always, func(a *Args) any { return &a.Dirs }},
	{"keep-dirlinks", 'K', flag, push, func(a *Args) any { return &a.KeepDirlinks }},
	{"prune-empty-dirs", 'm', flag, push, func(a *Args) any { return &a.PruneEmptyDirs }},
	{"omit-dir-times", 'O', flag, push, func(a *Args) any { return &a.OmitDirTimes }},
	{"omit-link-times", 'J', flag, push, func(a *Args) any { return &a.OmitLinkTimes }},
	{"fuzzy", 'y', flag, push, func(a *Args) any { return &a.Fuzzy }},
	{"copy-links", 'L', flag, pull, func(a *Args) any { return &a.CopyLinks }},
	{"copy-dirlinks", 'k', flag, pull, func(a *Args) any { return &a.CopyDirlinks }},
	{"whole-file", 'W', flag, always, func(a *Args) any { return &a.WholeFile }},
	{"hard-links", 'H', flag, always, func(a *Args) any { return &a.HardLinks }},
	{"owner", 'o', flag, always, func(a *Args) any { return &a.Owner }},
	{"group", 'g', flag, always, func(a *Args) any { return &a.Group }},
	{"", 'D', flag, always, func(a *Args) any { return devices{a} }},
	{"times", 't', flag, always, func(a *Args) any { return &a.Times }},
	{"atimes", 'U', flag, always, func(a *Args) any { return &a.AccessTimes }},
	{"crtimes", 'N', flag, always, func(a *Args) any { return &a.CrTimes }},
	{"perms", 'p', flag, always, func(a *Args) any { return &a.Perms }},
	{"executability", 'E', flag, push, func(a *Args) any { return &a.Executability }},
	{"acls", 'A', flag, always, func(a *Args) any { return &a.ACLs }},
	{"xattrs", 'X', flag, always, func(a *Args) any { return &a.Xattrs }},
	{"recursive", 'r', flag, always, func(a *Args) any { return &a.Recursive }},
	{"checksum", 'c', flag, always, func(a *Args) any { return &a.Checksum }},
	{"cvs-exclude", 'C', flag, always, func(a *Args) any { return &a.CVSExclude }},
	{"ignore-times", 'I', flag, always, func(a *Args) any { return &a.IgnoreTimes }},
	{"relative", 'R', flag, always, func(a *Args) any { return &a.Relative }},
	{"one-file-system", 'x', flag, always, func(a *Args) any { return &a.OneFileSystem }},
	{"sparse", 'S', flag, always, func(a *Args) any { return &a.Sparse }},
	{"compress", 'z', flag, never, func(a *Args) any { return &a.Compress }},
	{"", 'e', joined, never, func(a *Args) any { return (*capString)(&a.Capabilities) }},
	{"block-size", 'B', joined, never, func(a *Args) any { return &a.BlockSize }},
	{"modify-window", '@', joined, never, func(a *Args) any { return &a.ModifyWindow }},
	{"temp-dir", 'T', separate, never, func(a *Args) any { return &a.TempDir }},
}

// longOptions are in the order of options.c:server_options. A name that is
// listed twice is an alias; the first is what a client of ours sends.
var longOptions = []option{
	{"iconv", 0, joined, always, func(a *Args) any { return &a.Iconv }},
	{"list-only", 0, flag, always, func(a *Args) any { return &a.ListOnly }},
	{"compress-level", 0, joined, always, func(a *Args) any { return &a.CompressLevel }},
	{"zl", 0, joined, never, func(a *Args) any { return &a.CompressLevel }},
	{"devices", 0, flag, never, func(a *Args) any { return &a.Devices }},
	{"specials", 0, flag, never, func(a *Args) any { return &a.Specials }},
	{"log-format", 0, joined, push, func(a *Args) any { return &a.LogFormat }},
	{"msgs2stderr", 0, flag, always, func(a *Args) any { return &a.MsgsToStderr }},
	{"timeout", 0, joined, always, func(a *Args) any { return &a.Timeout }},
	{"bwlimit", 0, joined, always, func(a *Args) any { return &a.BWLimit }},
	{"backup-dir", 0, separate, always, func(a *Args) any { return &a.BackupDir }},
	{"suffix", 0, joined, always, func(a *Args) any { return &a.Suffix }},
	{"checksum-choice", 0, joined, always, func(a *Args) any { return &a.ChecksumChoice }},
	{"cc", 0, joined, never, func(a *Args) any { return &a.ChecksumChoice }},
	{"new-compress", 0, flag, never, func(a *Args) any { return choice{a, "zlibx"} }},
	{"old-compress", 0, flag, never, func(a *Args) any { return choice{a, "zlib"} }},
	{"compress-choice", 0, joined, never, func(a *Args) any { return choice{a, ""} }},
	{"zc", 0, joined, never, func(a *Args) any { return choice{a, ""} }},
	{"max-delete", 0, joined, push, func(a *Args) any { return &a.MaxDelete }},
	{"min-size", 0, joined, push, func(a *Args) any { return &a.MinSize }},
	{"max-size", 0, joined, push, func(a *Args) any { return &a.MaxSize }},
	{"delete", 0, flag, push, func(a *Args) any { return deletion{a, DeleteDefault} }},
	{"delete-before", 0, flag, push, func(a *Args) any { return deletion{a, DeleteBefore} }},
	{"delete-during", 0, flag, push, func(a *Args) any { return deletion{a, DeleteDuring} }},
	{"del", 0, flag, never, func(a *Args) any { return deletion{a, DeleteDuring} }},
	{"delete-delay", 0, flag, push, func(a *Args) any { return deletion{a, DeleteDelay} }},
	{"delete-after", 0, flag, push, func(a *Args) any { return deletion{a, DeleteAfter} }},
	{"delete-excluded", 0, flag, push, func(a *Args) any { return &a.DeleteExcluded }},
	{"force", 0, flag, push, func(a *Args) any { return &a.Force }},
	{"only-write-batch", 0, joined, push, func(a *Args) any { return &a.OnlyWriteBatch }},
	{"super", 0, flag, push, func(a *Args) any { return &a.Super }},
	{"size-only", 0, flag, push, func(a *Args) any { return &a.SizeOnly }},
	{"stats", 0, flag, push, func(a *Args) any { return &a.Stats }},
	{"skip-compress", 0, joined, pull, func(a *Args) any { return &a.SkipCompress }},
	{"max-alloc", 0, joined, always, func(a *Args) any { return &a.MaxAlloc }},
	{"delete-missing-args", 0, flag, always, func(a *Args) any { return &a.DeleteMissing }},
	{"ignore-missing-args", 0, flag, always, func(a *Args) any { return &a.IgnoreMissing }},
	{"checksum-seed", 0, joined, always, func(a *Args) any { return &a.ChecksumSeed }},
	{"partial-dir", 0, separate, push, func(a *Args) any { return &a.PartialDir }},
	{"delay-updates", 0, flag, push, func(a *Args) any { return &a.DelayUpdates }},
	{"partial", 0, flag, push, func(a *Args) any { return &a.Partial }},
	{"ignore-errors", 0, flag, push, func(a *Args) any { return &a.IgnoreErrors }},
	{"copy-unsafe-links", 0, flag, always, func(a *Args) any { return &a.CopyUnsafeLinks }},
	{"safe-links", 0, flag, always, func(a *Args) any { return &a.SafeLinks }},
	{"numeric-ids", 0, flag, always, func(a *Args) any { return &a.NumericIDs }},
	{"use-qsort", 0, flag, always, func(a *Args) any { return &a.QSort }},
	{"usermap", 0, joined, push, func(a *Args) any { return &a.UserMap }},
	{"groupmap", 0, joined, push, func(a *Args) any { return &a.GroupMap }},
	{"ignore-existing", 0, flag, push, func(a *Args) any { return &a.IgnoreExisting }},
	{"existing", 0, flag, push, func(a *Args) any { return &a.Existing }},
	{"ignore-non-existing", 0, flag, never, func(a *Args) any { return &a.Existing }},
	{"temp-dir", 0, separate, push, func(a *Args) any { return &a.TempDir }},
	{"fsync", 0, flag, push, func(a *Args) any { return &a.Fsync }},
	{"compare-dest", 0, separate, push, func(a *Args) any { return &a.CompareDest }},
	{"copy-dest", 0, separate, push, func(a *Args) any { return &a.CopyDest }},
	{"link-dest", 0, separate, push, func(a *Args) any { return &a.LinkDest }},
	{"info", 0, joined, always, func(a *Args) any { return &a.Info }},
	{"debug", 0, joined, always, func(a *Args) any { return &a.Debug }},
	{"append", 0, flag, always, func(a *Args) any { return &a.Append }},
	{"inplace", 0, flag, always, func(a *Args) any { return &a.Inplace }},
	{"files-from", 0, separate, never, func(a *Args) any { return &a.FilesFrom }},
	{"from0", '0', flag, always, func(a *Args) any { return &a.From0 }},
	{"no-implied-dirs", 0, flag, always, func(a *Args) any { return &a.NoImpliedDirs }},
	{"write-devices", 0, flag, push, func(a *Args) any { return &a.WriteDevices }},
	{"remove-source-files", 0, flag, always, func(a *Args) any { return &a.RemoveSource }},
	{"remove-sent-files", 0, flag, never, func(a *Args) any { return &a.RemoveSource }},
	{"copy-devices", 0, flag, pull, func(a *Args) any { return &a.CopyDevices }},
	{"preallocate", 0, flag, push, func(a *Args) any { return &a.Preallocate }},
	{"open-noatime", 0, flag, pull, func(a *Args) any { return &a.OpenNoatime }},
	{"mkpath", 0, flag, push, func(a *Args) any { return &a.MkPath }},
}

// The kinds of field that take more than their own value.
type (
	devices   struct{ a *Args } // -D: both kinds
	capString string            // the value of -e
	choice    struct {          // a compression, fixed or as the value
		a    *Args
		name string
	}
	deletion struct {
		a    *Args
		mode DeleteMode
	}
)
