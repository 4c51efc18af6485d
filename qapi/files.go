package qapi

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// files is where a schema's files are.
type files interface {
	open(name string) (fs.File, error)
	// identity returns a name that is the same for all ways to name a file, symbolic
	// links aside.
	identity(name string) string
}

// osFiles are the operating system's files.
type osFiles struct{}

func (osFiles) open(name string) (fs.File, error) { return os.Open(filepath.FromSlash(name)) }

func (osFiles) identity(name string) string {
	abs, err := filepath.Abs(filepath.FromSlash(name))
	if err != nil { // no working directory: relative names stay what they are
		return filepath.Clean(filepath.FromSlash(name))
	}
	return abs
}

// fsFiles are those of a file system in Go.
type fsFiles struct{ fs fs.FS }

func (f fsFiles) open(name string) (fs.File, error) { return f.fs.Open(path.Clean(name)) }

func (fsFiles) identity(name string) string { return path.Clean(name) }

// readFile reads a file that may hold most bytes.
func readFile(in files, name string, most int) ([]byte, error) {
	f, err := in.open(name)
	if err != nil {
		return nil, plainError(err)
	}
	defer f.Close()
	var b bytes.Buffer
	if info, err := f.Stat(); err == nil && info.Size() <= int64(most) {
		b.Grow(int(info.Size()) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(io.LimitReader(f, int64(most)+1)); err != nil {
		return nil, plainError(err)
	}
	if b.Len() > most {
		return nil, errors.New("larger than " + strconv.Itoa(most) + " bytes")
	}
	return b.Bytes(), nil
}

// plainError returns the reason alone, without the file's name.
func plainError(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// included returns the path of a file that another one includes, as QEMU shows it: joined,
// but not cleaned.
func included(from, name string) string {
	folder := from[:strings.LastIndexByte(from, '/')+1]
	if path.IsAbs(name) {
		return name
	}
	return folder + name
}

// moduleName returns a file's path relative to the folder of the main file, both given by
// their identity.
func moduleName(main, file string) string {
	name, err := filepath.Rel(filepath.Dir(main), file)
	if err != nil { // on another volume
		name = file
	}
	return filepath.ToSlash(name)
}
