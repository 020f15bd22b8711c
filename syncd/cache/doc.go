// Package cache remembers the digests and signatures of files, so that a file
// that many clients pull is hashed once, and not again after a restart.
//
// A sum belongs to a version of a file: size, mtime, ctime and inode. It is an
// immutable fact: nothing that is remembered ever has to be taken back, only not
// to be asked for any more. So an entry may be lost or old at any time, and
// nothing has to be written in order.
//
// # Call order
//
// [New] makes a cache in memory. [Cache.Open] puts a file behind it, and
// [Cache.Close] writes what waits and gives the file up; both are optional.
// [Cache.Get] and [Cache.Put] are for any goroutine at any time. A nil Cache
// remembers nothing.
//
//	Put -> fresh, a bounded map -> merged, by the writer, into records
//	Get -> fresh, else the records in memory, else the file's
//
// The writer is one goroutine, between Open and Close. Without it Put merges now
// and then. Nobody waits for the disk but a Get that reads a record.
//
// # Records and generations
//
// A record is the packed sums that are asked for together (record.go): the whole
// files of a directory by one algorithm, the ranges of 4 GiB of a large file, or
// one signature. Memory and file both keep two generations of records. When the
// new one is full, the old one is dropped and the new one becomes the old; what is
// asked for moves into the new one. So both are bounded, and keep what is in use.
//
// # Time
//
// No sum is taken or given for a file whose ctime is not past by [ClockStep]: its
// next change could get the same. Where the clock was set back, that holds for
// every file that was changed since, and records from the future count for
// nothing until their time has come.
//
// # Failures
//
// No error of the file reaches a caller: the cache goes on in memory, and the log
// says so once. A record has a checksum over itself and its key. The structure of
// the file is checked before it is opened (verify.go), since bbolt trusts it; one
// that is damaged, or of another format, is made anew. Writes are not forced to
// disk: a killed process loses what it has not written, a power failure can
// leave a file that the check throws away.
package cache
