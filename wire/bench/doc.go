// Package bench measures the transports of package wire against each other, in
// the table of the article that the project started from: what each technique
// costs by theory, and what it costs here.
//
// It is below wire because it needs wire and nothing else, and apart from it
// because no transfer needs it. What syncd as a whole costs, beside its peers,
// is measured by integration/bench.
//
// # How it is measured
//
// A run moves one file from the page cache through a TCP connection on loopback
// into a new file. Each end is a process of its own, so that the kernel's
// account (getrusage) is of that end: the program runs itself, and hands the
// socket and the file over as descriptors 3 and 4. The clock and the account
// begin when both are ready, and end when the receiver has written the last
// byte.
//
//   - The pairs of a sender and a receiver take turns, in another order in each
//     round, and what counts are medians: a noisy moment hits all of them.
//   - The round before the first is not timed; what arrives in it is compared
//     with the source.
//   - Before each timed run as much memory as it needs is written and given
//     back: a virtual machine is slow at the first touch of memory that its host
//     has taken away.
//   - System calls are those that wire makes to move bytes, counted where it
//     makes them. Calls of the runtime that wait are not among them; the
//     context switches tell of those. Each call is two mode switches.
//
// On loopback the kernel does much of the receiver's work for TCP in the
// sender's context, and charges the sender for it. No byte passes a network
// card: the two copies by DMA, from the disk and to the card, are in the theory
// only.
//
// # Call order
//
// [Run] returns a [Report], which can be written as a table, a chart, or JSON.
// The program has to call [RunEnd] when it is started with Options.End.
//
// # What is left behind
//
// Nothing, however a run ends: the files that it makes have no names by the time
// that they have content. Each end gives up when its peer is silent.
package bench
