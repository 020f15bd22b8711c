package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/config/rsyncd"
	"github.com/seed9553035b/syncd/syncd"
	"github.com/seed9553035b/syncd/wire/native"
)

func newConfig() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Check or show the daemon's configuration", Args: cobra.NoArgs, RunE: showHelp}
	check := &cobra.Command{
		Use: "check FILE", Short: "Say what is wrong with a configuration file", Args: usageArgs(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := config.Load(args[0])
			if err == nil {
				err = errors.Join(cfg.Check(), syncd.CheckModules(cfg))
			}
			if err != nil {
				return &usageError{err: err}
			}
			fmt.Fprintf(c.OutOrStdout(), "%s is good: %d modules\n", args[0], len(cfg.Modules))
			return nil
		},
	}
	var example bool
	show := &cobra.Command{
		Use: "show [FILE]", Short: "Show the configuration in force; what a module leaves out or has off is left out", Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if example {
				fmt.Fprint(c.OutOrStdout(), config.Example())
				return nil
			}
			file := ""
			if len(args) > 0 {
				file = args[0]
			}
			cfg, err := config.Load(file)
			if err != nil {
				return &usageError{err: err}
			}
			return cfg.Show(c.OutOrStdout())
		},
	}
	show.Flags().BoolVar(&example, "example", false, "show a commented example with every key instead")
	imported := &cobra.Command{
		Use: "import FILE", Short: "Show an rsyncd.conf as a configuration of syncd", Args: usageArgs(cobra.ExactArgs(1)),
		Long: `Show an rsyncd.conf as a configuration of syncd, for a daemon that runs as root.
Comments on top name what it does not have of the file.`,
		RunE: func(c *cobra.Command, args []string) error {
			cfg, notes, err := rsyncd.Load(args[0], rsyncd.Options{Root: true})
			if err != nil {
				return &usageError{err: err}
			}
			return rsyncd.Write(c.OutOrStdout(), args[0], cfg, notes)
		},
	}
	c.AddCommand(check, show, imported)
	return c
}

func newVersion() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "version", Short: "Show the version", Args: cobra.NoArgs}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if !asJSON {
			fmt.Fprintf(c.OutOrStdout(), "syncd %s, protocol %d, %s %s/%s\n", syncd.Version, native.VersionMost, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		}
		return json.NewEncoder(c.OutOrStdout()).Encode(map[string]any{
			"version": syncd.Version, "protocol": native.VersionMost, "revision": syncd.Revision(),
			"go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		})
	}
	return c
}
