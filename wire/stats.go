package wire

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats counts what moved and by which mechanism. One Stats may be shared by
// any number of Conns and by the code that builds files; all fields and
// methods are safe for concurrent use. Bodies are counted once at each end
// that they pass. A Stats must not be copied.
type Stats struct {
	Sent     atomic.Int64 // all bytes put on streams: headers, messages, bodies
	Received atomic.Int64 // all bytes taken from streams
	Calls    atomic.Int64 // system calls that Conns made to move them, in vain or not; waiting is not counted

	Splice        atomic.Int64 // body bytes: file to pipe to socket or file, and back
	Sendfile      atomic.Int64 // body bytes: sendfile to a socket
	Mmap          atomic.Int64 // body bytes: written from a mapping
	CopyFileRange atomic.Int64 // body bytes: copy_file_range between files
	Reflink       atomic.Int64 // body bytes: shared by FICLONERANGE
	User          atomic.Int64 // body bytes that were copied through user space

	Hash atomic.Int64 // bytes read from the page cache to be hashed

	mu        sync.Mutex
	fallbacks map[string]int64
}

// Fallback counts that the wanted mechanism could not be used, by reason:
// one of a few fixed phrases, never a path.
func (s *Stats) Fallback(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fallbacks == nil {
		s.fallbacks = make(map[string]int64)
	}
	s.fallbacks[reason]++
}

// Fallbacks returns how often each reason was given to Fallback.
func (s *Stats) Fallbacks() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.fallbacks)
}
