// Package config loads, checks, shows and documents the daemon's
// configuration.
//
// [Load] reads a YAML or TOML file by its ending, lets SYNCD_ environment
// variables override its scalars and lists, and validates the result. It
// refuses what it does not know: a key, a value of another type, a duration
// without a unit. All errors of a file are reported together, one line each:
// "file:line: key: what to do". [Config.Check] looks at the file system too.
//
// The table in keys.go is the one definition of keys, defaults and their
// documentation; [Example], [Default] and the reference are made from it.
//
// Three traps of viper are avoided: it lower-cases the keys of maps and splits
// them at dots (modules are a list, and keys are checked as written before
// viper sees them); a number becomes a duration in nanoseconds (refused); its
// watching of files races (a reload is another Load, and whoever holds a Config
// swaps a pointer).
//
// Functions keep no state; a Config is safe for concurrent reading. Load
// returns no Config with an error.
package config
