package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/seed9553035b/syncd/syncd/filter"
)

// ruleKind says which option a filter rule comes from.
type ruleKind int

const (
	ruleExclude ruleKind = iota
	ruleInclude
	ruleExcludeFrom
)

// rule is a flag that appends to the one list of rules, so that the order of
// different options on the command line counts, as it does with rsync.
type rule struct {
	list *filter.List
	kind ruleKind
}

// Set implements pflag.Value.
func (r *rule) Set(s string) error {
	switch r.kind {
	case ruleExclude:
		return r.list.AddExclude(s)
	case ruleInclude:
		return r.list.AddInclude(s)
	}
	f := os.Stdin
	if s != "-" {
		var err error
		if f, err = os.Open(s); err != nil {
			return err
		}
		defer f.Close()
	}
	return r.list.AddFrom(f, false, false)
}

// String implements pflag.Value.
func (r *rule) String() string { return "" }

// Type implements pflag.Value.
func (r *rule) Type() string { return "PATTERN" }

// parseRate reads a rate as rsync's --bwlimit does: KiB per second, or with a
// suffix K, M, G (or KiB ...) of 1024, KB, MB, GB of 1000. The result is in
// bytes per second; 0 is no limit.
func parseRate(s string) (int64, error) {
	digits := strings.TrimRight(s, "KMGkmgiBb")
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || v < 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, fmt.Errorf("%q is no rate such as 500, 1.5M or 2GB", s)
	}
	suffix := strings.ToUpper(s[len(digits):])
	unit := 1024.0
	if strings.HasSuffix(suffix, "B") && !strings.HasSuffix(suffix, "IB") && suffix != "B" {
		unit = 1000
	}
	switch strings.TrimSuffix(strings.TrimSuffix(suffix, "B"), "I") {
	case "":
		if suffix == "B" {
			unit = 1
		}
		v *= unit
	case "K":
		v *= unit
	case "M":
		v *= unit * unit
	case "G":
		v *= unit * unit * unit
	default:
		return 0, fmt.Errorf("%q is no rate such as 500, 1.5M or 2GB", s)
	}
	if v > math.MaxInt64/2 {
		return 0, fmt.Errorf("%q is too large", s)
	}
	if v > 0 && v < 512 {
		return 0, fmt.Errorf("%q is less than 512 bytes per second", s)
	}
	return int64(v), nil
}
