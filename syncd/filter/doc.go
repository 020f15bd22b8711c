// Package filter decides which paths a transfer covers, by rsync's filter
// rules.
//
// Sources: rsync(1) of 3.5.0, section FILTER RULES; for what a rule looks like
// on the wire, exclude.c (get_rule_prefix, send_rules, recv_filter_list).
//
// Call order: fill a [List] with AddRule, AddExclude, AddInclude, AddFrom and
// ParseWire in the order of the options, then AddCVS if asked for. Walk the
// tree with [List.Enter] at each directory and [Scope.Match] at each entry in
// it; an entry whose verdict is [Exclude] is left out, and not entered if it
// is a directory. The first rule that matches decides. A daemon that holds a
// path rather than a walk asks [List.Excluded].
//
// Concurrency: a List is filled by one goroutine and is read-only from its
// first Enter or Match on. Then it and its Scopes are safe for concurrent use.
//
// Cost: matching takes time linear in the length of the path for each rule,
// whatever the pattern: wildcards run as a bit-parallel automaton, which never
// goes back. Rules are bounded one by one (5119 bytes) and together (64 MiB).
//
// Failure: a call that adds rules and fails may have added those before the
// bad one; the list is then not to be used. An Enter that fails leaves parent
// as it was.
//
// Where the manual and the stock program disagree, the manual is followed: a
// word-split merge file may have a space between prefix and pattern, and rules
// of a merge file inherit the x modifier. An anchored pattern of a merge file
// works in directories whose names look like wildcards. Stricter than stock: a pattern of
// 4096 bytes or more, a merge file that is there but cannot be read, and an
// argument to "-C" are errors rather than ignored. A "." rule inside a
// per-directory file names a file of the same directory.
package filter
