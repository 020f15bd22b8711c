// Package integration tests syncd from outside: it builds the program, runs it
// as processes, on one host and on two, with stock rsync as the judge of what
// arrived. Faults are real ones: kill -9, a full file system, peers that break
// the protocol, trees that change while they are read.
//
// The tests run as root in a sandbox of their own: TestMain starts the test
// binary again in new mount, network and PID namespaces. Mounts, hosts and
// processes of the tests live there and end with it, however the run ends; the
// only network is the sandbox's loopback and what joins its hosts. t.TempDir is
// on a new XFS in memory.
//
// With -program.race the program itself is built with the race detector, which then
// ends it with a report: go test ./integration -program.race -run 'Delta|Streams'.
// -stock.whole has stock peers and ours transfer all of the Go toolchain; -resume.mib
// and -resume.kills make TestResume as long as one likes.
package integration
