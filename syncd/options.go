package syncd

import (
	"errors"
	"fmt"
	"math"
	"path"
	"strings"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire/native"
)

// Options says what a transfer does. The fields with a JSON name are told to
// the other side, whichever of the two needs them; a daemon takes them as
// wishes that can only restrict what its module allows.
type Options struct {
	// What the source does.
	Rules [][]byte `json:"rules,omitempty"` // filter rules, in order, in rsync's wire form
	Prune bool     `json:"prune,omitempty"` // leave out directories in which there is nothing else
	OneFS bool     `json:"one_fs,omitempty"`

	// What is kept. Archive mode is the default: all that has no field here.
	HardLinks  bool `json:"hard_links,omitempty"`
	ACLs       bool `json:"acls,omitempty"`
	Xattrs     bool `json:"xattrs,omitempty"`
	Sparse     bool `json:"sparse,omitempty"`
	NumericIDs bool `json:"numeric_ids,omitempty"`

	NoPerms       bool `json:"no_perms,omitempty"`
	NoOwner       bool `json:"no_owner,omitempty"`
	NoGroup       bool `json:"no_group,omitempty"`
	NoTimes       bool `json:"no_times,omitempty"`
	NoDevices     bool `json:"no_devices,omitempty"`
	NoSpecials    bool `json:"no_specials,omitempty"`
	NoLinks       bool `json:"no_links,omitempty"` // symlinks are passed over
	OmitDirTimes  bool `json:"omit_dir_times,omitempty"`
	OmitLinkTimes bool `json:"omit_link_times,omitempty"`

	UserMap  string `json:"user_map,omitempty"` // as for tree.ParseIDMap
	GroupMap string `json:"group_map,omitempty"`

	// Timeout is the client's, in seconds: a server with a longer one uses this.
	Timeout int64 `json:"timeout,omitempty"`

	// BWLimit is how many bytes a second the client of a pull takes. A source that sent
	// more would fill the buffers on the way, for nothing if the pull breaks off.
	BWLimit int64 `json:"bwlimit,omitempty"`

	// What the sink passes over, and what it takes for unchanged.
	SafeLinks      bool   `json:"safe_links,omitempty"`      // no symlinks that lead out of the tree
	Existing       bool   `json:"existing,omitempty"`        // only what is there
	IgnoreExisting bool   `json:"ignore_existing,omitempty"` // only what is not
	MinSize        int64  `json:"min_size,omitempty"`        // bytes of a file
	MaxSize        *int64 `json:"max_size,omitempty"`        // nil: no limit
	SizeOnly       bool   `json:"size_only,omitempty"`
	IgnoreTimes    bool   `json:"ignore_times,omitempty"`
	// ModifyWindow is by how many seconds equal mtimes may differ; -1: by
	// nothing, which is the default unless a peer knows whole seconds only.
	ModifyWindow *int64 `json:"modify_window,omitempty"`

	// What the sink does.
	DryRun   bool `json:"dry_run,omitempty"`
	Checksum bool `json:"checksum,omitempty"`
	Update   bool `json:"update,omitempty"`
	Delete   bool `json:"delete,omitempty"`
	// DeleteWhen matters to stock rsync only: a sink of ours deletes after the
	// transfer, whatever it says.
	DeleteWhen     DeleteWhen `json:"delete_when,omitempty"`
	DeleteExcluded bool       `json:"delete_excluded,omitempty"` // rules without a side are the source's only
	IgnoreErrors   bool       `json:"ignore_errors,omitempty"`   // delete in spite of errors of the source
	Force          bool       `json:"force,omitempty"`           // directories that are not empty make way
	MaxDelete      *int64     `json:"max_delete,omitempty"`      // nil: no limit
	Fsync          Fsync      `json:"fsync,omitempty"`
	// What becomes of that which is replaced or deleted.
	Backup    bool   `json:"backup,omitempty"`     // it is kept under another name
	BackupDir []byte `json:"backup_dir,omitempty"` // there, relative to the destination or absolute; empty: beside it
	Suffix    string `json:"suffix,omitempty"`     // behind the name; "": "~" unless there is a BackupDir
	MkPath    bool   `json:"mkpath,omitempty"`     // make all directories on the way to the destination
	// How files are made.
	Inplace      bool      `json:"inplace,omitempty"`
	Append       bool      `json:"append,omitempty"`        // only what is behind the end of the file that is there
	AppendVerify bool      `json:"append_verify,omitempty"` // the same, and the whole is verified
	Partial      bool      `json:"partial,omitempty"`       // keep what has arrived of any file, not only of large ones
	PartialDir   []byte    `json:"partial_dir,omitempty"`   // where, as a name in the file's directory
	Fuzzy        bool      `json:"fuzzy,omitempty"`
	AltDests     []AltDest `json:"alt_dests,omitempty"` // in order
	Compress     Compress  `json:"compress,omitempty"`
	Level        int       `json:"compress_level,omitempty"` // zstd's 1 to 22; 0: its default
	SkipCompress []string  `json:"skip_compress,omitempty"`  // suffixes; nil: those known not to shrink

	WholeFile bool  `json:"whole_file,omitempty"`
	BlockSize int64 `json:"block_size,omitempty"` // bytes of a block of a delta; 0: by size
	Itemize   bool  `json:"itemize,omitempty"`    // itemized lines are wanted
	Names     bool  `json:"names,omitempty"`      // names of what changes are wanted
}

