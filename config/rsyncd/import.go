package rsyncd

import (
	"fmt"
	"io"

	"github.com/seed9553035b/syncd/config"
)

// Write writes c as a configuration file of our own, below comments that name
// what of the rsyncd.conf it does not have.
func Write(w io.Writer, file string, c *config.Config, notes []Note) error {
	if _, err := fmt.Fprintf(w, "# Made of %s.\n", file); err != nil {
		return err
	}
	for _, n := range notes {
		mark := "#"
		if n.Unsafe {
			mark = "# UNSAFE, see to this first:"
		}
		if _, err := fmt.Fprintf(w, "%s %s\n", mark, n); err != nil {
			return err
		}
	}
	return c.Show(w)
}
