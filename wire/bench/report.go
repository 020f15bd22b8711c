package bench

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Report is what Run measured. Its JSON has every sample.
type Report struct {
	Size       int64       `json:"bytes"`
	Dir        string      `json:"dir"` // of the files that were written
	Runs       int         `json:"runs"`
	Kernel     string      `json:"kernel"`
	Rows       []Row       `json:"rows"`
	Interfaces []Interface `json:"interfaces"`
	Notes      []string    `json:"notes,omitempty"` // why figures are not what they seem
}

// A Row is a pair of techniques.
type Row struct {
	Sender       string   `json:"sender"`
	Receiver     string   `json:"receiver,omitempty"` // "": theory only
	SenderCost   Cost     `json:"sender_theory"`
	ReceiverCost *Cost    `json:"receiver_theory,omitempty"`
	Median       *Sample  `json:"median,omitempty"` // of each figure by itself
	Samples      []Sample `json:"samples,omitempty"`
}

// A Sample is one run. Its time is the receiver's.
type Sample struct {
	Sender   End `json:"sender"`
	Receiver End `json:"receiver"`
}

// medianOf is the median of each figure. Fallbacks are those of any sample.
func medianOf(samples []Sample) *Sample {
	end := func(of func(*Sample) *End) End {
		figure := func(f func(*End) float64) float64 {
			v := make([]float64, len(samples))
			for i := range samples {
				v[i] = f(of(&samples[i]))
			}
			return median(v)
		}
		out := End{
			CPU:         figure(func(e *End) float64 { return e.CPU }),
			Calls:       int64(figure(func(e *End) float64 { return float64(e.Calls) })),
			Voluntary:   int64(figure(func(e *End) float64 { return float64(e.Voluntary) })),
			Involuntary: int64(figure(func(e *End) float64 { return float64(e.Involuntary) })),
			Seconds:     figure(func(e *End) float64 { return e.Seconds }),
		}
		for i := range samples {
			if f := of(&samples[i]).Fallbacks; len(f) > 0 {
				out.Fallbacks = f
			}
		}
		return out
	}
	return &Sample{
		Sender:   end(func(s *Sample) *End { return &s.Sender }),
		Receiver: end(func(s *Sample) *End { return &s.Receiver }),
	}
}

// median of at least one value.
func median(v []float64) float64 {
	slices.Sort(v)
	mid := len(v) / 2
	if len(v)%2 == 1 {
		return v[mid]
	}
	return (v[mid-1] + v[mid]) / 2
}

// addNotes says what speaks against the figures.
func (rep *Report) addNotes() {
	if free := availableMemory(); free > 0 && 2*rep.Size > free {
		rep.note("The file and its copy, %s, do not fit into the %s of memory that are available: the disk was measured too.",
			formatBytes(2*rep.Size), formatBytes(free))
	}
	for i := range rep.Rows {
		r := &rep.Rows[i]
		if m := r.Median; m != nil {
			rep.noteFallbacks(r.Sender+", sending", m.Sender.Fallbacks)
			rep.noteFallbacks(r.Receiver+", receiving", m.Receiver.Fallbacks)
		}
	}
}

func (rep *Report) noteFallbacks(who string, f map[string]int64) {
	if len(f) > 0 {
		rep.note("%s: not all of it went that way (%s).", who, strings.Join(slices.Sorted(maps.Keys(f)), "; "))
	}
}

// note adds a note, once.
func (rep *Report) note(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(rep.Notes, s) {
		rep.Notes = append(rep.Notes, s)
	}
}

var memAvailable = regexp.MustCompile(`(?m)^MemAvailable:\s+(\d+) kB$`)

// availableMemory is what the kernel can give without swapping, in bytes, or 0
// if that is unknown.
func availableMemory() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	m := memAvailable.FindSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseInt(string(m[1]), 10, 64) // digits only
	return n << 10
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}

// formatBytes is a number of bytes in the largest binary unit that it fills.
func formatBytes(n int64) string {
	v, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, u
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") + " " + unit
}