// DeleteWhen names a moment at which stock rsync deletes.
type DeleteWhen string

// The moments, named as their options; the empty one is DeleteDelay.
const (
	DeleteBefore DeleteWhen = "before"
	DeleteDuring DeleteWhen = "during"
	DeleteDelay  DeleteWhen = "delay"
	DeleteAfter  DeleteWhen = "after"
)

// AltDest is a directory that may have files that the destination lacks.
type AltDest struct {
	Kind AltKind `json:"kind"`
	Path []byte  `json:"path"` // relative to the destination, or absolute
}

// AltKind says what is done with a file that an AltDest has, unchanged.
type AltKind string

// The kinds, named as their options.
const (
	CompareDest AltKind = "compare" // nothing: it need not be in the destination
	CopyDest    AltKind = "copy"
	LinkDest    AltKind = "link"
)

// maxAltDests is rsync's limit.
const maxAltDests = 20

// Compress says whether literals are compressed.
type Compress string

// The choices; the empty one is CompressNone.
const (
	CompressNone Compress = "none"
	CompressZstd Compress = "zstd" // always
	CompressAuto Compress = "auto" // where the start of a file shrinks
)

// Fsync says when what was written is made durable.
type Fsync string

// The policies. The empty one is none for `sync` and what the configuration
// says for a daemon.
const (
	// FsyncNone leaves it to the kernel.
	FsyncNone Fsync = "none"
	// FsyncCommit has content on disk before a rename makes it visible, many
	// files at a time, and everything before the run reports success.
	FsyncCommit Fsync = "commit"
	// FsyncFile does so for each file on its own.
	FsyncFile Fsync = "file"
)

// Validate checks what a peer or a person set.
func (o *Options) Validate() error {
	switch o.Fsync {
	case "", FsyncNone, FsyncCommit, FsyncFile:
	default:
		return fmt.Errorf("unknown fsync policy %q (none, commit, file)", o.Fsync)
	}
	if o.BWLimit < 0 {
		return fmt.Errorf("a limit of %d bytes a second", o.BWLimit)
	}
	if o.Timeout < 0 || o.Timeout > math.MaxInt32 {
		return fmt.Errorf("a timeout of %d seconds", o.Timeout)
	}
	if o.MaxDelete != nil && *o.MaxDelete < 0 {
		return fmt.Errorf("max-delete is negative")
	}
	if strings.Contains(o.Suffix, "/") || !o.Backup && len(o.BackupDir) > 0 {
		return fmt.Errorf("a backup's suffix %q has a slash, or there is a backup-dir without backup", o.Suffix)
	}
	if o.Backup && o.suffix() == "" && path.Clean(string(o.BackupDir)) == "." {
		return errors.New("--backup-dir is the destination itself, where backups need a --suffix")
	}
	if o.ACLs && o.NoPerms {
		return fmt.Errorf("ACLs are not kept without permissions")
	}
	for _, m := range []string{o.UserMap, o.GroupMap} {
		if _, err := tree.ParseIDMap(m); err != nil {
			return fmt.Errorf("map of owners: %w", err)
		}
	}
	switch o.DeleteWhen {
	case "", DeleteBefore, DeleteDuring, DeleteDelay, DeleteAfter:
	default:
		return fmt.Errorf("unknown moment of deletions %q (before, during, delay, after)", o.DeleteWhen)
	}
	if o.MinSize < 0 || o.MaxSize != nil && *o.MaxSize < 0 {
		return fmt.Errorf("a size of files is negative")
	}
	if w := o.ModifyWindow; w != nil && (*w < -1 || *w > math.MaxInt32) {
		return fmt.Errorf("a modify-window of %d seconds is not in -1..%d", *w, math.MaxInt32)
	}
	if o.BlockSize != 0 && (o.BlockSize < delta.MinBlock || o.BlockSize > delta.MaxBlock) {
		return fmt.Errorf("a block size of %d is not in %d..%d", o.BlockSize, delta.MinBlock, delta.MaxBlock)
	}
	switch o.Compress {
	case "", CompressNone, CompressZstd, CompressAuto:
	default:
		return fmt.Errorf("unknown compression %q (zstd, auto, none)", o.Compress)
	}
	if o.Level < 0 || o.Level > 22 {
		return fmt.Errorf("compression level %d is not in 1..22", o.Level)
	}
	if len(o.AltDests) > maxAltDests {
		return fmt.Errorf("more than %d directories to compare, copy or link with", maxAltDests)
	}
	for _, a := range o.AltDests {
		if a.Kind != CompareDest && a.Kind != CopyDest && a.Kind != LinkDest {
			return fmt.Errorf("unknown kind of directory %q", a.Kind)
		}
	}
	if len(o.PartialDir) > 0 && native.CheckName(string(o.PartialDir)) != nil {
		return fmt.Errorf("partial-dir %q is not one name; a path is not supported", o.PartialDir)
	}
	_, err := o.filter()
	return err
}

