// Package rsyncd reads the rsyncd.conf of a stock rsync daemon.
//
// Sources: rsyncd.conf(5) of rsync 3.5.0; for what the manual leaves open,
// params.c and loadparm.c, and the stock daemon's behaviour.
//
// [Load] reads a file, and those that it includes, and returns what it says as
// a [config.Config], which is all that the daemon knows of. What can't be said
// in one comes as a list of [Note]s: nothing is dropped in silence. A Note that
// is Unsafe is about something without which more would be allowed than the
// administrator meant, a check by a program of theirs, for one: a daemon must
// not start with such a file.
//
// Errors have the file and the line. Stricter than stock, which logs it and
// takes the default: a value that is no number, or neither yes nor no, is an
// error. As with stock, unknown parameters and lines that make no sense are
// not; they come as Notes.
//
// Files, lines and modules are bounded. The functions keep no state. Load reads
// the environment, for %VAR% in values, and nothing but the files.
package rsyncd
