package syncd

import (
	"bytes"
	"encoding/gob"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seed9553035b/syncd/config"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/wire/native"
)

// TestHandover has a child know what the daemon does: bytes that are no UTF-8,
// and what files say that it may not read.
func TestHandover(t *testing.T) {
	dir := t.TempDir()
	from, merged := filepath.Join(dir, "from"), filepath.Join(dir, "merged")
	for path, text := range map[string]string{from: "/from\xff\n", merged: "- /merged\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := config.Default()
	cfg.Modules = []config.Module{{Name: "m\xfe", Path: "/srv/\xfd", Exclude: []string{"/secret\xfc"}, ExcludeFrom: from, Filter: []string{"merge " + merged},
		MaxVerbosity: new(int)}}
	files, err := ruleFiles(&cfg.Modules[0])
	if err != nil {
		t.Fatal(err)
	}
	for path := range files {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	want := &handover{Config: cfg, Files: files, Number: 7, Client: "c", Socket: true, Began: time.Now().Round(0), ReadOnly: true, User: "j\xfb",
		Hello: &native.ClientHello{Role: native.RolePull, Paths: [][]byte{{0xfa}}, Options: []byte(`{"delete":true}`)}}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(want); err != nil {
		t.Fatal(err)
	}
	got, err := readHandover(&b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	m, err := newModule(&got.Config.Modules[0], got.open)
	if err != nil {
		t.Fatal(err)
	}
	for path, hidden := range map[string]bool{"secret\xfc": true, "secret\ufffd": false, "from\xff": true, "merged": true, "other": false} {
		if m.hidden.Excluded(path, false, filter.Sender) != hidden {
			t.Errorf("%q: hidden is not %v", path, hidden)
		}
	}
	if _, err := newModule(&config.Module{Name: "m", ExcludeFrom: "/other"}, got.open); err == nil {
		t.Error("a file that was not handed over is there")
	}
	for name, text := range map[string]string{"nothing": "", "no gob": "{}"} {
		if _, err := readHandover(bytes.NewReader([]byte(text))); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
