package syncd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

func TestExitCodes(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"success", nil, ExitOK},
		{"a code of its own", fmt.Errorf("x: %w", Exitf(ExitMaxDelete, "y")), ExitMaxDelete},
		{"a refusal", &native.RefusedError{Code: native.CodeDenied}, ExitStart},
		{"a refused option", &native.RefusedError{Code: native.CodeOption}, ExitUnsupported},
		{"a peer that is no syncd", &native.NotNativeError{}, ExitStart},
		{"what the peer says", &native.FatalError{Code: 23}, 23},
		{"nonsense that the peer says", &native.FatalError{Code: 900}, ExitStream},
		{"a signal", context.Canceled, ExitSignal},
		{"silence", fmt.Errorf("x: %w", wire.ErrTimeout), ExitTimeout},
		{"a broken protocol", fmt.Errorf("x: %w", native.ErrProtocol), ExitProtocol},
		{"a file", &wire.FileError{Err: syscall.ENOSPC}, ExitFileIO},
		{"a path", &os.PathError{Err: syscall.EACCES}, ExitFileIO},
		{"a connection that ends", io.ErrUnexpectedEOF, ExitStream},
		{"a reset connection", syscall.ECONNRESET, ExitStream},
	}
	for _, tt := range tests {
		if got := ExitCode(tt.err); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain":      "plain",
		"a\nb":       `a\#012b`,
		"esc\x1b[m":  `esc\#033[m`,
		`back\slash`: `back\slash`,
		`\#012x`:     `\#134#012x`,
		"\xff\x7f":   `\#377\#177`,
		"tab\tünï":   "tab\tünï",
		"\u009b31m":  `\#302\#23331m`,
		"\ufffd":     "\ufffd",
		"":           "",
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestLetters(t *testing.T) {
	file, dir, link := &wire.Entry{Mode: unix.S_IFREG}, &wire.Entry{Mode: unix.S_IFDIR}, &wire.Entry{Mode: unix.S_IFLNK}
	tests := []struct {
		item item
		e    *wire.Entry
		want string
	}{
		{item{update: '>', isNew: true}, file, ">f+++++++++"},
		{item{update: 'c', isNew: true}, dir, "cd+++++++++"},
		{item{update: '<', change: tree.ChangeSize | tree.ChangeTime}, file, "<f.st......"},
		{item{update: '.', change: tree.ChangePerms | tree.ChangeOwner | tree.ChangeGroup | tree.ChangeACL | tree.ChangeXattr}, dir, ".d...pog.ax"},
		{item{update: 'c', content: true, change: tree.ChangeTime}, link, "cLc.t......"},
		{item{update: 'h', isNew: true}, file, "hf+++++++++"},
	}
	for _, tt := range tests {
		if got := tt.item.letters(tt.e); got != tt.want {
			t.Errorf("letters = %q, want %q", got, tt.want)
		}
	}
}

func TestSpoolKeepsOrderBeyondItsMemory(t *testing.T) {
	var s spool
	defer s.close()
	const n = 40_000 // of 40 bytes and more: past spoolMemory
	for i := range n {
		if err := s.add(spoolDelete, fmt.Sprintf("dir%d", i/100), strings.Repeat("n", 30)+fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	if s.file == nil {
		t.Fatal("nothing was spilled")
	}
	i := 0
	err := s.each(func(kind byte, dir, name string) error {
		if kind != spoolDelete || dir != fmt.Sprintf("dir%d", i/100) || !strings.HasSuffix(name, "n"+fmt.Sprint(i)) {
			t.Fatalf("record %d is %c %s %s", i, kind, dir, name)
		}
		i++
		return nil
	})
	if err != nil || i != n {
		t.Fatalf("%d records, %v", i, err)
	}
	stop := errors.New("stop")
	if err := s.each(func(byte, string, string) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("an error of the callback came as %v", err)
	}
}

func TestParseLocation(t *testing.T) {
	good := map[string]Location{
		"dir/":                           {Path: "dir/"},
		"./a:b":                          {Path: "./a:b"},
		"/a:b":                           {Path: "/a:b"},
		"syncd://h/m":                    {Host: "h:8730", Module: "m"},
		"syncd://h":                      {Host: "h:8730"},
		"syncd://u@h:9/m/a/b%20c/":       {Host: "h:9", User: "u", Module: "m", Path: "a/b%20c/"},
		"syncd://[::1]:9/m/":             {Host: "[::1]:9", Module: "m"},
		"syncd://h/m//a":                 {Host: "h:8730", Module: "m", Path: "a"},
		"syncd://h/m/name\nof two lines": {Host: "h:8730", Module: "m", Path: "name\nof two lines"},
	}
	for in, want := range good {
		got, err := ParseLocation(in)
		if err != nil || got != want {
			t.Errorf("ParseLocation(%q) = %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "syncd://", "syncd:///m"} {
		if l, err := ParseLocation(in); ExitCode(err) != ExitUsage {
			t.Errorf("ParseLocation(%q) = %+v, %v; want a usage error", in, l, err)
		}
	}
}

func TestJobTakesOnlyWhatItAskedFor(t *testing.T) {
	j := &job{want: []native.Range{{Off: 10, N: 5}, {Off: 20, N: 5}}, next: 10}
	for _, bad := range []native.Range{{Off: 9, N: 1}, {Off: 10, N: 6}, {Off: 11, N: 1}, {Off: 20, N: 5}} {
		if j.expect(bad.Off, bad.N) {
			t.Errorf("took %v", bad)
		}
	}
	for _, good := range []native.Range{{Off: 10, N: 2}, {Off: 12, N: 3}, {Off: 20, N: 5}} {
		if j.complete() || !j.expect(good.Off, good.N) {
			t.Fatalf("refused %v", good)
		}
	}
	if !j.complete() || j.expect(25, 1) || j.expect(20, 5) {
		t.Error("took more than it asked for")
	}
}

func TestMergeRanges(t *testing.T) {
	got := mergeRanges([]native.Range{{Off: 20, N: 5}, {Off: 0, N: 5}, {Off: 5, N: 5}, {Off: 22, N: 10}})
	if fmt.Sprint(got) != "[{0 10} {20 12}]" {
		t.Errorf("got %v", got)
	}
}
