package rsync_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed9553035b/syncd/wire/rsync"
)

// TestRefusals covers refuse options. What a stock daemon says to each was
// seen, but for the pull's own options.
func TestRefusals(t *testing.T) {
	for _, c := range []struct{ name, refuse, args, want string }{
		{"nothing", "", "--server -logDtpre.iLsfxCIvu . m/", ""},
		{"a long name", "delete", "--server -r --delete-during . m/", "--delete"},
		{"a letter", "c", "--server --sender -logDtprce.vu . m/", "--checksum (-c)"},
		{"the name of a letter", "checksum", "--server -logDtprce.vu . m/", "--checksum (-c)"},
		{"another's letter", "c", "--server -rz . m/", ""},
		{"delete modes only", "delete-*", "--server --sender -r --remove-source-files . m/", ""},
		{"deletion at the sender", "delete", "--server --sender -r --remove-source-files . m/", "--delete"},
		{"all but one", "delete-* !delete-during", "--server -r --delete-during . m/", ""},
		{"all but another", "delete-* !delete-during", "--server -r --delete-after . m/", "--delete-after"},
		{"everything", "*", "--server --sender -nse.vu . m/", ""},
		{"everything, and an option", "*", "--server --sender -re.vu . m/", "--recursive (-r)"},
		{"everything but -a", "* !a", "--server -logDtpre.iLsfxCIvu . m/", ""},
		{"everything but -a, and another", "* !a", "--server -vlogDtpre.iLsfxCIvu . m/", "--verbose (-v)"},
		{"everything but -a and -v", "* !a !v", "--server -vlogDtpre.iLsfxCIvu . m/", ""},
		{"archive", "archive", "--server -oe.vu . m/", "--owner (-o)"},
		{"a letter without a name", "a", "--server -De.vu . m/", "-D"},
		{"a letter only", "?", "--server -re.vu . m/", "--recursive (-r)"},
		{"what is never matched", "*", "--server --sender --checksum-seed=5 --log-format=X . m/", ""},
		{"what is never matched, by name", "checksum-seed", "--server --checksum-seed=5 . m/", "--checksum-seed"},
		{"refused without a word", "x", "--server --sender --copy-devices . m/", "--copy-devices"},
		{"allowed by name", "!copy-devices", "--server --sender --copy-devices . m/", ""},
		{"what another comes down to", "partial", "--server --partial-dir .p . m/", "--partial"},
		{"writing in place as partial files", "partial", "--server --inplace . m/", "--partial"},
		{"appending as writing in place", "inplace partial", "--server --append . m/", "--inplace"},
		{"appending as partial files", "partial", "--server --append . m/", "--partial"},
		{"compression by its choice", "compress", "--server --compress-choice=lz4 . m/", "--compress (-z)"},
		{"a class that is negated", "[!a-y]", "--server -rz . m/", "--compress (-z)"},
		{"a negation", "no-*", "--server --no-r . m/", "--no-r"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := rsync.ParseArgs(strings.Fields(c.args), strings.Fields(c.refuse))
			var refused *rsync.RefusedError
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.As(err, &refused) || err.Error() != "The server is configured to refuse "+c.want):
				t.Errorf("got %v, want %s", err, c.want)
			case c.want != "" && rsync.ExitCode(err) != rsync.ExitUnsupported:
				t.Errorf("exit code %d", rsync.ExitCode(err))
			}
			if len(a.Paths) != 1 {
				t.Errorf("what is behind a refused option is not understood: %+v", a)
			}
		})
	}
	if err := (rsync.Refusals{"ok", "[bad"}).Check(); err == nil || !strings.Contains(err.Error(), `"[bad"`) {
		t.Errorf("malformed: %v", err)
	}
}
