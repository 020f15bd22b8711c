// Package delta finds what a new file and a basis have in common, by rsync's
// algorithm (A. Tridgell and P. Mackerras, "The rsync algorithm", 1996): a weak sum
// that rolls over a file byte by byte finds candidates among the blocks of the
// other file, a strong sum confirms them. It speaks to no peer, opens no file and
// logs nothing. What it finds is verified if the strong sums are whole digests, as the
// native dialect's are; where they are short, a digest of the result is the caller's
// duty.
//
// # Call order
//
//  1. Params: [NativeParams], or the stock dialect's own with [StockBlockSize] and
//     [StockStrongLen].
//  2. [Sign] reads one file and makes its [Signature], which travels as
//     [Signature.AppendBinary] and [ParseSignature], or as a dialect likes, through
//     its accessors and [NewSignature]. Or it travels while it is made: Options.Signed
//     says how much of it there is, [Signature.AppendGroups] encodes that, and a
//     [Decoder] takes it in pieces.
//  3. The side that has the other file searches it: [Search] if that is the new
//     file and the signature the basis's (the source searches), [SearchBasis] if
//     it is the other way round (the sink searches); a [FileSearch] and a [BasisSearch]
//     begin while the signature still comes. They emit the same: ops, which say of each
//     range of the new file where it is.
//
// # How a search works
//
// A file is cut into spans, a segment or a few each, which the workers take one by
// one. In a span a scanner does, until its end:
//
//  1. Stride (scan.go): while the block expected next is there, go on by whole
//     blocks, for the price of one strong sum each. If it is not, look a block
//     further, since most edits keep the length; then ask the index.
//  2. Roll (sweep.go): move the window byte by byte, a batch at a time, through a
//     filter that fits in L2. On amd64 with AVX2 this is in assembly, and what it
//     asks first is mostly in L1.
//  3. Look up (index.go): what passes the filter is searched in the index of the
//     blocks, and its strong sum compared. Then stride again.
//
// SearchBasis offers what it finds to Options.Take at once, while the bytes are in
// the processor's cache.
//
// A search looks ahead (ahead.go): for a part of the signature that has come it
// searches what follows that which was found last, by an index of that part alone. When
// all has come it searches what lies between. Most files have not moved by more than a
// MiB, and nearly all of them is found ahead; where much is searched in vain it waits for
// the whole signature.
//
// The spans' matches are merged in order (search.go, searchbasis.go), on the
// caller's goroutine: where they overlap at a seam the earlier one wins, and among
// blocks of the same content the one that lengthens a copy is taken.
//
// A repetitive file is linear: its equal blocks are one group of the index, and
// each match is strided over. A hostile one is, too: the bytes hashed for wrong
// candidates have a budget.
//
// # Concurrency and failures
//
// Every function may be called from many goroutines; an io.ReaderAt is read by
// several at once. Each function waits for the goroutines it started. Cancelling
// the context ends it after at most a window (less than a MiB, or a few blocks) in each
// worker. The result depends on the files and options but never on the number of
// workers.
//
// An error from the file is returned with its offset, a file that ends early is
// [ErrTruncated]; then Options.Whole is of no use. A search that fails
// may already have emitted ops: Search and FileSearch some correct ones, the others none
// unless emit itself failed.
//
// The build tag purego leaves the assembly out.
package delta
