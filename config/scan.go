package config

import (
	"fmt"
	"slices"
	"strings"
)

// positions are the lines at which the keys of a file stand, by path:
// "log.level", "modules[0].name", "listen[1]".
type positions map[string]int

// at returns the line of a key, or of the nearest key around it that is in the
// file; 0 if there is none.
func (p positions) at(key string) int {
	for ; key != ""; key = parent(key) {
		if line, ok := p[key]; ok {
			return line
		}
	}
	return 0
}

// known are the paths that a file may have, with "[]" for any index.
type known map[string]bool

// knownKeys returns all keys, and the sections they are in.
func knownKeys() known {
	k := make(known)
	for _, key := range Keys() {
		k[key.Path] = true
		if section, _, ok := strings.Cut(key.Path, "."); ok {
			k[section] = true
			k[strings.TrimSuffix(section, "[]")] = true
		}
		if key.Type == typeStrings {
			k[key.Path+"[]"] = true
		}
	}
	return k
}

// scanner walks over a file as it is written. It notes where keys are and finds
// those that are unknown or given twice; what they hold is for viper.
type scanner struct {
	known known
	lines positions
	ps    *problems
}

func newScanner(ps *problems) *scanner {
	return &scanner{known: knownKeys(), lines: make(positions), ps: ps}
}

// key notes name in the section at path. It returns the key's path, and whether
// to look inside.
func (s *scanner) key(path, name string, line int) (string, bool) {
	in := indexless(path)
	full := join(path, name)
	// A dot in a name is not the dot between names.
	if strings.Contains(name, ".") || !s.known[join(in, name)] {
		text := "unknown key"
		if near := s.near(in, name); near != "" {
			text += fmt.Sprintf("; is it %s?", near)
		}
		s.ps.append(Problem{Key: full, Line: line, Text: text})
		return full, false
	}
	if _, ok := s.lines[full]; !ok {
		s.lines[full] = line
	}
	return full, true
}

// element notes the ith element of the list at path.
func (s *scanner) element(path string, i, line int) string {
	full := fmt.Sprintf("%s[%d]", path, i)
	if _, ok := s.lines[full]; !ok {
		s.lines[full] = line
	}
	return full
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// indexless replaces the indices in a path by "[]".
func indexless(path string) string {
	before, rest, ok := strings.Cut(path, "[")
	if !ok {
		return path
	}
	_, after, _ := strings.Cut(rest, "]")
	return before + "[]" + indexless(after)
}

// near returns the known key of a section that was probably meant, "" if none
// comes close.
func (s *scanner) near(section, name string) string {
	var all []string
	for path := range s.known {
		dir, base := "", path
		if i := strings.LastIndexByte(path, '.'); i >= 0 {
			dir, base = path[:i], path[i+1:]
		}
		if dir == section && !strings.HasSuffix(base, "[]") {
			all = append(all, base)
		}
	}
	slices.Sort(all)
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("-", "", "_", "", ".", "").Replace(s))
	}
	best, limit := "", max(1, len(name)/3)
	for _, candidate := range all {
		if d := distance(plain(name), plain(candidate)); d <= limit {
			best, limit = candidate, d-1
		}
	}
	return best
}

// distance returns how many letters have to be added, removed or replaced to
// make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
