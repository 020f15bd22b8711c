package syncd

import (
	"bytes"

	"github.com/seed9553035b/syncd/wire/native"
)

// check is work for the checker: a piece of a job's file that has arrived, the
// digest of the range whose last piece that was, or the job itself behind its
// last range.
type check struct {
	j      *job
	off, n int64
	digest []byte // of a range, empty if it is unknown; nil for a piece
	done   bool
}

// checkAll is the checker: it hashes pieces in the order in which they arrive,
// while they are in the processor's cache, verifies ranges, and hands each job to
// the committer behind them.
func (k *sink) checkAll() {
	h := newHasher(k.alg, k.stats)
	h.start()
	for c := range k.checks {
		switch j := c.j; {
		case c.done:
			if j.err == nil {
				j.err = j.check
			}
			k.tasks <- task{job: j}
		case c.digest == nil:
			if j.check == nil {
				j.check = h.add(j.file, c.off, c.n)
			}
		default:
			if j.check == nil && len(c.digest) > 0 && !bytes.Equal(c.digest, h.digest()) {
				j.bad = append(j.bad, native.Range{Off: c.off, N: c.n})
			}
			h.start()
		}
	}
}
