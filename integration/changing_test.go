package integration

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
)

// maxLists is how many LISTs a source has to take before it answers one.
const maxLists = 256

// TestEveryFileChanges has each file change between its listing and its first
// READ, more files than a sink has under way. It asks for each once more, and not
// for more at a time than a source has to take.
func TestEveryFileChanges(t *testing.T) {
	const files = 6000
	dst := t.TempDir()
	most := make(chan int, 1)
	url := serveRaw(t, func(p *rawPeer) {
		p.skipHello()
		p.send(serverHello)
		s := changingSource{p: p, files: files, read: make(map[string]bool)}
		s.run()
		most <- s.most
	})
	r := here.sync(t, url, dst)
	wantExit(t, r, 0)
	if s := lastStats(t, r.stdout); s.Transferred != files || s.Failed != 0 {
		t.Errorf("%d files were transferred and %d failed, want all %d", s.Transferred, s.Failed, files)
	}
	if n := strings.Count(names(t, dst), "f"); n != files {
		t.Errorf("%d files are there, want %d", n, files)
	}
	if n := <-most; n > maxLists {
		t.Errorf("%d LISTs were unanswered, a source takes %d", n, maxLists)
	}
}

// changingSource is a slow source of a directory of files of a byte, each of which
// has changed when it is first asked for. It answers when nothing more is asked.
type changingSource struct {
	p     *rawPeer
	files int
	read  map[string]bool // by name
	most  int             // LISTs unanswered
}

func (s *changingSource) run() {
	frames := make(chan frame, 1<<16)
	go func() {
		defer close(frames)
		for f := s.p.next(); f.typ != 0; f = s.p.next() {
			frames <- f
		}
	}()
	for {
		var asked []frame
		lists := 0
		for quiet := false; !quiet; {
			select {
			case f, ok := <-frames:
				switch {
				case !ok:
					return
				case f.typ == typeList:
					lists++
				}
				asked = append(asked, f)
			case <-time.After(50 * time.Millisecond):
				quiet = len(asked) > 0
			}
		}
		s.most = max(s.most, lists)
		for _, f := range asked {
			switch f.typ {
			case typeList:
				s.list(f)
			case typeRead:
				s.answer(f)
			case typeBye:
				s.p.frame(frame{typ: typeBye, payload: []byte("{}")})
				return
			}
		}
	}
}

// list answers for the root, or for one file of it.
func (s *changingSource) list(f frame) {
	const one = 8
	var entries []entry
	if f.payload[0]&one != 0 {
		after := 4 + binary.LittleEndian.Uint16(f.payload[2:])
		n := binary.LittleEndian.Uint16(f.payload[after:])
		e := entry{name: string(f.payload[after+2 : after+2+n]), mode: 0o100644, size: 1}
		s.p.frame(frame{typ: typePage, id: f.id, payload: page(e)[len(page()):]})
		return
	}
	for i := range s.files {
		entries = append(entries, entry{name: fmt.Sprintf("f%06d", i), mode: 0o100644, size: 1})
	}
	s.p.frame(frame{typ: typePage, id: f.id, payload: page(entries...)})
}

// answer says of each file of a READ that it has changed, the first time, and
// that it is a hole, the second time.
func (s *changingSource) answer(f frame) {
	const changed, version = 2, 40
	le := binary.LittleEndian
	b, name := f.payload[2:], ""
	for i := range le.Uint16(f.payload) {
		shared, n := le.Uint16(b), le.Uint16(b[2:])
		name = name[:shared] + string(b[4:4+n])
		b = b[4+n+version:]
		b = b[4+16*le.Uint32(b):]
		if s.read[name] {
			s.p.frame(frame{typ: typeHole, id: f.id, index: uint32(i), n: 1})
		} else {
			s.read[name] = true
			s.p.frame(frame{typ: typeFailed, status: changed, id: f.id, index: uint32(i), payload: []byte("changed")})
		}
	}
	s.p.frame(frame{typ: typeEnd, id: f.id})
}
