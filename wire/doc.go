// Package wire moves messages and file bodies over one byte stream.
//
// A message is a handful of bytes that user space looks at: a header, a
// request, a list of sums. A body is a range of a file. A [Conn] puts both on
// the stream in the order of the calls, and the other end takes them off in
// the same order; nothing on the stream says which is which, the dialect
// above does. On a TCP or Unix socket and on a pipe a body goes from file to
// pipe to stream and from stream to pipe to file by splice(2), so that it
// never enters user space. Every exception is counted by name in [Stats].
//
// # Call order
//
// One half of a Conn sends:
//
//	Write, SendFile  in any order, any number of times
//	Flush            before the peer's answer is waited for
//
// The other half receives:
//
//	Read, RecvFile, Discard  in the order in which the peer sent
//	GatherFile               instead of RecvFile, where a dialect puts something
//	WriteOut                 between the pieces of a file; then, before the file is used
//
// [Copier] moves ranges between local files and needs no Conn.
//
// # Concurrency
//
// The halves are independent: one goroutine may send while another receives.
// Each half is for one goroutine at a time. Close may be called from
// anywhere; it unblocks both halves and returns when both have left the
// kernel. A Conn starts no goroutine.
//
// # What a failure leaves
//
// A [*FileError] says that a file failed, not the connection: the half that
// returned it has put or taken exactly as many bytes as was asked for, with
// zeros in place of what could not be read, and the next call finds the
// stream in step. Any other error ends its half: the pipe, perhaps with bytes
// still in it, is closed at once, and each later call returns the same error.
// [ErrTimeout] and [net.ErrClosed] can be asked for with errors.Is.
//
// # The pump
//
// Each half owns one pipe, made at the first need, and the receiving half a second
// one if it is to gather. The rules that keep the pumping free of deadlock and of
// lost bytes:
//
//  1. A pipe is filled from a stream only when it is empty, so EAGAIN means
//     that the stream has nothing and never that the pipe is full. Between two
//     pipes it means that the second is full: of pieces, however short they are.
//  2. The bytes in a pipe are counted; what is counted is what is moved on.
//  3. Nothing ever waits for a pipe. Waiting is for the stream, inside the
//     callbacks of its syscall.RawConn, where deadlines and Close reach.
//  4. Pages travel by reference: a source that is changed after SendFile can
//     arrive changed. Whoever cares compares digests.
//
// Sources: splice(2), sendfile(2), pipe(7), and the kernel's fs/splice.c.
package wire
