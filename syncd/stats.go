package syncd

import (
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed9553035b/syncd/wire"
)

// Stats counts what a run did. The counters of bytes are the embedded ones of
// the streams and of the files built.
type Stats struct {
	wire.Stats

	Entries     atomic.Int64 // entries seen on the source
	Transferred atomic.Int64 // files whose content was fetched or sent
	Deleted     atomic.Int64
	Literal     atomic.Int64 // body bytes that came from the other side
	Matched     atomic.Int64 // body bytes that came from the basis
	Redone      atomic.Int64 // segments or files fetched again
	Failed      atomic.Int64 // files and directories that could not be done
	Vanished    atomic.Int64 // sources that were gone when they were read
	TotalSize   atomic.Int64 // bytes of the regular files seen

	start time.Time

	mu    sync.Mutex
	joins []*Stats // of connections that joined this session
}

// Result is a run's outcome, as `--stats=json` and the log show it.
type Result struct {
	Entries      int64            `json:"entries"`
	Transferred  int64            `json:"transferred"`
	Deleted      int64            `json:"deleted"`
	LiteralBytes int64            `json:"literal_bytes"`
	MatchedBytes int64            `json:"matched_bytes"`
	WireSent     int64            `json:"wire_sent"`
	WireReceived int64            `json:"wire_received"`
	PathBytes    PathBytes        `json:"path_bytes"`
	HashBytes    int64            `json:"hash_bytes"`
	Redone       int64            `json:"redone"`
	Failed       int64            `json:"failed"`
	Fallbacks    map[string]int64 `json:"fallbacks,omitempty"`
	TotalSize    int64            `json:"total_size"`
	Seconds      float64          `json:"seconds"`
	Exit         int              `json:"exit"`
	// Peer is what the other side of a network transfer counted.
	Peer *Result `json:"peer,omitempty"`
}

// PathBytes are body bytes by the way they went.
type PathBytes struct {
	Splice        int64 `json:"splice"`
	Sendfile      int64 `json:"sendfile"`
	Mmap          int64 `json:"mmap"`
	CopyFileRange int64 `json:"copy_file_range"`
	Reflink       int64 `json:"reflink"`
	User          int64 `json:"user"`
}

// NewStats returns Stats whose clock starts now.
func NewStats() *Stats { return &Stats{start: time.Now()} }

// include adds to the results what another connection of the session moves.
func (s *Stats) include(other *Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.joins = append(s.joins, other)
}

// Result returns the counters as they stand, with the given exit code.
func (s *Stats) Result(exit int) *Result {
	r := s.alone(exit)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range s.joins {
		o := other.alone(0)
		r.WireSent += o.WireSent
		r.WireReceived += o.WireReceived
		p, q := &r.PathBytes, &o.PathBytes
		p.Splice, p.Sendfile, p.Mmap, p.User = p.Splice+q.Splice, p.Sendfile+q.Sendfile, p.Mmap+q.Mmap, p.User+q.User
		for reason, n := range o.Fallbacks {
			if r.Fallbacks == nil {
				r.Fallbacks = make(map[string]int64)
			}
			r.Fallbacks[reason] += n
		}
	}
	return r
}

// alone is the Result of what was counted here.
func (s *Stats) alone(exit int) *Result {
	return &Result{
		Entries: s.Entries.Load(), Transferred: s.Transferred.Load(), Deleted: s.Deleted.Load(),
		LiteralBytes: s.Literal.Load(), MatchedBytes: s.Matched.Load(),
		WireSent: s.Sent.Load(), WireReceived: s.Received.Load(),
		PathBytes: PathBytes{
			Splice: s.Splice.Load(), Sendfile: s.Sendfile.Load(), Mmap: s.Mmap.Load(),
			CopyFileRange: s.CopyFileRange.Load(), Reflink: s.Reflink.Load(), User: s.User.Load(),
		},
		HashBytes: s.Hash.Load(), Redone: s.Redone.Load(), Failed: s.Failed.Load(),
		Fallbacks: s.Fallbacks(), TotalSize: s.TotalSize.Load(),
		Seconds: time.Since(s.start).Seconds(), Exit: exit,
	}
}

// again begins another attempt at a run: what is seen or said anew is counted
// anew, and what was moved stays.
func (s *Stats) again() {
	for _, n := range []*atomic.Int64{&s.Entries, &s.Failed, &s.Vanished, &s.TotalSize} {
		n.Store(0)
	}
}

// exit is the code of a run that came to its end.
func (s *Stats) exit() int {
	switch {
	case s.Failed.Load() > 0:
		return ExitPartial
	case s.Vanished.Load() > 0:
		return ExitVanished
	}
	return ExitOK
}

// JSON is the result on one line; it is the payload of a BYE too.
func (r *Result) JSON() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic("syncd: a Result is always JSON: " + err.Error())
	}
	return b
}

// loggedResult shows a Result in a log: as an object in JSON, as the same
// JSON in text.
type loggedResult struct{ *Result }

// MarshalText implements encoding.TextMarshaler for slog's text handler.
func (r loggedResult) MarshalText() ([]byte, error) { return r.JSON(), nil }

// MarshalJSON implements json.Marshaler.
func (r loggedResult) MarshalJSON() ([]byte, error) { return r.JSON(), nil }