// filter compiles the rules.
func (o *Options) filter() (*filter.List, error) {
	l := &filter.List{DeleteExcluded: o.DeleteExcluded}
	for _, r := range o.Rules {
		if err := l.ParseWire(string(r)); err != nil {
			return nil, err
		}
	}
	return l, refuseRules(l)
}

// mapOwners has m map owners as the options say, to those that are known here.
func (o *Options) mapOwners(m *tree.Meta) (err error) {
	if m.Users, err = tree.ParseIDMap(o.UserMap); err == nil {
		err = m.Users.ResolveUsers()
	}
	if err != nil {
		return fmt.Errorf("--usermap: %w", err)
	}
	if m.Groups, err = tree.ParseIDMap(o.GroupMap); err == nil {
		err = m.Groups.ResolveGroups()
	}
	if err != nil {
		return fmt.Errorf("--groupmap: %w", err)
	}
	return nil
}

// suffix is what follows the name of a backup.
func (o *Options) suffix() string {
	if o.Suffix == "" && len(o.BackupDir) == 0 {
		return defaultSuffix
	}
	return o.Suffix
}

// omitsDirTimes reports whether times of directories are left alone: backups in
// them would change those in any case (options.c:parse_arguments).
func (o *Options) omitsDirTimes() bool { return o.OmitDirTimes || o.Backup && len(o.BackupDir) == 0 }

// refuseRules refuses the rules that neither role of ours applies.
func refuseRules(l *filter.List) error {
	switch name := l.PerDirectory(); {
	case name != "":
		return fmt.Errorf("per-directory filter rules are not supported: that for the file %q", name)
	case l.HasXattrRules():
		return fmt.Errorf("filter rules for extended attributes (modifier x) are not supported")
	}
	return nil
}

// meta returns which metadata a sink keeps.
func (o *Options) meta() *tree.Meta {
	m := &tree.Meta{
		Perms: !o.NoPerms, Owner: !o.NoOwner, Group: !o.NoGroup, Times: !o.NoTimes, Devices: !o.NoDevices, Specials: !o.NoSpecials,
		Xattrs: o.Xattrs, ACLs: o.ACLs, NumericIDs: o.NumericIDs, OmitLinkTimes: o.OmitLinkTimes,
	}
	m.OmitDirTimes = o.omitsDirTimes()
	if w := o.ModifyWindow; w != nil && *w >= 0 {
		m.WholeSeconds, m.ModifyWindow = true, *w
	}
	return m
}

// ParseDigest returns the algorithm of `--digest`: those whose strength is
// right for verifying what arrives.
func ParseDigest(name string) (delta.Algorithm, error) {
	switch name {
	case "", "xxh3-128":
		return delta.XXH3128, nil
	case "blake3":
		return delta.BLAKE3, nil
	}
	return 0, fmt.Errorf("unknown digest %q (xxh3-128, blake3)", name)
}
