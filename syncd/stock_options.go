package syncd

import (
	"strings"

	"github.com/seed9553035b/syncd/syncd/filter"
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
	list := []refusal{
		{"--relative", a.Relative}, {"--files-from", a.FilesFrom != ""}, {"--iconv", a.Iconv != ""},
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

// stockFilters compiles the rules of a stock client.
func stockFilters(rules []string, protocol int) (*filter.List, error) {
	l := new(filter.List)
	for _, r := range rules {
		if strings.HasPrefix(r, ":") {
			return nil, Exitf(ExitUnsupported, "the per-directory filter rule %q is not supported by this server", Printable(r))
		}
		add := l.ParseWire
		if protocol < 29 {
			add = l.AddExclude
		}
		if err := add(r); err != nil {
			return nil, &ExitError{Code: ExitUsage, Err: err}
		}
	}
	return l, nil
}
