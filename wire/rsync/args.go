package rsync

import "strings"

// Args is what a stock client asks of its server: the options of
// options.c:server_options, by meaning. The zero value is a pull without any
// option turned around: set Sender for a pull.
type Args struct {
	Sender bool // the server has the source

	Secluded     bool
	Capabilities string // letters of the -e string, see CapLetters

	Verbose, Fuzzy, HardLinks int // how often given
	AccessTimes, Xattrs       int
	OneFileSystem, Append     int // Append 2: --append-verify

	Quiet, DryRun, Recursive, Dirs, Relative     bool
	Backup, Update, IgnoreTimes, SizeOnly        bool
	Links, CopyLinks, CopyDirlinks, KeepDirlinks bool
	CopyUnsafeLinks, SafeLinks                   bool
	Owner, Group, Devices, Specials, Perms       bool
	Executability, Times, CrTimes, ACLs          bool
	OmitDirTimes, OmitLinkTimes, OpenNoatime     bool
	NumericIDs, Super                            bool
	Checksum, CVSExclude, PruneEmptyDirs, Sparse bool
	Inplace, Partial, DelayUpdates, Preallocate  bool
	CopyDevices, WriteDevices, Fsync, MkPath     bool
	Existing, IgnoreExisting, NoImpliedDirs      bool
	IgnoreMissing, DeleteMissing, RemoveSource   bool
	Force, IgnoreErrors, DeleteExcluded          bool
	ListOnly, Stats, From0, QSort                bool
	MsgsToStderr, WholeFile                      Tri

	// Compress asks for compression; CompressChoice names the method and is
	// "" if the sides are to negotiate it.
	Compress       bool
	CompressChoice string
	CompressLevel  *int
	SkipCompress   string

	ChecksumChoice string // "A" or "A,B", "" or "auto" to negotiate
	ChecksumSeed   int32  // 0: the server's choice

	Delete    DeleteMode
	MaxDelete *int // nil: no limit

	BlockSize    int
	ModifyWindow int // seconds; -1: nanoseconds count
	Timeout      int // seconds
	BWLimit      int // KiB per second
	MaxAlloc     int64
	MinSize      int64
	MaxSize      *int64

	BackupDir, Suffix, PartialDir, TempDir string
	UserMap, GroupMap, Iconv               string
	Info, Debug, LogFormat                 string
	OnlyWriteBatch, FilesFrom              string

	CompareDest, CopyDest, LinkDest []string

	Extra []string // options of --remote-option, sent verbatim
	Paths []string // behind the "."
}

// A Tri is an option that has a default of its own besides on and off.
type Tri int8

// The values of a Tri.
const (
	Unset Tri = iota
	On
	Off
)

// A DeleteMode says when the receiving side deletes.
type DeleteMode int8

// The delete modes. DeleteDefault is "during" from protocol 30 on and "before"
// below it.
const (
	DeleteNone DeleteMode = iota
	DeleteDefault
	DeleteBefore
	DeleteDuring
	DeleteDelay
	DeleteAfter
)

// Deletes reports whether the receiving side deletes anything that the sender
// does not have (options.c: delete_mode).
func (a *Args) Deletes() bool { return a.Delete != DeleteNone || a.DeleteExcluded }

// SendsFilters reports whether the client's stream starts with a filter list.
// Nothing announces it: both sides compute it from the options
// (exclude.c:send_filter_list, recv_filter_list).
func (a *Args) SendsFilters(protocol int) bool {
	return a.Sender || a.PruneEmptyDirs || a.Deletes() && (!a.DeleteExcluded || protocol >= 29)
}

// CapLetters are the capabilities that a client of this package offers in its
// -e string, but for "i": inc-recurse, symlink times, iconv of symlinks, safe
// file list, no xattr shortcut, seed fix, inplace partial, varint flags and
// names of id 0 (options.c:maybe_add_e_option).
const CapLetters = "LsfxCIvu"

// OfferIncRecurse reports whether the options allow incremental recursion
// (compat.c:set_allow_inc_recurse).
func (a *Args) OfferIncRecurse() bool {
	if !a.Recursive || a.QSort {
		return false
	}
	clientReceives := a.Sender
	return !clientReceives || a.Delete != DeleteBefore && a.Delete != DeleteAfter && !a.DelayUpdates && !a.PruneEmptyDirs
}

// AllowIncRecurse reports whether the server may turn incremental recursion
// on: the client offers it and no option forbids it on this side
// (compat.c:setup_protocol).
func (a *Args) AllowIncRecurse() bool {
	if !strings.Contains(a.Capabilities, "i") || !a.Recursive || a.QSort {
		return false
	}
	return a.Sender || a.Delete != DeleteBefore && a.Delete != DeleteAfter && !a.DelayUpdates && !a.PruneEmptyDirs
}

// TransferChecksum and ListChecksum split ChecksumChoice; "" is to be
// negotiated (checksum.c:parse_checksum_choice).
func (a *Args) TransferChecksum() string {
	name, _, _ := strings.Cut(a.ChecksumChoice, ",")
	return notAuto(name)
}

// ListChecksum is the checksum of --checksum.
func (a *Args) ListChecksum() string {
	first, second, two := strings.Cut(a.ChecksumChoice, ",")
	if !two {
		second = first
	}
	return notAuto(second)
}

// notAuto returns name, "" for "auto".
func notAuto(name string) string {
	if name == "auto" {
		return ""
	}
	return name
}
