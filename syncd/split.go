package syncd

import (
	"github.com/seed9553035b/syncd/wire/native"
)

// partRanges bounds the ranges of a part, so that a READ stays small.
const partRanges = 512

// splits reports whether what a job asks for is cut into parts.
func (k *sink) splits(j *job) bool {
	return k.wanted > 1 && j.phase == fetching && j.whole == nil && j.bytes() > native.Segment
}

// split asks for a file in parts of a segment, each on the stream that has the
// least to do. A part is a job of its own for the receivers; the committer puts
// what comes of it together in partEnded. The planner waits here until the last
// part is asked for: the streams are busy meanwhile, and a file of any size costs
// no more than the parts under way.
func (k *sink) split(j *job) error {
	ranges := j.bad
	if len(ranges) == 0 {
		ranges = []native.Range{{N: j.entry.Size}}
	}
	k.mu.Lock()
	j.bad, j.want, j.at = nil, nil, 0
	j.parts = 1 // this one, until all are asked for
	k.whole[j] = true
	k.mu.Unlock()
	var part []native.Range
	size := int64(0)
	ask := func() error {
		if len(part) == 0 {
			return nil
		}
		p := &job{node: j.node, entry: j.entry, tries: j.tries, whole: j, bad: part}
		b := &batch{jobs: []*job{p}, bytes: size, part: true}
		k.ids++
		b.id = k.ids
		req := native.Read{ID: b.id, Again: j.tries > 0, Files: []native.ReadFile{p.request()}}
		part, size = nil, 0
		k.mu.Lock()
		stop := j.stopped
		if !stop {
			j.parts++
		}
		k.mu.Unlock()
		if stop {
			return nil
		}
		if err := k.issue(b, &req, 0); err != nil {
			return err
		}
		return k.flushStreams()
	}
	for _, g := range ranges {
		for g.N > 0 {
			n := min(g.N, (g.Off/native.Segment+1)*native.Segment-g.Off)
			part, size = append(part, native.Range{Off: g.Off, N: n}), size+n
			g.Off, g.N = g.Off+n, g.N-n
			if size >= native.Segment || len(part) == partRanges || g.Off%native.Segment == 0 && size > native.Segment/2 {
				if err := ask(); err != nil {
					return err
				}
			}
		}
	}
	if err := ask(); err != nil {
		return err
	}
	if k.partDone(j) {
		k.tasks <- task{job: j}
	}
	return nil
}

// partDone takes one off the parts of a file, and reports whether it was the last.
func (k *sink) partDone(w *job) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if w.parts--; w.parts > 0 {
		return false
	}
	delete(k.whole, w)
	w.bad, w.stopped = mergeRanges(w.bad), false
	return true
}

// partEnded puts a part together with the whole; the last one ends that.
func (k *sink) partEnded(p *job) {
	w := p.whole
	w.opening.Lock()
	if w.err == nil {
		w.err = p.err
	}
	if w.fail == nil {
		w.fail = p.fail
	}
	w.bad = append(w.bad, p.bad...)
	w.holes = w.holes || p.holes
	w.allocated = w.allocated || p.allocated
	stopped := w.err != nil || w.fail != nil
	w.opening.Unlock()
	k.mu.Lock()
	w.stopped = stopped
	k.mu.Unlock()
	if k.partDone(w) {
		k.end(w)
	}
}
