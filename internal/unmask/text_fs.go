package unmask

import (
	"bytes"
	"io/fs"
	"time"
)

// A textFS is a folder of files that are nowhere but here.
type textFS map[string][]byte

func (t textFS) Open(name string) (fs.File, error) {
	text, ok := t[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &textFile{*bytes.NewReader(text), name}, nil
}

// A textFile is one of them that is open. It is its own description.
type textFile struct {
	bytes.Reader
	name string
}

func (f *textFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *textFile) Close() error               { return nil }
func (f *textFile) Name() string               { return f.name }
func (f *textFile) Mode() fs.FileMode          { return 0o444 }
func (f *textFile) ModTime() time.Time         { return time.Time{} }
func (f *textFile) IsDir() bool                { return false }
func (f *textFile) Sys() any                   { return nil }
