package main

import (
	"net"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"syncd": main})
}

// TestScripts runs the command lines of testdata/script. Beyond testscript's
// own commands there is
//
//	await ADDR    wait until something listens on ADDR
//
// and $ADDR, an address on loopback that is free.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			e.Setenv("ADDR", l.Addr().String())
			e.Setenv("TZ", "UTC")
			return l.Close()
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"await": await},
	})
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await ADDR")
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", args[0])
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("nothing listens: %v", err)
		}
	}
}

func TestParseRate(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "1": 1024, "500": 500 << 10, "1.5": 1536, "512B": 512, "1K": 1024, "1KiB": 1024, "1KB": 1000,
		"2M": 2 << 20, "2m": 2 << 20, "2MB": 2_000_000, "1.5MiB": 3 << 19, "1G": 1 << 30, "3GB": 3_000_000_000, "1T": 1 << 40,
	} {
		if got, err := parseRate(in); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "fast", "-1", "511B", "0.1", "1X", "1KM", "M", "NaN", "Inf", "1e30", "99999999999G", "1 M"} {
		if got, err := parseRate(in); err == nil {
			t.Errorf("%q: %d, want an error", in, got)
		}
	}
}
