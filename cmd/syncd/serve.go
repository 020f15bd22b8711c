package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/syncd"
)

func newServe() *cobra.Command {
	var file string
	var listen, modules []string
	var noCache bool
	c := &cobra.Command{
		Use:   "serve [-c FILE] [--listen ADDR] [--module NAME=PATH[,rw]] [--no-cache]",
		Short: "Serve modules to other hosts",
		Long: `Serve modules to other hosts, until SIGTERM or SIGINT; then transfers under way
may finish until the configured deadline. SIGHUP reads the configuration anew:
sessions to come use it, listeners stay; a bad file changes nothing.`,
		Args: cobra.NoArgs,
	}
	c.Flags().StringVarP(&file, "config", "c", "", "read the configuration from `FILE`")
	c.Flags().StringArrayVar(&listen, "listen", nil, "listen on `ADDR` (host:port) rather than where the configuration says")
	c.Flags().StringArrayVar(&modules, "module", nil, "serve `NAME=PATH[,rw]` besides the configuration's modules")
	c.Flags().BoolVar(&noCache, "no-cache", false, "keep digests in memory only, whatever cache.dir says")
	c.RunE = func(c *cobra.Command, _ []string) error {
		// First of all: without a handler, SIGHUP would end the daemon.
		hup := make(chan os.Signal, 1)
		signal.Notify(hup, syscall.SIGHUP)
		defer signal.Stop(hup)
		load := func() (*config.Config, error) { return serveConfig(file, listen, modules) }
		cfg, err := load()
		if err != nil {
			return &usageError{err: err}
		}
		if len(cfg.Modules) == 0 {
			return &usageError{err: fmt.Errorf("nothing to serve: name modules in a configuration file or with --module")}
		}
		w, err := syncd.OpenLog(cfg)
		if err != nil {
			return err
		}
		log := syncd.NewLogger(cfg, w)
		listeners, err := syncd.Listen(cfg)
		if err != nil {
			return err
		}
		unlock, err := syncd.WritePidFile(cfg.PidFile)
		if err != nil {
			return err
		}
		defer unlock()
		if noCache {
			cfg.Cache.Dir = config.CacheOff
		}
		s := syncd.NewServer(cfg, log)
		for _, l := range listeners {
			log.Info("listening", "addr", l.Addr().String(), "modules", len(cfg.Modules))
		}
		go func() {
			for range hup {
				cfg, err := load()
				if err != nil {
					log.Error("the configuration stays as it was", "err", err.Error())
					continue
				}
				if _, err := syncd.OpenLog(cfg); err != nil {
					log.Error("the log stays as it was", "err", err.Error())
				}
				s.Reload(cfg)
				log.Info("configuration read", "modules", len(cfg.Modules))
			}
		}()
		notifyReady(log)
		s.Serve(c.Context(), listeners...)
		log.Info("stopped")
		return nil
	}
	return c
}

// serveConfig loads the configuration and adds what the command line says.
func serveConfig(file string, listen, modules []string) (*config.Config, error) {
	cfg, err := config.Load(file)
	if err != nil {
		return nil, err
	}
	if len(listen) > 0 {
		cfg.Listen = listen
	}
	for _, m := range modules {
		name, path, ok := strings.Cut(m, "=")
		if !ok {
			return nil, fmt.Errorf("--module %s: want NAME=PATH or NAME=PATH,rw", m)
		}
		path, rw := strings.CutSuffix(path, ",rw")
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("--module %s: %w", m, err)
		}
		if st, err := os.Stat(abs); err != nil || !st.IsDir() {
			return nil, fmt.Errorf("--module %s: %s is no directory", m, abs)
		}
		readOnly, list := !rw, true
		cfg.Modules = append(cfg.Modules, config.Module{Name: name, Path: abs, ReadOnly: &readOnly, List: &list})
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return cfg, syncd.CheckModules(cfg)
}
