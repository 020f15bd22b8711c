package bench

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// The chart: for each pair a bar of the CPU time that both ends take for a GiB.
const (
	chartLabel = 190 // px, for the pairs
	chartBar   = 480 // px, for the longest bar
	chartRight = 170 // px, for the figures
	chartRow   = 24  // px
	chartTop   = 64  // px, for the title and the key

	colorSend    = "#1864ab"
	colorReceive = "#74c0fc"
)

// WriteSVG writes the chart.
func (rep *Report) WriteSVG(w io.Writer) error {
	longest := 0.0
	for i := range rep.Rows {
		send, receive := rep.cpu(&rep.Rows[i])
		longest = max(longest, send+receive)
	}
	width, height := chartLabel+chartBar+chartRight, chartTop+chartRow*len(rep.Rows)+10
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	fmt.Fprintf(&b, `<text x="10" y="20" font-size="13">%s</text>`+"\n", html.EscapeString(rep.title()))
	fmt.Fprintf(&b, `<text x="10" y="46">CPU seconds for a GiB: <tspan fill="%s">sender</tspan> + <tspan fill="%s">receiver</tspan>; and GiB/s</text>`+"\n", colorSend, colorReceive)
	for i := range rep.Rows {
		rep.bar(&b, &rep.Rows[i], chartTop+i*chartRow, longest)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// bar draws a row at y.
func (rep *Report) bar(b *strings.Builder, r *Row, y int, longest float64) {
	send, receive := rep.cpu(r)
	scale := 0.0
	if longest > 0 { // a file so small that no time was charged has no bars
		scale = chartBar / longest
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, chartLabel-8, y+15, html.EscapeString(r.Sender+" → "+r.Receiver))
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, chartLabel, y+3, send*scale, chartRow-6, colorSend)
	fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`, chartLabel+send*scale, y+3, receive*scale, chartRow-6, colorReceive)
	fmt.Fprintf(b, `<text x="%.1f" y="%d">%.2f + %.2f; %.2f GiB/s</text>`+"\n", chartLabel+(send+receive)*scale+8, y+15, send, receive, rep.rate(r))
}

// cpu is CPU seconds for a GiB at each end.
func (rep *Report) cpu(r *Row) (send, receive float64) {
	return rep.perGiB(r.Median.Sender.CPU), rep.perGiB(r.Median.Receiver.CPU)
}
