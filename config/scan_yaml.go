package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v3"
)

// maxDepth is deeper than any configuration; YAML's aliases can nest without
// end.
const maxDepth = 8

// scanYAML notes the keys of a YAML file. Its error is one of syntax.
func scanYAML(raw []byte, ps *problems) (positions, error) {
	s := newScanner(ps)
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	var doc, next yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return s.lines, nil // nothing but comments
		}
		return nil, err
	}
	if err := dec.Decode(&next); err == nil {
		ps.append(Problem{Line: next.Line, Text: "a second document begins here; a configuration has one"})
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode && root.Tag != "!!null" {
		return nil, fmt.Errorf("line %d: a configuration is keys and values", root.Line)
	}
	s.yaml(root, "", 0)
	return s.lines, nil
}

// yaml notes what is in a node at path.
func (s *scanner) yaml(n *yaml.Node, path string, depth int) {
	if depth > maxDepth {
		return
	}
	switch n.Kind {
	case yaml.AliasNode:
		s.yaml(n.Alias, path, depth+1)
	case yaml.MappingNode:
		seen := make(map[string]int)
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := n.Content[i], n.Content[i+1]
			if first, ok := seen[name.Value]; ok {
				s.ps.append(Problem{Key: join(path, name.Value), Line: name.Line, Text: fmt.Sprintf("the key is in line %d too", first)})
				continue
			}
			seen[name.Value] = name.Line
			if full, ok := s.key(path, name.Value, name.Line); ok {
				s.yaml(value, full, depth+1)
			}
		}
	case yaml.SequenceNode:
		for i, value := range n.Content {
			s.yaml(value, s.element(path, i, value.Line), depth+1)
		}
	}
}

// syntaxProblem makes a problem of an error of the parsers.
func syntaxProblem(err error) Problem {
	var p Problem
	var inTOML *toml.DecodeError
	if errors.As(err, &inTOML) {
		p.Line, _ = inTOML.Position()
		p.Text = strings.TrimPrefix(inTOML.Error(), "toml: ")
		return p
	}
	// "yaml: line 3: could not find expected ':'"
	p.Text = err.Error()
	if _, text, ok := strings.Cut(p.Text, "yaml: "); ok {
		p.Text = text
	}
	if rest, ok := strings.CutPrefix(p.Text, "line "); ok {
		number, text, _ := strings.Cut(rest, ": ")
		if line, err := strconv.Atoi(number); err == nil {
			p.Line, p.Text = line, text
		}
	}
	return p
}
