package delta

import "errors"

var (
	// ErrNothingInCommon ends a search that met no block within the first
	// Options.GiveUp bytes: a plain transfer is cheaper.
	ErrNothingInCommon = errors.New("nothing in common with the basis")

	// ErrTruncated says that a file has become shorter than the size with which
	// the call was made. Stat it again and start anew.
	ErrTruncated = errors.New("file became shorter while it was read")

	// ErrSignature says that a signature, or its encoding, contradicts itself or
	// exceeds a limit of this package.
	ErrSignature = errors.New("invalid signature")

	// ErrParams says that Params are outside of the limits of this package, or
	// that they cut a file into more than MaxBlocks blocks.
	ErrParams = errors.New("invalid delta parameters")
)
