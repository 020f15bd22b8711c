// Package rsync encodes and decodes the dialect of stock rsync, protocols 27
// to 32. It has no engine: it walks no tree, compares no file and decides
// nothing. Decoders and encoders are symmetric, so that client and server,
// sender and receiving side can all be built on them.
//
// The protocol has no specification but its implementation. Functions name
// what they mirror as file:function of rsync 3.5.0; the tests hold them against
// that program in all four roles.
//
// # Call order
//
// A session over a daemon, client's and server's side:
//
//	ClientHello              DaemonHello
//	Hello.OpenModule         ReadRequest, [Hello.Challenge], Accept
//	Args.Build, WriteArgs    ReadArgs, ParseArgs
//	ClientSetup              ServerSetup
//	[WriteFilters]           [ReadFilters]     if Args.SendsFilters
//	[WriteNames]             [ReadNames]       --files-from, either way
//
// Over a remote shell the first three lines are WriteVersion and ReadVersion on
// both sides, and the arguments are the server's command line. Then, on
// whichever side has the source and whichever has not:
//
//	sender                            receiving side
//	ListEncoder.First, Add, End       ListDecoder.First
//	loop over Reader.NDX:             generator: Writer.Record, WriteSums,
//	  Record, SumHead, ReadSums         NDXDone for each list and phase
//	  write Record, SumHead,          receiver: loop over Reader.NDX:
//	    TokenWriter, sum of the file    Record, SumHead, TokenReader, sum
//	[WriteStats], ReadGoodbye         [ReadStats], NDXDone
//
// With incremental recursion the sender's stream carries further lists
// (ListEncoder.Next, ListDecoder.Next) between its answers, announced by an NDX
// that ListDir knows. Writers are buffered: Flush before waiting for the peer.
//
// # Bodies
//
// Literals are ranges. Without compression a TokenWriter puts as many literals
// as fit into one frame, each a four-byte head and a range that goes from file
// to stream by SendFile; a TokenReader takes them by RecvFile, in pieces as
// frames end. Compressed literals pass through this process.
//
// # Concurrency
//
// A Reader and what decodes from it belong to one goroutine, a Writer and what
// encodes to it to another; Writer.Message and Writer.KeepAlive may be called
// by anyone. Lists are safe for concurrent use. The only goroutine that the
// package starts is the coroutine of a decompressor, which lives from the first
// compressed literal to TokenReader.Close.
//
// # What a failure leaves
//
// A [*wire.FileError] says that a file failed; the stream is in step, and the
// sum at the end of the file tells the receiving side. An error that wraps
// [ErrEntry] says that a file was left out of a list, of which nothing was
// written. Any other error ends the session: the Reader or Writer is of no
// further use, and [ExitCode] has the exit code that stock would end with.
//
// # Peers
//
// Every length, count and index is checked where it is read, against the
// protocol's limits and against what it relates to. Memory is allocated as
// bytes arrive, in steps of 64 KiB. What is forbidden only by the receiving
// side's own arguments (names that were not asked for, deletions, a transfer of
// what is no regular file) is for the engine to check.
package rsync
