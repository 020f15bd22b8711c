//go:build !amd64 || purego

package delta

// weakHalves returns the halves of a block's weak sum.
func weakHalves(data []byte) (a, b uint32) { return weakHalvesGo(data) }

// vector does no part of the work of run.
func (*sweep) vector(*filter, []byte, []byte, uint32, *uint32, *uint32) int { return 0 }
