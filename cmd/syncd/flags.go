package main

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/seed9553035b/syncd/syncd"
	"github.com/seed9553035b/syncd/syncd/filter"
)

// ruleKind says which option a filter rule comes from.
type ruleKind int

const (
	ruleExclude ruleKind = iota
	ruleInclude
	ruleExcludeFrom
	ruleIncludeFrom
	ruleFilter
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
	case ruleFilter:
		return r.list.AddRule(s)
	}
	f := os.Stdin
	if s != "-" {
		var err error
		if f, err = os.Open(s); err != nil {
			return err
		}
		defer f.Close()
	}
	return r.list.AddFrom(f, r.kind == ruleIncludeFrom, r.list.From0)
}

// String implements pflag.Value.
func (r *rule) String() string { return "" }

// Type implements pflag.Value.
func (r *rule) Type() string { return "PATTERN" }

// onceFlag is a flag that means more to rsync if it is given twice, which we do
// not do.
type onceFlag struct{ on *bool }

// Set implements pflag.Value.
func (f *onceFlag) Set(s string) error {
	switch {
	case s != "true":
		return fmt.Errorf("it takes no value")
	case *f.on:
		return fmt.Errorf("given twice it means more, which is not supported")
	}
	*f.on = true
	return nil
}

// String implements pflag.Value.
func (f *onceFlag) String() string { return "" }

// Type implements pflag.Value.
func (f *onceFlag) Type() string { return "bool" }

// altDest is a flag that appends to the list of directories to compare with.
type altDest struct {
	list *[]syncd.AltDest
	kind syncd.AltKind
}

// Set implements pflag.Value.
func (a *altDest) Set(s string) error {
	if s == "" {
		return fmt.Errorf("a directory is needed")
	}
	*a.list = append(*a.list, syncd.AltDest{Kind: a.kind, Path: []byte(s)})
	return nil
}

// String implements pflag.Value.
func (a *altDest) String() string { return "" }

// Type implements pflag.Value.
func (a *altDest) Type() string { return "DIR" }

// parseRate reads a rate as rsync's --bwlimit does: KiB per second, or with a
// suffix. The result is in bytes per second; 0 is no limit.
func parseRate(s string) (int64, error) {
	n, err := parseUnits(s, 1024)
	if err == nil && n > 0 && n < 512 {
		err = fmt.Errorf("%q is less than 512 bytes per second", s)
	}
	return n, err
}

// parseSize reads a size as rsync does: bytes, or with a suffix, and perhaps one
// more or less.
func parseSize(s string) (int64, error) {
	number, offset := s, int64(0)
	switch {
	case strings.HasSuffix(s, "+1"):
		number, offset = s[:len(s)-2], 1
	case strings.HasSuffix(s, "-1"):
		number, offset = s[:len(s)-2], -1
	}
	n, err := parseUnits(number, 1)
	if n+offset < 0 {
		err = fmt.Errorf("%q is negative", s)
	}
	return n + offset, err
}

// parseUnits reads a number with one of rsync's suffixes: K, M, G, T or KiB ...
// of 1024, KB, MB ... of 1000, B for bytes; without one it counts in units of
// plain bytes.
func parseUnits(s string, plain float64) (int64, error) {
	bad := fmt.Errorf("%q is no number such as 500, 1.5M or 2GB", s)
	digits := strings.TrimRight(s, "KMGTkmgtiBb")
	if strings.Trim(digits, "0123456789.") != "" {
		return 0, bad // ParseFloat takes more: exponents, underscores, Inf
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, bad
	}
	suffix := strings.ToUpper(s[len(digits):])
	if suffix == "" {
		v *= plain
	} else if suffix != "B" {
		power := strings.IndexByte("KMGT", suffix[0]) + 1
		unit, ok := map[string]float64{"": 1024, "IB": 1024, "B": 1000}[suffix[1:]]
		if power == 0 || !ok {
			return 0, bad
		}
		v *= math.Pow(unit, float64(power))
	}
	if v > math.MaxInt64/2 {
		return 0, fmt.Errorf("%q is too large", s)
	}
	return int64(v), nil
}
