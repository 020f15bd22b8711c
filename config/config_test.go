package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDefault(t *testing.T) {
	want := &Config{
		Listen:           []string{"127.0.0.1:8730"},
		Log:              Log{Level: "info", Format: "text"},
		Timeout:          10 * time.Minute,
		HandshakeTimeout: time.Minute,
		ShutdownTimeout:  30 * time.Second,
		MaxStreams:       8,
		Transport:        "splice",
		Digest:           "xxh3-128",
		Fsync:            "commit",
		Cache:            Cache{Dir: "auto", Limit: 256},
	}
	t.Setenv("SYNCD_FSYNC", "none") // the environment is not a default
	if d := cmp.Diff(want, Default()); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	var m Module
	for key, value := range map[string]any{"read_only": m.IsReadOnly(), "list": m.IsListed(), "reverse_lookup": m.LooksUpNames(),
		"forward_lookup": m.LooksUpHosts(), "strict_modes": m.IsStrict(), "max_verbosity": m.Verbosity()} {
		if want := keyAt("modules[]." + key).Default; value != want {
			t.Errorf("%s: the default is %v, the method's %v", key, want, value)
		}
	}
}

func TestShowLoadsAgain(t *testing.T) {
	for name, c := range map[string]*Config{"default": Default(), "complete": complete()} {
		t.Run(name, func(t *testing.T) {
			var shown strings.Builder
			if err := c.Show(&shown); err != nil {
				t.Fatal(err)
			}
			again, err := Load(write(t, "c.yaml", shown.String()))
			if err != nil {
				t.Fatalf("%v\n%s", err, shown.String())
			}
			if d := cmp.Diff(c, again); d != "" {
				t.Errorf("shown -, loaded +\n%s", d)
			}
		})
	}
}

func TestExampleIsTheDefaults(t *testing.T) {
	c, err := Load(write(t, "c.yaml", Example()))
	if err != nil {
		t.Fatalf("%v\n%s", err, Example())
	}
	if len(c.Modules) != 1 || !c.Modules[0].IsReadOnly() {
		t.Errorf("modules: %+v", c.Modules)
	}
	c.Modules = nil
	if d := cmp.Diff(Default(), c); d != "" {
		t.Errorf("default -, example +\n%s", d)
	}
	for _, k := range Keys() {
		if k.Doc == "" {
			t.Errorf("%s has no documentation", k.Path)
		}
		for line := range strings.Lines(strings.TrimPrefix(k.Doc, "\n")) {
			if !strings.Contains(Example(), "# "+strings.TrimSpace(line)+"\n") {
				t.Errorf("%s: %q is not in the example", k.Path, line)
			}
		}
	}
}

// TestKeysAreTheFields holds the table against the structs.
func TestKeysAreTheFields(t *testing.T) {
	types := map[string]reflect.Type{
		typeString: reflect.TypeFor[string](), typeBool: reflect.TypeFor[bool](), typeInt: reflect.TypeFor[int](),
		typeDuration: reflect.TypeFor[time.Duration](), typeStrings: reflect.TypeFor[[]string](),
	}
	fields := make(map[string]reflect.Type)
	var visit func(prefix string, of reflect.Type)
	visit = func(prefix string, of reflect.Type) {
		for f := range of.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			switch in := f.Type; {
			case in.Kind() == reflect.Struct:
				visit(prefix+name+".", in)
			case in.Kind() == reflect.Slice && in.Elem().Kind() == reflect.Struct:
				visit(prefix+name+"[].", in.Elem())
			case in.Kind() == reflect.Pointer:
				fields[prefix+name] = in.Elem()
			default:
				fields[prefix+name] = in
			}
		}
	}
	visit("", reflect.TypeFor[Config]())
	var documented []string
	for _, k := range Keys() {
		documented = append(documented, k.Path)
		if fields[k.Path] != types[k.Type] {
			t.Errorf("%s: a %s in the table, a %v in the struct", k.Path, k.Type, fields[k.Path])
		}
	}
	for name := range fields {
		if !slices.Contains(documented, name) {
			t.Errorf("%s is not in the table", name)
		}
	}
}

func TestCheckLooksForDirectories(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.Modules = []Module{{Name: "a", Path: dir}, {Name: "b", Path: file}, {Name: "c", Path: filepath.Join(dir, "none")},
		{Name: "d", Path: "/home/%RSYNC_USER_NAME%"}}
	if err := c.Validate(); err != nil {
		t.Errorf("Validate looks at files: %v", err)
	}
	want := "modules[1].path: " + file + " is not a directory\n" +
		"modules[2].path: stat " + filepath.Join(dir, "none") + ": no such file or directory"
	if err := c.Check(); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	c.Modules = c.Modules[:1]
	if err := c.Check(); err != nil {
		t.Error(err)
	}
}

func TestLoopbackAddresses(t *testing.T) {
	for addr, want := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:0": true, "[::1]:65535": true, "localhost:1": true, "[::ffff:127.0.0.1]:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "localhost.example:1": false, "[fe80::1%lo]:1": false,
	} {
		if got, err := splitAddress(addr); err != nil || got != want {
			t.Errorf("%s: got %v, %v", addr, got, err)
		}
	}
}

func TestSystemdUnit(t *testing.T) {
	for _, line := range []string{"[Unit]", "[Service]", "Type=notify", "KillMode=mixed", "ProtectSystem=strict", "NoNewPrivileges=yes", "[Install]"} {
		if !strings.Contains(SystemdUnit, line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
	// A session with the ids of a module can be ended only with it.
	if !strings.Contains(SystemdUnit, " CAP_KILL ") {
		t.Error("the capability to end sessions is not in the bounding set")
	}
}

// TestCacheFile has the places where a cache file can be.
func TestCacheFile(t *testing.T) {
	for _, c := range []struct{ dir, systemd, want string }{
		{"auto", "", ""},
		{"auto", "/var/cache/syncd", "/var/cache/syncd"},
		{"auto", "/var/cache/a:/var/cache/b", "/var/cache/a"},
		{"off", "/var/cache/syncd", ""},
		{"/srv/cache", "/var/cache/syncd", "/srv/cache"},
	} {
		t.Setenv("CACHE_DIRECTORY", c.systemd)
		if dir, limit := (Cache{Dir: c.dir, Limit: 4}).File(); dir != c.want || limit != 4<<20 {
			t.Errorf("%q with %q: got %q and %d bytes, want %q", c.dir, c.systemd, dir, limit, c.want)
		}
	}
}
