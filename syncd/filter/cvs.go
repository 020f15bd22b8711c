package filter

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// cvsDefaults are the patterns that rsync(1) lists under --cvs-exclude.
const cvsDefaults = "RCS SCCS CVS CVS.adm RCSLOG cvslog.* tags TAGS .make.state " +
	".nse_depinfo *~ #* .#* ,* _$* *$ *.old *.bak *.BAK *.orig *.rej .del-* " +
	"*.a *.olb *.o *.obj *.so *.exe *.Z *.elc *.ln core .svn/ .git/ .hg/ .bzr/"

// AddCVS adds what --cvs-exclude adds at the end of all rules: ":C", and "-C",
// which is CVS's own patterns, those of $HOME/.cvsignore and those of
// $CVSIGNORE. A daemon with -C among a peer's arguments adds ":C" and "-C" by
// ParseWire instead, which leaves its own environment out.
func (l *List) AddCVS() error {
	n := len(l.set.rules)
	for _, text := range []string{":C", "-C"} {
		if err := l.AddRule(text); err != nil {
			return err
		}
	}
	for _, r := range l.set.rules[n:] {
		r.fromOption = true
	}
	return nil
}

// cvsIgnores makes the rules of "-C" with the given modifiers. It mirrors
// get_cvs_excludes in exclude.c.
func (ld *loader) cvsIgnores(mods modifiers) (*ruleSet, error) {
	// A "-C" is a list of its own: a "!" in it clears nothing outside.
	set := new(ruleSet)
	sub := loader{set: set, used: ld.used, from: ld.from, open: ld.open}
	for pattern := range strings.FieldsSeq(cvsDefaults) {
		if err := sub.add(pattern, mods|perishable, filterNotation); err != nil {
			return nil, err
		}
	}
	if ld.from != fromUser {
		return set, nil
	}
	if home := os.Getenv("HOME"); home != "" {
		err := sub.file(filepath.Join(home, ".cvsignore"), mods)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if err := sub.read(strings.NewReader(os.Getenv("CVSIGNORE")), mods, filterNotation); err != nil {
		return nil, err
	}
	return set, nil
}
