package wire

import "fmt"

// Transport is the mechanism that moves bodies. All of them produce the same
// bytes; they differ in copies and system calls. A stream that user space has
// to see (TLS, net.Pipe, a terminal) is copied whatever the Transport.
type Transport uint8

const (
	// Splice moves pages through a pipe, at both ends: no copy but the one
	// into the page cache of the receiver. Small files share a system call.
	Splice Transport = iota
	// Sendfile sends with sendfile(2) and receives like Splice.
	Sendfile
	// Mmap sends with write(2) from a mapping: one copy. It receives like
	// ReadWrite.
	Mmap
	// ReadWrite copies through a buffer in user space at both ends.
	ReadWrite
)

var transportNames = [...]string{
	Splice:    "splice",
	Sendfile:  "sendfile",
	Mmap:      "mmap",
	ReadWrite: "readwrite",
}

// String returns the name that ParseTransport takes.
func (t Transport) String() string {
	if int(t) < len(transportNames) {
		return transportNames[t]
	}
	return fmt.Sprintf("transport(%d)", uint8(t))
}

// ParseTransport returns the Transport of a name: "splice", "sendfile",
// "mmap" or "readwrite".
func ParseTransport(name string) (Transport, error) {
	for t, s := range transportNames {
		if s == name {
			return Transport(t), nil
		}
	}
	return 0, fmt.Errorf("unknown transport %q (splice, sendfile, mmap, readwrite)", name)
}
