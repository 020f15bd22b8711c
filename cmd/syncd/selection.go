package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed9553035b/syncd/syncd"
)

// selection are the options that say which files are transferred.
func (f *syncFlags) selection(fl *pflag.FlagSet) {
	fl.BoolVar(&f.opt.SizeOnly, "size-only", false, "take files of equal size for unchanged")
	fl.BoolVarP(&f.opt.IgnoreTimes, "ignore-times", "I", false, "take no file for unchanged")
	fl.Int64VarP(&f.window, "modify-window", "@", -1, "take times for equal up to `NUM` seconds apart; 0: in the same second; -1: exact")
	fl.BoolVar(&f.opt.Existing, "existing", false, "make nothing that DST does not have")
	fl.BoolVar(&f.opt.IgnoreExisting, "ignore-existing", false, "leave alone what DST has")
	fl.StringVar(&f.maxSize, "max-size", "", "leave out files larger than `SIZE`, for example 1.5M")
	fl.StringVar(&f.minSize, "min-size", "", "leave out files smaller than `SIZE`")
}

// takeSelection completes o by those that have a form of their own.
func (f *syncFlags) takeSelection(c *cobra.Command, o *syncd.Options) (err error) {
	if f.maxSize != "" {
		n, err := parseSize(f.maxSize)
		if err != nil {
			return fmt.Errorf("--max-size: %w", err)
		}
		o.MaxSize = &n
	}
	if f.minSize != "" {
		if o.MinSize, err = parseSize(f.minSize); err != nil {
			return fmt.Errorf("--min-size: %w", err)
		}
	}
	if c.Flags().Changed("modify-window") {
		o.ModifyWindow = &f.window
	}
	return nil
}
