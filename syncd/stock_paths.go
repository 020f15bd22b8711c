package syncd

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/seed9553035b/syncd/syncd/filter"
	"github.com/seed9553035b/syncd/syncd/tree"
	"github.com/seed9553035b/syncd/wire/rsync"
)

// maxExpanded bounds what the wildcards of one path may come to.
const maxExpanded = 16000 // as many as a client may send itself

// moduleOpener opens directories below a module's root, but for what the
// module hides.
func moduleOpener(root *tree.Root, hidden *filter.List) opener {
	return func(p string) (*tree.Root, error) {
		p = strings.TrimSuffix(p, "/")
		if p != "" && p != "." && hidden.Excluded(p, true, filter.Sender) {
			return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
		}
		return root.Sub(p, false)
	}
}

// expand makes paths of what a stock client asks for: relative to the module,
// without empty parts and ".", with wildcards replaced by the names that there
// are, and a slash at the end if there was one. ".." leads nowhere
// (util1.c:glob_expand, sanitize_path).
func expand(p string, open opener) ([]string, error) {
	parts, err := pathParts(p)
	if err != nil {
		return nil, err
	}
	content := strings.HasSuffix(p, "/") || path.Base(p) == "." || len(parts) == 0
	found := []string{""}
	for i, part := range parts {
		var next []string
		for _, dir := range found {
			names, err := expandPart(dir, part, i == len(parts)-1, open)
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				next = append(next, path.Join(dir, name))
			}
		}
		if found = next; len(found) > maxExpanded {
			return nil, Exitf(ExitUnsupported, "%q stands for more than %d paths", p, maxExpanded)
		}
	}
	if content {
		for i := range found {
			if found[i] += "/"; found[i] == "/" {
				found[i] = ""
			}
		}
	}
	return found, nil
}

// expandPart returns the names in dir that one component stands for: itself, if
// it has no wildcards. What can't be listed has none.
func expandPart(dir, part string, last bool, open opener) ([]string, error) {
	if !strings.ContainsAny(part, "*?[") {
		return []string{rsync.UnescapeArg(part)}, nil
	}
	if _, err := path.Match(part, ""); err != nil {
		return []string{part}, nil // no pattern: a name
	}
	root, err := open(dir)
	if err != nil {
		return nil, nil
	}
	defer root.Close()
	d, err := root.Dir("")
	if err != nil {
		return nil, nil
	}
	defer d.Close()
	names, err := d.Names()
	if err != nil {
		return nil, nil
	}
	var found []string
	for i := range names.Len() {
		name := names.Name(i)
		if name[0] == '.' && part[0] != '.' || !last && names.Type(i) != dirType && names.Type(i) != unknownType {
			continue
		}
		if ok, _ := path.Match(part, name); ok {
			found = append(found, strings.Clone(name))
		}
	}
	return found, nil
}

// pathParts cuts a path into its components, without empty ones and ".".
func pathParts(p string) (parts []string, err error) {
	for part := range strings.SplitSeq(p, "/") {
		switch part {
		case "", ".":
		case "..":
			return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrPermission}
		default:
			parts = append(parts, part)
		}
	}
	return parts, nil
}

// cleanPath returns a client's path below a module, "" for the module itself.
// Wildcards mean themselves: it is written to.
func cleanPath(p string) (string, error) {
	parts, err := pathParts(p)
	for i := range parts {
		parts[i] = rsync.UnescapeArg(parts[i])
	}
	return path.Join(parts...), err
}

// rootCause is the errno in an error, for callers that name the path.
func rootCause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return cause(err)
}
