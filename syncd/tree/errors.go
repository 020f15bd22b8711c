package tree

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Errors of this package. They come wrapped in an [*fs.PathError].
var (
	// ErrName: a name is not one path component of 1 to 255 bytes, or a path
	// is not made of such names.
	ErrName = errors.New("not a valid name")
	// ErrNotRegular: a body was asked for of something else than a file.
	ErrNotRegular = errors.New("not a regular file")
	// ErrChanged: the inode under a name is not the one that was meant.
	ErrChanged = errors.New("replaced since it was listed")
	// ErrIsDir: a directory is in the way of something that is not one.
	ErrIsDir error = unix.EISDIR
	// ErrNotEmpty: a directory stays because something in it stays.
	ErrNotEmpty error = unix.ENOTEMPTY
)

// fail wraps the cause err of a failed op on name, an entry of d.
func (d *Dir) fail(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: d.join(name), Err: err}
}

// join returns the path of name relative to the root.
func (d *Dir) join(name string) string {
	switch {
	case name == ".":
		return d.path
	case d.path == ".":
		return name
	}
	return d.path + "/" + name
}
