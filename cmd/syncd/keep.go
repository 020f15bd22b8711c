package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/seed9553035b/syncd/syncd"
)

// kept is a set of what -a stands for.
type kept uint8

const (
	keepRecursive kept = 1 << iota
	keepLinks
	keepPerms
	keepTimes
	keepGroup
	keepOwner
	keepDevices
	keepSpecials
	keepAll kept = 1<<iota - 1
)

// keeping is what the command line says of that, in order. As with rsync the last
// word counts; if none of it is given, all is kept.
type keeping struct {
	set   kept
	given bool // an option that turns something on
	off   kept // by options before that
}

// keepFlag is one option: it turns what on, or off.
type keepFlag struct {
	k    *keeping
	what kept
	off  bool
}

// Set implements pflag.Value.
func (f *keepFlag) Set(s string) error {
	if s != "true" {
		return fmt.Errorf("it takes no value; --no-OPTION turns it off")
	}
	switch {
	case f.off:
		f.k.set &^= f.what
		f.k.off |= f.what
	default:
		f.k.given = true
		f.k.set |= f.what
		f.k.off &^= f.what
	}
	return nil
}

// String implements pflag.Value.
func (f *keepFlag) String() string { return "" }

// Type implements pflag.Value.
func (f *keepFlag) Type() string { return "bool" }

// keepFlags are the options, each with one that turns it off.
func (f *syncFlags) keepFlags(fl *pflag.FlagSet) {
	for _, o := range []struct {
		name, short string
		what        kept
		help        string
	}{
		{"archive", "a", keepAll, "all of -rlptgoD; the default if none of them is given"},
		{"recursive", "r", keepRecursive, "with all below SRC; there is no other way yet"},
		{"links", "l", keepLinks, "keep symlinks; they are left out otherwise"},
		{"perms", "p", keepPerms, "keep permissions"},
		{"times", "t", keepTimes, "keep times"},
		{"group", "g", keepGroup, "keep groups"},
		{"owner", "o", keepOwner, "keep owners"},
		{"devices", "", keepDevices, "keep devices"},
		{"specials", "", keepSpecials, "keep fifos and sockets"},
		{"D", "D", keepDevices | keepSpecials, "--devices --specials; --no-perms, --no-D and so on turn each of these off again"},
	} {
		on := &keepFlag{&f.keeping, o.what, false}
		fl.VarPF(on, o.name, o.short, o.help).NoOptDefVal = "true"
		if o.name == "archive" {
			continue
		}
		off := fl.VarPF(&keepFlag{&f.keeping, o.what, true}, "no-"+o.name, "", "")
		off.NoOptDefVal, off.Hidden = "true", true
	}
	fl.BoolVarP(&f.opt.OmitDirTimes, "omit-dir-times", "O", false, "do not keep times of directories")
	fl.BoolVarP(&f.opt.OmitLinkTimes, "omit-link-times", "J", false, "do not keep times of symlinks")
	fl.Var(&chmodFlag{&f.chmod}, "chmod", "change permissions by `RULES` such as Dg+s,go-w; may be repeated")
	fl.Var(&ownersFlag{&f.keeping, 0, &f.chown}, "chown", "have all belong to `USER:GROUP`, or one of them; implies --owner, --group")
	fl.Var(&ownersFlag{&f.keeping, keepOwner, &f.opt.UserMap}, "usermap", "have users become others by `RULES` FROM:TO, the first that matches; from names, *, numbers")
	fl.Var(&ownersFlag{&f.keeping, keepGroup, &f.opt.GroupMap}, "groupmap", "the same for groups")
	fl.BoolVar(&f.opt.SafeLinks, "safe-links", false, "leave out symlinks that lead out of the tree")
}

// takeKept completes o.
func (f *syncFlags) takeKept(o *syncd.Options) error {
	set := f.keeping.set
	if !f.keeping.given {
		set = keepAll &^ f.keeping.off
	}
	if set&keepRecursive == 0 {
		return fmt.Errorf("a transfer that is not recursive is not supported yet: give -a or -r")
	}
	if o.ACLs {
		if f.keeping.off&keepPerms != 0 {
			return fmt.Errorf("--acls keeps permissions: leave out --no-perms, or -A")
		}
		set |= keepPerms
	}
	o.NoLinks, o.NoPerms, o.NoTimes = set&keepLinks == 0, set&keepPerms == 0, set&keepTimes == 0
	o.NoGroup, o.NoOwner = set&keepGroup == 0, set&keepOwner == 0
	o.NoDevices, o.NoSpecials = set&keepDevices == 0, set&keepSpecials == 0
	return f.takeOwners(o)
}

// takeOwners makes maps of --chown, as rsync does.
func (f *syncFlags) takeOwners(o *syncd.Options) error {
	if f.chown == "" {
		return nil
	}
	if o.UserMap != "" || o.GroupMap != "" {
		return fmt.Errorf("--chown and --usermap or --groupmap exclude each other")
	}
	user, group, _ := strings.Cut(f.chown, ":")
	if user != "" {
		o.UserMap = "*:" + user
	}
	if group != "" {
		o.GroupMap = "*:" + group
	}
	return nil
}

// ownersFlag is one of the options that map owners. As with rsync it has what it
// maps be kept, unless an option behind it turns that off.
type ownersFlag struct {
	k    *keeping
	what kept // 0: what the value of --chown names
	to   *string
}

// Set implements pflag.Value.
func (f *ownersFlag) Set(s string) error {
	what := f.what
	if what == 0 {
		user, group, _ := strings.Cut(s, ":")
		if user != "" {
			what |= keepOwner
		}
		if group != "" {
			what |= keepGroup
		}
	}
	*f.to = s
	f.k.set |= what
	f.k.off &^= what
	return nil
}

// String implements pflag.Value.
func (f *ownersFlag) String() string { return "" }

// Type implements pflag.Value.
func (f *ownersFlag) Type() string { return "OWNERS" }

// chmodFlag is a flag that appends to the changes of permissions.
type chmodFlag struct{ all *string }

// Set implements pflag.Value.
func (f *chmodFlag) Set(s string) error {
	if *f.all != "" {
		*f.all += ","
	}
	*f.all += s
	return nil
}

// String implements pflag.Value.
func (f *chmodFlag) String() string { return "" }

// Type implements pflag.Value.
func (f *chmodFlag) Type() string { return "RULES" }
