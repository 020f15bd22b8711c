package main

import (
	"fmt"
	"strings"
)

// markdown is RESULTS.md.
func (rep *report) markdown() string {
	var b strings.Builder
	b.WriteString("# What `go run ./integration/bench` measured\n\n")
	fmt.Fprintf(&b, "%s, on %s.\n\n", rep.Date, rep.Machine)
	if rep.reduced() {
		b.WriteString(rep.caution() + "\n\n")
	}
	b.WriteString("Medians of interleaved runs, and medians of the ratios of neighbouring runs; both ends on this machine, over\n" +
		"loopback. CPU is the kernel's account of both ends, memory the peak of the largest process on a side. How it is\n" +
		"measured is said in doc.go. The rolling search by itself: `go test -bench Search ./delta`.\n\n")
	fmt.Fprintf(&b, "## Goals\n\n%s.\n\n| row | goal | measured | |\n|---|---|---|---|\n", rep.tally())
	for _, r := range rep.Rows {
		for _, g := range r.Goals {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.Name, g.Goal, g.measured(), g.Verdict)
		}
	}
	b.WriteString("\n## Rows\n")
	for _, r := range rep.Rows {
		r.markdown(&b)
	}
	return b.String()
}

func (r *rowResult) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "\n### %s\n", r.title())
	if len(r.Contenders) > 0 {
		fmt.Fprintf(b, "\n| %s |\n|---%s|\n", strings.Join(columns, " | "), strings.Repeat("|--:", len(columns)-1))
		for i := range r.Contenders {
			fmt.Fprintf(b, "| %s |\n", strings.Join(r.cells(&r.Contenders[i]), " | "))
		}
	}
	for i, s := range r.remarks() {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "- %s\n", strings.Join(strings.Fields(s), " "))
	}
}
