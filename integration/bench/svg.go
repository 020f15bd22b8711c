package main

import (
	"fmt"
	"html"
	"strings"
)

// The chart: a bar for each goal that is a ratio, and a mark where the goal is.
// A bar that would leave the chart ends at its edge; its figure is beside it.
const (
	chartLabel = 520 // px, for the goals' names
	chartBar   = 420 // px, for chartMax
	chartMax   = 1.5 // of what is compared with
	chartRight = 60  // px, for the figures
	chartRow   = 22  // px
	chartTop   = 50  // px, for the title and the axis
)

func (rep *report) svg() string {
	type bar struct {
		label string
		goal  goalResult
	}
	var bars []bar
	for _, r := range rep.Rows {
		for _, g := range r.Goals {
			if g.Ratio && g.Verdict != notMeasured {
				bars = append(bars, bar{r.Name + ": " + g.Goal, g})
			}
		}
	}
	width, height := chartLabel+chartBar+chartRight, chartTop+chartRow*len(bars)+10
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	fmt.Fprintf(&b, `<text x="10" y="18" font-size="14">syncd beside its peers, lower is better; the mark is the goal. %s</text>`+"\n", html.EscapeString(rep.Date))
	for v := 0.0; v <= chartMax; v += 0.5 {
		x := chartLabel + v/chartMax*chartBar
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ccc"/><text x="%.1f" y="%d" text-anchor="middle" fill="#666">%.1f</text>`+"\n",
			x, chartTop-6, x, height-8, x, chartTop-10, v)
	}
	for i, r := range bars {
		y := chartTop + i*chartRow
		color := "#2b8a3e"
		if r.goal.Verdict == notMet {
			color = "#c92a2a"
		}
		length := min(r.goal.Value, chartMax) / chartMax * chartBar
		mark := chartLabel + min(r.goal.Limit, chartMax)/chartMax*chartBar
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, chartLabel-8, y+14, html.EscapeString(r.label))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, chartLabel, y+3, length, chartRow-8, color)
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="black" stroke-width="2"/>`, mark, y, mark, y+chartRow-2)
		fmt.Fprintf(&b, `<text x="%d" y="%d">%.2f</text>`+"\n", chartLabel+chartBar+8, y+14, r.goal.Value)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
