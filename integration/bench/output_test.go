package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

const stockOutput = `
Number of files: 21 (reg: 20, dir: 1)
Number of created files: 0
Number of regular files transferred: 1,020
Total file size: 2,457,600 bytes
Literal data: 12,345,678 bytes
Matched data: 0 bytes
Total bytes sent: 1,000
Total bytes received: 24

sent 1,000 bytes  received 24 bytes  2,048.00 bytes/sec
`

func TestStatsOfPrograms(t *testing.T) {
	want := transferStats{transferred: 1020, literal: 12345678, wire: 1024}
	for _, c := range []struct {
		name    string
		program program
		output  string
		fine    bool
	}{
		{"stock", stockRsync(""), stockOutput, true},
		{"stock without statistics", stockRsync(""), "sent 1 bytes\n", false},
		{"syncd", syncd(""), "name\n" + `{"transferred":1020,"literal_bytes":12345678,"wire_sent":1000,"wire_received":24}` + "\n", true},
		{"syncd without statistics", syncd(""), "name\n", false},
		{"nothing", syncd(""), "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.program.stats(c.output)
			if (err == nil) != c.fine {
				t.Fatalf("error %v", err)
			}
			if c.fine && got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
	if got, err := barePump("").stats("8192\n"); err != nil || got != (transferStats{1, 8192, 8192 + pumpHeader}) {
		t.Errorf("pump: %+v, %v", got, err)
	}
}

func TestSharedExtents(t *testing.T) {
	const text = `Filesystem type is: 58465342
File size of data is 1073741824 (262144 blocks of 4096 bytes)
 ext:     logical_offset:        physical_offset: length:   expected: flags:
   0:        0..     255:      34816..     35071:    256:             shared
   1:      256..     511:     280000..    280255:    256:      35072:
   2:      512..     611:     300000..    300099:    100:     280256: last,shared,eof
data: 3 extents found
`
	if shared, all := sharedExtents(text); shared != 356 || all != 612 {
		t.Errorf("%d of %d blocks, want 356 of 612", shared, all)
	}
}

// exampleReport has one of everything.
func exampleReport() *report {
	ok := &rowResult{
		Name: "new-pull", What: "one file", Size: "1 GiB", Reduced: "reduced from 2 GiB", FS: "ext4", Runs: 2,
		Contenders: []contenderResult{
			{Name: "stock", Program: "stock", Plain: true, Samples: samplesOf(2, 2)},
			{Name: "syncd", Program: "syncd", Plain: true, Samples: samplesOf(1, 1)},
			{Name: "syncd --x", Program: "syncd", Failed: true},
		},
		Notes: []string{"a note with <markup> & more"},
	}
	for i := range ok.Contenders {
		ok.Contenders[i].summarize()
	}
	for _, limit := range []float64{0.6, 0.4} {
		ok.Goals = append(ok.Goals, goal{wall, "syncd", "stock", limit}.judge(ok))
	}
	skipped := &rowResult{Name: "xfs", What: "one file", Size: "1 GiB", Runs: 2, Skipped: needsMount{"XFS"}.Error()}
	broken := &rowResult{Name: "broken", Errors: []string{"stock: it broke"}}
	return &report{Date: "2026-01-02", Quick: true, Scale: 1, Rows: []*rowResult{ok, skipped, broken}}
}

func TestChartIsXML(t *testing.T) {
	svg := exampleReport().svg()
	d := xml.NewDecoder(strings.NewReader(svg))
	bars := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 3 { // the background and two goals
		t.Errorf("%d rectangles, want 3", bars)
	}
}

func TestReportsSayAll(t *testing.T) {
	rep := exampleReport()
	var text strings.Builder
	for _, r := range rep.Rows {
		r.write(&text)
	}
	for form, out := range map[string]string{"text": text.String(), "Markdown": rep.markdown()} {
		for _, want := range []string{
			"new-pull: one file (1 GiB; reduced from 2 GiB; to ext4; 2 runs)", "1.000", "0.50", met, notMet, "failed",
			"a note with", "not measured: XFS needs a mount", "FAILED: stock: it broke",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q is missing in\n%s", form, want, out)
			}
		}
	}
	if got, want := rep.tally(), "goals: 1 met, 1 missed, 0 not measured"; got != want {
		t.Errorf("tally %q, want %q", got, want)
	}
	if err := rep.failure(); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("failure: %v", err)
	}
}

func TestNumbersForPeople(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{formatBytes(0), "0 B"}, {formatBytes(kib - 1), "1023 B"}, {formatBytes(kib), "1 KiB"},
		{formatBytes(gib + gib/2), "1.5 GiB"}, {thousands(999), "999"}, {thousands(1000), "1,000"},
		{thousands(1234567), "1,234,567"}, {amount{20000, 4096}.String(), "20,000 x 4 KiB"}, {oneFile(gib).String(), "1 GiB"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
