package syncd

import (
	"bytes"
	"errors"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// Small files go in groups: one header, the bodies, then what is to be said of
// each. In frames of their own, every one of them has its header written and read
// for itself, which is two system calls of about twelve at both ends.

// A group is as much as one round of the pump: more would gain no more, and keep
// the sink waiting, whose work on a group begins with its first bytes.
const (
	groupFiles = 64
	groupBytes = 256 << 10
)

// group is files of a READ, one after the other, that are open and not sent yet.
type group struct {
	first uint32
	files []*tree.File
	n     int64 // bytes of all
}

// groups reports whether a file of a READ goes with others: one that is asked for
// as a whole, in which no holes are looked for.
func (s *source) groups(r *native.Read, want *native.ReadFile) bool {
	return s.packer == nil && !r.SumsOnly && !r.Again && len(want.Ranges) == 0 && want.Version.Size > 0 && want.Version.Size < plainFile
}

// fits reports whether a file of size bytes may be added.
func (g *group) fits(size int64) bool {
	return len(g.files) < groupFiles && g.n+size <= groupBytes
}

func (g *group) close() {
	for _, f := range g.files {
		f.Close()
	}
	g.files, g.n = g.files[:0], 0
}

// answerRead sends the files of a READ, in order.
func (s *source) answerRead(a *native.Answerer, r *native.Read) error {
	g := &s.group
	defer g.close()
	for i := range r.Files {
		want := &r.Files[i]
		grouped := s.groups(r, want)
		if !grouped || !g.fits(want.Version.Size) {
			if err := s.sendGroup(a, r); err != nil {
				return err
			}
		}
		f, err := s.openAsked(want, grouped)
		if err != nil {
			if err := s.sendGroup(a, r); err != nil {
				return err
			}
			if err := a.Failed(r.ID, uint32(i), failure(err)); err != nil {
				return err
			}
			continue
		}
		if !r.SumsOnly {
			s.stats.Transferred.Add(1)
		}
		if !grouped {
			if err := s.answerFile(a, r, uint32(i), f); err != nil {
				return err
			}
			continue
		}
		if len(g.files) == 0 {
			g.first = uint32(i)
		}
		g.files = append(g.files, f)
		g.n += want.Version.Size
	}
	if err := s.sendGroup(a, r); err != nil {
		return err
	}
	return a.End(r.ID)
}

// openAsked opens a file of a READ. That it is the version asked for is certain of one
// in a group when it has been sent.
func (s *source) openAsked(want *native.ReadFile, grouped bool) (*tree.File, error) {
	if grouped {
		return s.openUnseen(want.Path, want.Version)
	}
	return s.openFile(want.Path, want.Version)
}

// sendGroup sends what is in the group, which is empty then.
func (s *source) sendGroup(a *native.Answerer, r *native.Read) error {
	g := &s.group
	switch len(g.files) {
	case 0:
		return nil
	case 1:
		f := g.files[0]
		g.files, g.n = g.files[:0], 0
		return s.answerFile(a, r, g.first, f)
	}
	defer g.close()
	return a.Files(r.ID, g.first, len(g.files), g.n, func(i int, send native.SendFunc) (native.Trailer, error) {
		v := &r.Files[int(g.first)+i].Version
		return s.sendWhole(g.files[i], v, send)
	})
}

// sendWhole hashes a file and sends it.
func (s *source) sendWhole(f *tree.File, v *wire.Version, send native.SendFunc) (native.Trailer, error) {
	h := s.hash
	h.start()
	bad := h.add(f, 0, v.Size) // the stream stays in step: send pads what is missing
	err := send(f, 0, v.Size)
	if fe, ok := errors.AsType[*wire.FileError](err); ok {
		bad = fe
	} else if err != nil {
		return native.Trailer{}, err
	}
	s.stats.Literal.Add(v.Size)
	return trailer(f, *v, h.digest(), bad, true), nil
}

// manyBodies is how a receiver takes a group.
type manyBodies interface {
	bodies
	Trailers(n int, each func(i int, t native.Trailer) error) error
}

// onFiles takes the bodies of count files, n bytes together, and checks each against
// the digest that comes behind them all.
func (k *stream) onFiles(id, first uint32, count int, n int64, b manyBodies) error {
	if _, err := k.current(id, first); err != nil {
		return err
	}
	k.mu.Lock()
	batch := k.reads[0]
	k.mu.Unlock()
	jobs := batch.jobs[batch.at:]
	if len(jobs) < count || !areWhole(jobs[:count], n) {
		return unasked("a group of files", id)
	}
	jobs = jobs[:count]
	k.reach(jobs...)
	k.sums = k.sums[:0]
	for _, j := range jobs {
		j.expect(0, j.entry.Size)
		k.hash.start()
		if err := k.body(j, 0, j.entry.Size, b); err != nil {
			return err
		}
		k.sums = append(k.sums, k.hash.digest()...)
	}
	err := b.Trailers(count, func(i int, t native.Trailer) error {
		j, one := jobs[i], len(t.Digest)
		if j.err == nil && !bytes.Equal(t.Digest, k.sums[i*one:][:one]) {
			j.bad = append(j.bad, native.Range{N: j.entry.Size})
		}
		j.got = j.entry.Size
		return k.ended(j, t.Status, int(t.Errno), id)
	})
	if err != nil {
		return err
	}
	return k.receivedAll(batch, count)
}

// areWhole reports whether all of each of the files was asked for, and nothing of
// it has come, and they are n bytes together.
func areWhole(jobs []*job, n int64) bool {
	for _, j := range jobs {
		size := j.entry.Size
		if j.phase != fetching || j.whole != nil || j.fail != nil || size == 0 || j.at != 0 ||
			len(j.want) != 1 || j.want[0] != (native.Range{N: size}) || j.next != 0 {
			return false
		}
		n -= size
	}
	return n == 0
}
