package main

import (
	"fmt"
	"io"

	"github.com/seed9553035b/syncd/syncd"
)

// report prints what --stats and -v ask for.
func (f *syncFlags) report(out *printer, r *syncd.Result) {
	shown := numbers(f.human)
	switch {
	case f.stats == "json":
		fmt.Fprintf(out.out, "%s\n", r.JSON())
	case f.stats == "text":
		shown.stats(out.out, r)
	case f.verbose > 0 && !f.quiet:
		shown.summary(out.out, r)
	}
}

// numbers is how often -h was given: plain, in units of 1000, or of 1024.
type numbers int

// of returns a number as it is shown (lib/compat.c:do_big_num).
func (h numbers) of(n int64) string {
	unit := 1000.0
	switch {
	case h == 0:
		return fmt.Sprint(n)
	case h > 1:
		unit = 1024
	}
	if float64(n) < unit {
		return fmt.Sprint(n)
	}
	v, letters := float64(n)/unit, "KMGTP"
	for v >= unit && len(letters) > 1 {
		v, letters = v/unit, letters[1:]
	}
	return fmt.Sprintf("%.2f%c", v, letters[0])
}

func (h numbers) summary(w io.Writer, r *syncd.Result) {
	moved := r.WireSent + r.WireReceived
	rate := fmt.Sprintf("%.2f", float64(moved)/max(r.Seconds, 0.001))
	if h > 0 {
		rate = h.of(int64(float64(moved) / max(r.Seconds, 0.001)))
	}
	fmt.Fprintf(w, "\nsent %s bytes  received %s bytes  %s bytes/sec\n", h.of(r.WireSent), h.of(r.WireReceived), rate)
	fmt.Fprintf(w, "total size is %s  speedup is %.2f\n", h.of(r.TotalSize), float64(r.TotalSize)/float64(max(moved, 1)))
}

func (h numbers) stats(w io.Writer, r *syncd.Result) {
	p := r.PathBytes
	for _, row := range []struct {
		name  string
		value int64
	}{
		{"Entries", r.Entries}, {"Files transferred", r.Transferred}, {"Deleted", r.Deleted},
		{"Failed", r.Failed}, {"Asked for again", r.Redone}, {"Total file size", r.TotalSize},
		{"Literal bytes", r.LiteralBytes}, {"Matched bytes", r.MatchedBytes},
		{"Bytes sent", r.WireSent}, {"Bytes received", r.WireReceived},
		{"Bodies by splice", p.Splice}, {"Bodies by sendfile", p.Sendfile}, {"Bodies by mmap", p.Mmap},
		{"Bodies by copy_file_range", p.CopyFileRange}, {"Bodies by reflink", p.Reflink},
		{"Bodies through user space", p.User}, {"Bytes hashed", r.HashBytes},
	} {
		fmt.Fprintf(w, "%-26s %s\n", row.name+":", h.of(row.value))
	}
	for reason, n := range r.Fallbacks {
		fmt.Fprintf(w, "%-26s %d (%s)\n", "Fell back to copying:", n, reason)
	}
	h.summary(w, r)
}
