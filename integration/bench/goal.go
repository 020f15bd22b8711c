package main

import (
	"fmt"
	"math"
	"slices"
)

// A goal is what the design promises: a metric of a contender, at most limit,
// or at most limit times that of another one.
type goal struct {
	of     metric
	who    string // a contender's name
	beside string // another's, or "" for an absolute limit
	limit  float64
}

// A metric is a figure of a run.
type metric struct {
	name  string
	value func(*sample) float64
	warm  bool // taken in the round that is not timed
	bytes bool // for people, absolute values are bytes
}

var (
	wall      = metric{name: "wall", value: func(s *sample) float64 { return s.Wall }}
	cpu       = metric{name: "CPU of both ends", value: func(s *sample) float64 { return s.ClientCPU + s.DaemonCPU }}
	daemonCPU = metric{name: "daemon's CPU", value: func(s *sample) float64 { return s.DaemonCPU }}
	laterCPU  = metric{name: "daemon's CPU from the 2nd pull on", value: func(s *sample) float64 { return s.LaterCPU }}
	literal   = metric{name: "literal bytes", value: func(s *sample) float64 { return float64(s.Literal) }}
	clientMem = metric{name: "client's memory", value: func(s *sample) float64 { return float64(s.ClientMemory) }, warm: true, bytes: true}
	daemonMem = metric{name: "daemon's memory", value: func(s *sample) float64 { return float64(s.DaemonMemory) }, warm: true, bytes: true}
)

// Verdicts on a goal.
const (
	met         = "met"
	notMet      = "missed"
	notMeasured = "not measured"
)

// A goalResult is what became of a goal.
type goalResult struct {
	Goal    string  `json:"goal"`
	Limit   float64 `json:"limit"`
	Value   float64 `json:"value"`
	Ratio   bool    `json:"ratio"` // of two contenders, else Value is absolute
	Verdict string  `json:"verdict"`
}

// judge compares a goal with what was measured.
func (g goal) judge(res *rowResult) goalResult {
	out := goalResult{Goal: g.String(), Limit: g.limit, Ratio: g.beside != "", Verdict: notMeasured}
	a, b := res.contender(g.who), res.contender(g.beside)
	switch {
	case a == nil || g.beside != "" && b == nil:
		return out
	case g.beside != "":
		out.Value = ratio(a.Samples, b.Samples, g.of)
	case g.of.warm:
		out.Value = g.of.value(&a.Warm)
	default:
		out.Value = median(values(a.Samples, g.of))
	}
	if out.Value <= 0 { // nothing was sampled
		return out
	}
	out.Verdict = notMet
	if out.Value <= g.limit {
		out.Verdict = met
	}
	return out
}

func (g goal) String() string {
	switch {
	case g.beside != "":
		return fmt.Sprintf("%s of %s <= %.2f of %s", g.of.name, g.who, g.limit, g.beside)
	case g.of.bytes:
		return fmt.Sprintf("%s of %s <= %s", g.of.name, g.who, formatMB(g.limit))
	}
	return fmt.Sprintf("%s of %s <= %g s", g.of.name, g.who, g.limit)
}

// values is a metric of each sample.
func values(samples []sample, m metric) []float64 {
	out := make([]float64, len(samples))
	for i := range samples {
		out[i] = m.value(&samples[i])
	}
	return out
}

// ratio is the median of a's metric over b's, run by run: runs of the same
// round met the same noise. It is 0 if there is nothing to compare.
func ratio(a, b []sample, m metric) float64 {
	var out []float64
	for i := range min(len(a), len(b)) {
		if v := m.value(&b[i]); v > 0 {
			out = append(out, m.value(&a[i])/v)
		}
	}
	return median(out)
}

// median is 0 for no values.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	mid := len(v) / 2
	if len(v)%2 == 1 {
		return v[mid]
	}
	return (v[mid-1] + v[mid]) / 2
}

// medianInt is the median of a count.
func medianInt(samples []sample, f func(*sample) int64) int64 {
	m := metric{value: func(s *sample) float64 { return float64(f(s)) }}
	return int64(math.Round(median(values(samples, m))))
}
