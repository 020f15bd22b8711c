// Package native is the codec of syncd's own dialect. It turns requests,
// answers and hellos into bytes of a wire.Conn and back, and checks every
// field that a peer sends before anything uses it. protocol.md beside this
// file defines the bytes.
//
// Call order. The client calls SendClientHello and ReadServerHello; the server
// ReadClientHello and SendServerHello. From then on the side that is the sink
// holds an Asker and the side that is the source an Answerer:
//
//	Asker:    Ask, ..., Flush          (one goroutine)
//	          Next, then Data/Discard  (another goroutine)
//	Answerer: Next                     (one goroutine)
//	          Page, Data, ..., Flush   (another goroutine)
//
// Each half is for one goroutine at a time; the halves are independent. What the reader
// of requests has taken of a DELTA's signature, the other goroutine gets from its Pieces.
//
// Any error except *wire.FileError ends the connection: the stream is then
// out of step and only Close is left. Nothing in this package touches a tree.
package native
