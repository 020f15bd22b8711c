package bench

import (
	"fmt"
	"io"
	"strings"
)

// A group of columns has a title above theirs.
type group struct {
	title   string
	columns []string
	width   int // of a column, in characters
}

// The columns of the table after the names of the techniques.
var groups = []group{
	{"CPU copies", bothEnds, 6},
	{"mode switches", bothEnds, 8},
	{"calls per MiB", bothEnds, 8},
	{"CPU s per GiB", bothEnds, 8},
	{"context switches", bothEnds, 12},
	{"", []string{"GiB/s"}, 8},
}

var bothEnds = []string{"send", "recv"}

// nameWidth is that of the technique with the longest name.
const nameWidth = 11

// cells are the figures of a row, one for each column of groups.
func (rep *Report) cells(r *Row) []string {
	out := []string{fmt.Sprint(r.SenderCost.Copies), "-", fmt.Sprint(r.SenderCost.Switches), "-", "-", "-", "-", "-", "-", "-", "-"}
	if r.ReceiverCost != nil {
		out[1], out[3] = fmt.Sprint(r.ReceiverCost.Copies), fmt.Sprint(r.ReceiverCost.Switches)
	}
	if r.Median == nil {
		return out
	}
	for i, e := range []*End{&r.Median.Sender, &r.Median.Receiver} {
		out[4+i] = fmt.Sprintf("%.1f", float64(e.Calls)/(float64(rep.Size)/(1<<20)))
		out[6+i] = fmt.Sprintf("%.3f", rep.perGiB(e.CPU))
		out[8+i] = fmt.Sprintf("%d+%d", e.Voluntary, e.Involuntary)
	}
	out[10] = fmt.Sprintf("%.2f", rep.rate(r))
	return out
}

func (rep *Report) perGiB(v float64) float64 { return v / (float64(rep.Size) / (1 << 30)) }

// rate is in GiB per second.
func (rep *Report) rate(r *Row) float64 {
	return 1 / rep.perGiB(r.Median.Receiver.Seconds)
}

// WriteText writes the table, what its columns mean, and the interfaces.
func (rep *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	b.WriteString(rep.title() + "\n\n")
	rep.writeTable(&b)
	b.WriteString(legend)
	for _, n := range rep.Notes {
		b.WriteString(n + "\n")
	}
	b.WriteString("\nNetwork interfaces that are up:\n")
	for i := range rep.Interfaces {
		fmt.Fprintf(&b, "  %s\n", &rep.Interfaces[i])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (rep *Report) title() string {
	return fmt.Sprintf("%s from the page cache, over TCP on loopback, into a new file in %s; Linux %s; medians of %d.",
		formatBytes(rep.Size), rep.Dir, rep.Kernel, rep.Runs)
}

// legend explains the columns.
const legend = `
By theory: CPU copies of each byte, and mode switches in a round of the loop (two for a system call). Two copies by
DMA, disk to memory and memory to network card, come on top at the sender; here there are neither disk nor card.
sendfile+SG: what sendfile is with a card that does scatter-gather DMA. Not measured, for no card is passed; but
loopback takes pages by reference as such a card does, and what sendfile costs here is nearer to that line.
Measured: system calls that move bytes, CPU seconds of each end's process, its context switches (voluntary +
involuntary) in a run, and how fast it went. The kernel does TCP's work for loopback mostly at the sender's expense.
`

func (rep *Report) writeTable(b *strings.Builder) {
	line := func(cells []string) {
		b.WriteString(strings.TrimRight(strings.Join(cells, ""), " ") + "\n")
	}
	names := func(sender, receiver string) []string {
		return []string{fmt.Sprintf("%-*s %-*s", nameWidth, sender, nameWidth, receiver)}
	}
	titles, heads := names("", ""), names("sender", "receiver")
	for _, g := range groups {
		titles = append(titles, right(g.title, g.width*len(g.columns)))
		for _, c := range g.columns {
			heads = append(heads, right(c, g.width))
		}
	}
	line(titles)
	line(heads)
	for _, r := range rep.withTheory() {
		receiver := r.Receiver
		if receiver == "" {
			receiver = "(theory)"
		}
		out, cells := names(r.Sender, receiver), rep.cells(&r)
		for _, g := range groups {
			for range g.columns {
				out = append(out, right(cells[0], g.width))
				cells = cells[1:]
			}
		}
		line(out)
	}
}

// right is s at the right of a column.
func right(s string, width int) string { return fmt.Sprintf("%*s", width, s) }

// withTheory is the rows, and after the last of sendfile what it would be with
// another card.
func (rep *Report) withTheory() []Row {
	var out []Row
	for i, r := range rep.Rows {
		out = append(out, r)
		last := i+1 == len(rep.Rows) || rep.Rows[i+1].Sender != r.Sender
		if last && r.Sender == nameSendfile {
			out = append(out, Row{Sender: gathering.name, SenderCost: gathering.cost})
		}
	}
	return out
}
