package syncd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/seed9553035b/syncd/delta"
	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire"
	"github.com/seed9553035b/syncd/wire/native"
)

// TestLookahead asks for as many listings as may be unanswered. Whoever of the
// source's goroutines looks, the answers come in order, and a listing of several
// pages goes on where it was.
func TestLookahead(t *testing.T) {
	for _, c := range []struct {
		name        string
		files, long int // in each directory, and how long their names are
		pages       int
	}{
		{"directories of one page", 3, 20, 1},
		{"directories of several pages", 200, 200, 2},
		{"empty directories", 0, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) { lookAhead(t, c.files, c.long, c.pages) })
	}
}

func lookAhead(t *testing.T, files, long, pages int) {
	const dirs = 24
	path := t.TempDir()
	for d := range dirs {
		dir := filepath.Join(path, fmt.Sprint("d", d))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for f := range files {
			name := fmt.Sprintf("%03d-%03d", d, f)
			if err := os.Symlink("x", filepath.Join(dir, name+strings.Repeat("x", long-len(name)))); err != nil {
				t.Fatal(err)
			}
		}
	}
	asker, end := serveTree(t, path)
	names := make([]int, dirs)
	ask := func(id int, after string) {
		t.Helper()
		if err := asker.Ask(&native.List{ID: uint32(id), Path: fmt.Sprint("d", id), After: after}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range native.MaxLists / 2 {
		ask(i, "") // beyond dirs there is none
	}
	if err := asker.Flush(); err != nil {
		t.Fatal(err)
	}
	var again []int
	for i := range native.MaxLists / 2 {
		id, after := readPage(t, asker, names, "")
		if id != i {
			t.Fatalf("answer %d is to request %d", i, id)
		}
		if after != "" {
			ask(id, after)
			again = append(again, id)
		}
	}
	if err := asker.Flush(); err != nil {
		t.Fatal(err)
	}
	if pages > 1 && len(again) != dirs {
		t.Errorf("%d directories had more pages, want %d", len(again), dirs)
	}
	for _, want := range again {
		if id, _ := readPage(t, asker, names, "~"); id != want {
			t.Fatalf("a second page for request %d, want %d", id, want)
		}
	}
	for d, n := range names {
		if n != files {
			t.Errorf("directory %d was listed with %d names, want %d", d, n, files)
		}
	}
	end()
}

// readPage counts the names of one page, and returns what it answers, and the last
// name if there are more pages.
func readPage(t *testing.T, asker *native.Asker, names []int, after string) (id int, last string) {
	t.Helper()
	ans, err := asker.Next()
	if err != nil {
		t.Fatal(err)
	}
	id = int(ans.ID)
	if id >= len(names) {
		if ans.Type != native.TypeFailed || ans.Failure().Status != native.StatusGone {
			t.Fatalf("a directory that is not there: frame type %d", ans.Type)
		}
		return id, ""
	}
	if after != "" {
		after = fmt.Sprintf("%03d-", id)
	}
	page := native.NewPage(append([]byte(nil), ans.Payload...), false, after)
	for {
		var e wire.Entry
		ok, err := page.Next(&e)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		if !strings.HasPrefix(e.Name, fmt.Sprintf("%03d-%03d", id, names[id])) {
			t.Fatalf("directory %d has %q as name %d", id, e.Name, names[id])
		}
		names[id]++
	}
	if ans.Status == native.StatusMore {
		last = page.Last()
	}
	return id, last
}

// serveTree answers for what is below path. end ends the session.
func serveTree(t *testing.T, path string) (asker *native.Asker, end func()) {
	t.Helper()
	root, err := tree.OpenRoot(path, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	a, b := net.Pipe()
	conns := make([]*wire.Conn, 2)
	for i, c := range []net.Conn{a, b} {
		if conns[i], err = wire.NewConn(c, wire.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	s := &source{view: &view{root: root}, rules: new(filter.List), alg: delta.XXH3128, stats: new(Stats)}
	var answerer sync.WaitGroup
	var over error
	answerer.Go(func() {
		_, over = s.answer(t.Context(), native.NewAnswerer(conns[0]), func(native.Note) {}, func() *Result { return new(Result) })
	})
	t.Cleanup(func() {
		conns[1].Close()
		answerer.Wait()
		conns[0].Close()
	})
	asker = native.NewAsker(conns[1], s.alg.Size())
	return asker, func() {
		t.Helper()
		if err := asker.Bye([]byte("{}")); err != nil {
			t.Fatal(err)
		}
		if ans, err := asker.Next(); err != nil || ans.Type != native.TypeBye {
			t.Fatalf("the answer to BYE: type %d, %v", ans.Type, err)
		}
		if answerer.Wait(); over != nil {
			t.Error(over)
		}
	}
}

// TestLookaheadEnds has a sink go away while directories are looked at.
func TestLookaheadEnds(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "a"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	asker, _ := serveTree(t, path)
	for i := range native.MaxLists {
		if err := asker.Ask(&native.List{ID: uint32(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := asker.Flush(); err != nil {
		t.Fatal(err)
	}
}
