// Command bench measures syncd beside stock rsync and beside a bare pump, on
// loopback, both ends on one machine.
//
//	go run ./integration/bench [--quick] [--rows REGEXP] [--runs N] [--scale F]
//	                           [--json FILE] [--svg FILE] [--results] [--dir DIR]
//
// --quick takes about four minutes on 2 cores: smaller files, fewer runs, no
// trees of a million files. What it costs to start is a larger part of it, so
// it tells whether something got slower and not whether a goal is met.
//
// Each row ends with its goals: what was promised, the ratio or figure that was
// measured, and whether it is met or missed.
//
// # What is compared
//
// Each row of the table is one job, done by several contenders: "stock" is the
// rsync on this machine with its defaults (-a), pulling from or pushing to its
// own daemon; "syncd" is built from this module at the start, and its daemon told
// not to force what it gets to the disk, as stock does not (fsync: none); "pump" is the
// least that moves a file from one process to another, sendfile to a socket
// and splice to a file, with no verification at all (this program, run again). Where
// the file is there already it does what every contender has to: it writes another
// beside it, has the kernel begin to write that to the disk, as ext4 does by itself when
// one file takes another's name, renames it, and frees the old one. That is what the
// disk leaves to be saved.
// "stock to syncd" is stock's client and our daemon, "syncd to stock" our client
// and stock's daemon.
//
// # How it is measured
//
//   - Contenders take turns, A B C, C B A and so on, at least five times. What
//     counts are medians, and medians of the ratios of runs that stood next to
//     each other.
//   - The round before the first is not timed. It warms the page cache, has
//     what arrived compared with the source, and has its memory sampled.
//   - Each run writes into a fresh directory, deleted at once after it.
//   - Right before the clock starts, a file of the same size is written and
//     deleted: memory that the machine gave back to its host is slow at first
//     touch. File systems are synced before that.
//   - Wall time is the monotonic clock around the client process.
//   - CPU time of the client is what wait4 says, with the children that it
//     waited for. Each timed run has a daemon of its own, so that the same is
//     exact for the daemon too, rather than in ticks of 10 ms: it is ended when
//     its children for the connection are reaped, and what it had used when it
//     began to listen is taken off.
//   - Memory is the peak (VmHWM) of the largest process on each side, sampled.
//     The rusage of a child would begin with the memory of the program that
//     forked it, which is this one.
//   - What a daemon needs once it knows a file is its CPU time from the 2nd of ten
//     pulls on. It is exact but for the children of stock rsync up to there, which
//     are counted in ticks of 10 ms.
//   - A long link is a proxy that delays each byte and holds the rate of each
//     connection; its own work is no part of either end.
//   - Bytes are what the programs say in their --stats.
//
// The rolling search by itself is measured where it lives:
// go test -bench Search ./delta.
//
// # What is left behind
//
// Nothing, however the run ends: the directory for files is deleted on an
// interrupt too, processes die with this one, and mounts (as root) are in a
// mount namespace of its own. Only kill -9 leaves the directory. All sockets
// are on 127.0.0.1.
package main
