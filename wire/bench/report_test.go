package bench

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// exampleReport has figures that are easy to recognize: 512 MiB, at 1 GiB/s.
func exampleReport() *Report {
	rep := &Report{Size: 512 << 20, Dir: "/tmp/<dir>", Kernel: "5.10", Runs: 3}
	for _, p := range pairs() {
		rep.Rows = append(rep.Rows, Row{Sender: p.sender.name, Receiver: p.receiver.name, SenderCost: p.sender.cost, ReceiverCost: &p.receiver.cost,
			Median: medianOf([]Sample{
				{Sender: End{CPU: 9, Calls: 9999}, Receiver: End{Seconds: 9}},
				{Sender: End{CPU: 0.125, Calls: 1024, Voluntary: 7, Involuntary: 8}, Receiver: End{CPU: 0.25, Calls: 2048, Seconds: 0.5}},
				{Sender: End{Voluntary: 9, Involuntary: 9}, Receiver: End{CPU: 9, Calls: 9999}},
			})})
	}
	rep.Interfaces = []Interface{{Name: "lo", Loopback: true, ScatterGather: true}, {Name: "eth0", Driver: "fake", Problem: "asked in vain"}}
	rep.note("A note.")
	rep.note("A note.")
	return rep
}

// The table as the article has it, and beside it what was measured.
const exampleTable = `
                         CPU copies   mode switches   calls per MiB   CPU s per GiB        context switches
sender      receiver     send  recv    send    recv    send    recv    send    recv        send        recv   GiB/s
read+write  splice          2     1       4       4     2.0     4.0   0.250   0.500         7+8         0+0    1.00
read+write  read+write      2     2       4       4     2.0     4.0   0.250   0.500         7+8         0+0    1.00
mmap+write  splice          1     1       4       4     2.0     4.0   0.250   0.500         7+8         0+0    1.00
mmap+write  read+write      1     2       4       4     2.0     4.0   0.250   0.500         7+8         0+0    1.00
sendfile    splice          1     1       2       4     2.0     4.0   0.250   0.500         7+8         0+0    1.00
sendfile    read+write      1     2       2       4     2.0     4.0   0.250   0.500         7+8         0+0    1.00
sendfile+SG (theory)        0     -       2       -       -       -       -       -           -           -       -
splice      splice          0     1       4       4     2.0     4.0   0.250   0.500         7+8         0+0    1.00
splice      read+write      0     2       4       4     2.0     4.0   0.250   0.500         7+8         0+0    1.00
`

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := exampleReport().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"512 MiB from the page cache", "medians of 3", exampleTable,
		"lo         loopback, no card  scatter-gather on\n",
		"eth0       fake               scatter-gather unknown: asked in vain\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("missing:\n%s\nin\n%s", want, b.String())
		}
	}
	if n := strings.Count(b.String(), "A note."); n != 1 {
		t.Errorf("a note is there %d times", n)
	}
}

func TestFallbacksAreNoted(t *testing.T) {
	rep := exampleReport()
	rep.Rows[0].Median.Receiver.Fallbacks = map[string]int64{"splice to file: EINVAL": 1}
	rep.addNotes()
	if got, want := rep.Notes[len(rep.Notes)-1], "splice, receiving: not all of it went that way (splice to file: EINVAL)."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	rep.Size = 1 << 60
	rep.addNotes()
	if got := rep.Notes[len(rep.Notes)-1]; !strings.Contains(got, "do not fit") {
		t.Errorf("got %q", got)
	}
}

func TestChartIsXML(t *testing.T) {
	var b strings.Builder
	if err := exampleReport().WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	bars, d := 0, xml.NewDecoder(strings.NewReader(b.String()))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if want := 1 + 2*len(pairs()); bars != want { // the background, and both ends of each pair
		t.Errorf("%d rectangles, want %d", bars, want)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}} {
		if got := median(c.in); got != c.want {
			t.Errorf("%v: %g", c.in, got)
		}
	}
}

func TestFormatBytes(t *testing.T) {
	for in, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 1 << 20: "1 MiB", 3 << 40: "3072 GiB"} {
		if got := formatBytes(in); got != want {
			t.Errorf("%d: %q, want %q", in, got, want)
		}
	}
}
