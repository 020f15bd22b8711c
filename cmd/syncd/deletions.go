package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed9553035b/syncd/syncd"
)

// deletions are the options about what SRC does not have.
func (f *syncFlags) deletions(fl *pflag.FlagSet) {
	fl.BoolVar(&f.opt.Delete, "delete", false, "delete what SRC does not have, after the transfer")
	for _, d := range []struct {
		when syncd.DeleteWhen
		help string
	}{
		{syncd.DeleteBefore, "--delete; stock rsync deletes first, we after the transfer"},
		{syncd.DeleteDuring, "--delete; stock rsync deletes as it goes, we after the transfer; also --del"},
		{syncd.DeleteDelay, "--delete, after the transfer, of what is seen missing during it"},
		{syncd.DeleteAfter, "--delete; stock rsync looks again after the transfer, we do not"},
	} {
		name := "delete-" + string(d.when)
		fl.Var(&deleteWhen{&f.opt, d.when}, name, d.help)
		fl.Lookup(name).NoOptDefVal = "true"
	}
	fl.BoolVar(&f.opt.DeleteExcluded, "delete-excluded", false, "--delete, also what is left out")
	fl.Int64Var(&f.maxDelete, "max-delete", 0, "delete no more than `NUM` files and directories")
	fl.BoolVar(&f.opt.IgnoreErrors, "ignore-errors", false, "delete even if SRC could not be read in full")
	fl.BoolVar(&f.opt.Force, "force", false, "delete directories that are not empty where something else is to be")
	fl.BoolVarP(&f.opt.Prune, "prune-empty-dirs", "m", false, "leave out directories in which there is nothing else")
}

// takeDeletions completes o by those that mean more than their own field.
func (f *syncFlags) takeDeletions(c *cobra.Command, o *syncd.Options) error {
	if c.Flags().Changed("max-delete") {
		limit := max(f.maxDelete, 0) // -1 is how old versions of rsync are told 0
		o.MaxDelete = &limit
	}
	o.Delete = o.Delete || o.DeleteExcluded || o.DeleteWhen != ""
	return nil
}

// deleteWhen is a flag that sets Options.DeleteWhen; only one of them may.
type deleteWhen struct {
	opt  *syncd.Options
	when syncd.DeleteWhen
}

// Set implements pflag.Value.
func (d *deleteWhen) Set(s string) error {
	switch {
	case s != "true":
		return fmt.Errorf("it takes no value")
	case d.opt.DeleteWhen != "" && d.opt.DeleteWhen != d.when:
		return fmt.Errorf("--delete-%s is given too", d.opt.DeleteWhen)
	}
	d.opt.DeleteWhen = d.when
	return nil
}

// String implements pflag.Value.
func (d *deleteWhen) String() string { return "" }

// Type implements pflag.Value.
func (d *deleteWhen) Type() string { return "bool" }

// backups are the options about what becomes of that which goes.
func (f *syncFlags) backups(fl *pflag.FlagSet) {
	fl.BoolVarP(&f.opt.Backup, "backup", "b", false, "keep what is replaced or deleted, under another name")
	fl.StringVar(&f.backupDir, "backup-dir", "", "keep it in `DIR`, in directories as in DST; implies --backup; never deleted by --delete")
	fl.StringVar(&f.opt.Suffix, "suffix", "", "`TEXT` behind the names of backups; ~ unless there is a --backup-dir")
}

// takeBackups completes o. As with rsync, backups beside their files are not
// deleted, times of directories that get them are not kept, and nothing stands for
// a default.
func (f *syncFlags) takeBackups(c *cobra.Command, o *syncd.Options) error {
	switch changed := c.Flags().Changed; {
	case changed("backup-dir") && f.backupDir == "":
		return errors.New("--backup-dir is empty: name a directory")
	case changed("suffix") && o.Suffix == "" && o.Backup && f.backupDir == "":
		return errors.New("--suffix is empty: without a --backup-dir, backups need one")
	}
	if f.backupDir != "" {
		o.Backup, o.BackupDir = true, []byte(f.backupDir)
	}
	if !o.Backup || f.backupDir != "" || !o.Delete || o.DeleteExcluded {
		return nil
	}
	suffix := "~"
	if o.Suffix != "" {
		suffix = o.Suffix
	}
	if err := f.filter.AddRule("P *" + suffix); err != nil {
		return fmt.Errorf("--suffix: %w", err)
	}
	return nil
}
