package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// columns of the table of a row, for text and Markdown.
var columns = []string{
	"", "wall s", "CPU s", "client", "daemon", "2nd on", "client MB", "daemon MB", "literal", "wire",
	"wall/stock", "CPU/stock", "daemon/stock", "wall/pump",
}

// cells are a contender's.
func (r *rowResult) cells(c *contenderResult) []string {
	if c.Failed {
		return append([]string{c.Name, "failed"}, make([]string, len(columns)-2)...)
	}
	m := c.Median
	later := "-" // one transfer only
	if m.LaterCPU > 0 {
		later = seconds(m.LaterCPU)
	}
	out := []string{
		c.Name, seconds(m.Wall), seconds(m.ClientCPU + m.DaemonCPU), seconds(m.ClientCPU), seconds(m.DaemonCPU), later,
		megabytes(m.ClientMemory), megabytes(m.DaemonMemory), thousands(m.Literal), thousands(m.Wire),
	}
	return append(out,
		dash(r.beside(c, "stock", wall)), dash(r.beside(c, "stock", cpu)),
		dash(r.beside(c, "stock", daemonCPU)), dash(r.beside(c, "pump", wall)))
}

func seconds(v float64) string { return fmt.Sprintf("%.3f", v) }

// megabytes of a memory that was never sampled are unknown.
func megabytes(n int64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(n)/1e6)
}

// dash stands for what there is nothing to compare with.
func dash(v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", v)
}

// title is one line about what was measured.
func (r *rowResult) title() string {
	about := []string{r.Size}
	if r.Reduced != "" {
		about = append(about, r.Reduced)
	}
	if r.FS != "" {
		about = append(about, "to "+r.FS)
	}
	runs := fmt.Sprintf("%d runs", r.Runs)
	if r.Runs == 1 {
		runs = "1 run"
	}
	return fmt.Sprintf("%s: %s (%s; %s)", r.Name, r.What, strings.Join(about, "; "), runs)
}

// measured is a goal's figure for people.
func (g goalResult) measured() string {
	switch {
	case g.Verdict == notMeasured:
		return "-"
	case g.Ratio:
		return fmt.Sprintf("%.2f", g.Value)
	}
	return formatMB(g.Value)
}

// remarks are the lines below a row's table.
func (r *rowResult) remarks() []string {
	var out []string
	if r.Skipped != "" {
		out = append(out, "not measured: "+r.Skipped)
	}
	for _, e := range r.Errors {
		out = append(out, "FAILED: "+e)
	}
	return append(out, r.Notes...)
}

// write is the text form.
func (r *rowResult) write(out io.Writer) {
	fmt.Fprintln(out, r.title())
	if len(r.Contenders) > 0 {
		names := 0
		for i := range r.Contenders {
			names = max(names, len(r.Contenders[i].Name))
		}
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(w, strings.Join(columns, "\t")+"\t")
		for i := range r.Contenders {
			cells := r.cells(&r.Contenders[i])
			cells[0] = fmt.Sprintf("%-*s", names, cells[0]) // only names begin at the left
			fmt.Fprintln(w, strings.Join(cells, "\t")+"\t")
		}
		_ = w.Flush() // as an error of Fprintln
	}
	for _, g := range r.Goals {
		fmt.Fprintf(out, "  %s: %s, %s\n", g.Goal, g.measured(), g.Verdict)
	}
	for _, s := range r.remarks() {
		fmt.Fprintln(out, "  "+s)
	}
	fmt.Fprintln(out)
}
