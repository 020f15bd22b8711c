package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// A rowResult is what was measured for a row.
type rowResult struct {
	Name       string            `json:"name"`
	What       string            `json:"what"`
	Size       string            `json:"size"`
	Reduced    string            `json:"reduced,omitempty"`
	FS         string            `json:"file_system,omitempty"` // of the destination
	Runs       int               `json:"runs"`
	Skipped    string            `json:"skipped,omitempty"`
	Errors     []string          `json:"errors,omitempty"`
	Contenders []contenderResult `json:"contenders,omitempty"`
	Goals      []goalResult      `json:"goals,omitempty"`
	Notes      []string          `json:"notes,omitempty"`
}

// A contenderResult is what was measured for a contender.
type contenderResult struct {
	Name    string   `json:"name"`
	Program string   `json:"program"`
	Variant string   `json:"variant,omitempty"`
	Plain   bool     `json:"plain"` // no options: others are compared with it
	Failed  bool     `json:"failed,omitempty"`
	Median  sample   `json:"median"` // with the memory of Warm
	Warm    sample   `json:"warm"`   // the round that is not timed
	Samples []sample `json:"samples"`
}

func (c *contenderResult) summarize() {
	of := func(m metric) float64 { return median(values(c.Samples, m)) }
	c.Median = sample{
		Wall:         of(wall),
		ClientCPU:    of(metric{value: func(s *sample) float64 { return s.ClientCPU }}),
		DaemonCPU:    of(daemonCPU),
		LaterCPU:     of(laterCPU),
		ClientMemory: c.Warm.ClientMemory,
		DaemonMemory: c.Warm.DaemonMemory,
		Literal:      medianInt(c.Samples, func(s *sample) int64 { return s.Literal }),
		Wire:         medianInt(c.Samples, func(s *sample) int64 { return s.Wire }),
	}
}

// contender finds one that was measured, or returns nil.
func (r *rowResult) contender(name string) *contenderResult {
	for i := range r.Contenders {
		if c := &r.Contenders[i]; c.Name == name && !c.Failed {
			return c
		}
	}
	return nil
}

// beside is the ratio of c to a program that did the same without options, or
// 0 if none did.
func (r *rowResult) beside(c *contenderResult, program string, m metric) float64 {
	for i := range r.Contenders {
		if o := &r.Contenders[i]; o.Program == program && o.Plain && o.Variant == c.Variant && !o.Failed {
			return ratio(c.Samples, o.Samples, m)
		}
	}
	return 0
}

// writeJSON writes all that was measured.
func (rep *report) writeJSON(path string) error {
	text, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Formatting for people.

// formatBytes is a number of bytes in the largest binary unit that it fills.
func formatBytes(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{gib, "GiB"}, {mib, "MiB"}, {kib, "KiB"}} {
		if n >= u.size {
			s := strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(u.size)), ".0")
			return s + " " + u.name
		}
	}
	return fmt.Sprintf("%d B", n)
}

// formatMB is a number of bytes in units of 10^6, as rsync's users know it.
func formatMB(n float64) string { return fmt.Sprintf("%.1f MB", n/1e6) }

// thousands is n with separators.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
