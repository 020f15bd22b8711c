package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestSignaturesOfMoreThanMayBeHeld updates files in place whose signatures are
// together longer than a sink holds at a time. Each is needed until what its file
// lacks has come: the sink must ask for that while the next one waits for room.
func TestSignaturesOfMoreThanMayBeHeld(t *testing.T) {
	const size, files = 16 << 20, 6 // of 5 MiB each, of 16 MiB
	src := t.TempDir()
	for i := range files {
		randomFile(t, filepath.Join(src, fmt.Sprint(i)), size, byte(i+1))
	}
	into := t.TempDir()
	d := serve(t, daemonConfig{modules: []module{{name: "src", path: src}, {name: "dst", path: into, writable: true}}})
	for _, way := range []string{"pull", "push"} {
		for _, options := range [][]string{{"--inplace"}, {}, {"--inplace", "--streams=3"}} {
			dst, from, to := into, src+"/", d.url("dst/")
			if way == "pull" {
				dst = t.TempDir()
				from, to = d.url("src/"), dst+"/"
			}
			for i := range files {
				old, err := os.ReadFile(filepath.Join(src, fmt.Sprint(i)))
				check(t, err)
				copy(old[size/2:], bytes.Repeat([]byte{byte(i)}, 1000))
				check(t, os.WriteFile(filepath.Join(dst, fmt.Sprint(i)), old[:size-1], 0o644))
			}
			s := mustSync(t, append(options, "--block-size=64", from, to)...)
			if s.LiteralBytes > files<<20 {
				t.Errorf("%s %v: %d bytes of literals", way, options, s.LiteralBytes)
			}
			judge(t, src, dst)
		}
	}
}

// TestMemoryOfSignatures pushes files that are signed faster than the client can search
// them: the daemon must not sign ahead all that it has.
func TestMemoryOfSignatures(t *testing.T) {
	const size, files = 16 << 20, 24 // signatures of 5 MiB each
	src, dst := t.TempDir(), t.TempDir()
	for i := range files {
		name := fmt.Sprint(i)
		randomFile(t, filepath.Join(src, name), size, byte(i+1))
		editFile(t, filepath.Join(src, name), filepath.Join(dst, name), 3)
	}
	d := serve(t, daemonConfig{modules: []module{{name: "dst", path: dst, writable: true}}})
	mustSync(t, "--block-size=64", "--bwlimit=40m", src+"/", d.url("dst/"))
	judge(t, src, dst)
	if peak := d.peakMemory(); peak > 120<<10 {
		t.Errorf("the daemon took %d MiB", peak>>10)
	} else {
		t.Logf("the daemon took %d MiB", peak>>10)
	}
}
