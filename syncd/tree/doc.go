// Package tree is the only way in which syncd touches a directory tree.
//
// A [Root] is the operator's directory. Everything below it is reached from a
// held directory fd (a [Dir]) with openat2(2) under RESOLVE_BENEATH,
// RESOLVE_NO_MAGICLINKS and RESOLVE_NO_SYMLINKS, or with an *at call on a
// single name that follows no symlink; metadata is read and set through an fd of the inode itself. No
// path is looked up twice, so a symlink that is swapped in during a run leads
// nowhere. Names of peers are checked here ([ErrName]), file types again after
// the open.
//
// # Call order
//
// Read a tree: [OpenRoot], [Root.Dir] or [Dir.OpenDir], [Dir.Names],
// [Dir.EntryInto] for each name, [Dir.Open] for a body.
//
// Write a regular file: [Dir.Stage], write to [Staged.File], [Meta.Apply] on
// it, [Staged.Commit]; [Staged.Persist] and [Dir.Resume] let one outlive its
// run. Below a directory that nobody sees yet, [Dir.Create]
// and [Meta.Apply] do. Other types: [Dir.MakeNode], [Dir.Link], and
// [Dir.StageDir] or [Dir.Mkdir]. Metadata alone: [Meta.Diff], then
// [Meta.ApplyAt]. A directory's own metadata comes after its contents, because
// each change in it moves its mtime.
//
// # Staging names
//
// Whatever is not finished has a name that [IsStagingName] knows. Listings set
// such names apart ([Names.Leftovers]), so they are never taken for data. The
// run that made one holds a flock(2) on it; [Dir.RemoveLeftover] removes only
// what nobody holds. What cannot be locked (a symlink, a node, a file system
// without flock) counts as left over once it is a day old.
//
// # Concurrency
//
// All methods may be called by several goroutines at once, except those of
// Staged and StagedDir, and Close, which ends the life of their receiver. The fds of Root,
// Dir, Staged and StagedDir belong to whoever called the method that returned
// them. No goroutine is started here.
//
// # Failures
//
// Errors are [*fs.PathError] with the path relative to the root, unescaped as
// the file system has it: quote it before it gets to a terminal. A failed call
// leaves the entry of that name as it was, whole; it may leave an entry with a
// staging name if the process is killed or if the removal fails too. Apply and
// ApplyAt go on after a failed step and report all that failed. RemoveTree
// does the same, children before parents.
package tree
