package config

import (
	"bytes"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// scanTOML notes the keys of a TOML file. Its error is one of syntax. The
// decoder finds such errors, and keys given twice; the parser below it, whose
// interface may change with the version in go.mod, has the lines.
func scanTOML(raw []byte, ps *problems) (positions, error) {
	var all map[string]any
	if err := toml.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	t := tomlScanner{scanner: newScanner(ps), raw: raw, tables: make(map[string]int)}
	t.parser.Reset(raw)
	table, known := "", true // the path of the last [table], and whether it is known
	for t.parser.NextExpression() {
		e := t.parser.Expression()
		switch e.Kind {
		case unstable.Table:
			table, known = t.keys("", e.Key())
			table = t.current(table)
		case unstable.ArrayTable:
			if table, known = t.keys("", e.Key()); known {
				list := table
				table = t.element(list, t.tables[list], t.lastLine)
				t.tables[list]++
			}
		case unstable.KeyValue:
			if known {
				t.keyValue(table, e)
			}
		}
	}
	return t.lines, t.parser.Error()
}

// tomlScanner is a scanner over the expressions of TOML.
type tomlScanner struct {
	*scanner
	parser   unstable.Parser
	raw      []byte
	tables   map[string]int // how many [[tables]] of a path there were
	lastLine int            // of the last key
}

// keys notes the parts of a dotted key in the section at path.
func (t *tomlScanner) keys(path string, it unstable.Iterator) (string, bool) {
	for first := true; it.Next(); first = false {
		if !first {
			path = t.current(path)
		}
		t.lastLine = t.line(it.Node(), t.lastLine)
		var ok bool
		if path, ok = t.key(path, string(it.Node().Data), t.lastLine); !ok {
			return path, false
		}
	}
	return path, true
}

// current returns the last element of a list of tables, or path if it is none.
func (t *tomlScanner) current(path string) string {
	if n := t.tables[path]; n > 0 {
		return t.element(path, n-1, t.lastLine)
	}
	return path
}

func (t *tomlScanner) keyValue(path string, e *unstable.Node) {
	if full, ok := t.keys(path, e.Key()); ok {
		t.value(full, e.Value())
	}
}

func (t *tomlScanner) value(path string, v *unstable.Node) {
	it := v.Children()
	switch v.Kind {
	case unstable.Array:
		for i := 0; it.Next(); i++ {
			t.lastLine = t.line(it.Node(), t.lastLine)
			t.value(t.element(path, i, t.lastLine), it.Node())
		}
	case unstable.InlineTable:
		for it.Next() {
			t.keyValue(path, it.Node())
		}
	}
}

// line returns the line of a node, or other if the parser did not note it.
func (t *tomlScanner) line(n *unstable.Node, other int) int {
	if n.Raw.Length == 0 {
		return other
	}
	return 1 + bytes.Count(t.raw[:n.Raw.Offset], []byte("\n"))
}
