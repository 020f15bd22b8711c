// Package syncd is the engine: it makes a directory equal to what a source
// shows, on this host or between two, and it is the daemon.
//
// A source answers requests and decides nothing; a sink compares, asks, builds
// and commits. On a pull the client is the sink, on a push the daemon; either
// dialect only translates.
//
//	Transfer.Run            one run of `syncd sync`: pull, push or local
//	Server.Serve, session   the daemon: a session plays the role that its client
//	                        does not
//	source, view            what a source shows, and its answers
//	sink, node, job         what a sink does: plan, receive, check, work, commit
//	search, taker           finding the source's blocks in a basis, on a pull
//	builder, checker        how a file is put together of its basis, and verified
//	steady, sweeper         what is known of a basis meanwhile, and what becomes of it
//	select.go, backup       which entries it passes over; what becomes of the old ones
//	journal, resume.go      what a broken run has got of a file, for the next one
//	streams, split, join    several connections of one session: the sink's side, a
//	                        large file in parts, how they come together
//	sources                 a source on several connections
//	lookahead               its helpers, which look at directories ahead of the answers
//	group, ahead            small files: sent together, made before they come
//	limits                  how much a sink has under way
//	retry.go                another connection when one breaks
//	stock_*.go              the same roles with stock rsync at the other end
//	module, admit.go        who may have a module, and what for
//	child.go                sessions that run with other ids, in other processes
//
// Call order: fill a Transfer and call Run once; or NewServer, Listen, Serve.
//
// Concurrency: a Transfer runs in goroutines of its own, which have ended when
// Run returns; the comment on sink lists them. A Server runs one session for
// each client. Stats may be read at any time.
//
// Failures: an error of one file is reported, counted and skipped, and the run
// ends with exit code 23 or 24; any other error ends the run. Either way every
// file is whole, the old or the new one, but one that was being updated in place.
// Staged files are removed, but those of more than a segment whose journal says
// what of them is verified (see resume.go); what a broken run leaves has a staging
// name, is hidden from listings, and is adopted or removed by the next run.
package syncd
