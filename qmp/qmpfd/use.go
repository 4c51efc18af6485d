package qmpfd

import (
	"context"
	"os"

	"github.com/qmpkit/qmpkit/qmp"
)

// A Use describes how a node of the block layer opens its file. The fields are the members of blockdev-add with
// the same names, and cache.direct. The zero value is a node that reads and writes through the page cache. See
// raw_parse_flags in QEMU's block/file-posix.c.
type Use struct {
	ReadOnly     bool // nothing can write; AutoReadOnly has no effect then
	AutoReadOnly bool // open for writing only while something writes; the node must have "locking" off
	Direct       bool // bypasses the host's page cache (O_DIRECT)
}

// UseOf returns the Use that fits the flags of an open file: ReadOnly if the file is open with O_RDONLY, and
// Direct if it is open with O_DIRECT. The errors are those of [Use.Check] for this use, for example for
// O_WRONLY or O_SYNC.
func UseOf(f *os.File) (Use, error) {
	if _, err := Driver(f); err != nil {
		return Use{}, err
	}
	flags, err := flagsOf(f)
	if err != nil {
		return Use{}, unsent(f.Name(), err)
	}
	u := Use{ReadOnly: flags.mode() == readOnly, Direct: flags&directFlag != 0}
	return u, u.Check(f)
}

// AddSet calls [Use.Check] and then the function [AddSet]. It returns the errors of both.
func (u Use) AddSet(ctx context.Context, x qmp.Executor, opaque string, files ...*os.File) (*Set, error) {
	if err := u.Check(files...); err != nil {
		return nil, err
	}
	return AddSet(ctx, x, opaque, files...)
}

// all returns the flags that QEMU may ever ask for, the first first.
func (u Use) all() []openFlags {
	switch {
	case u.ReadOnly:
		return []openFlags{u.flags(readOnly)}
	case u.AutoReadOnly:
		return []openFlags{u.flags(readOnly), u.flags(readWrite)}
	}
	return []openFlags{u.flags(readWrite)}
}

// flags are those with an access mode.
func (u Use) flags(mode openFlags) openFlags {
	if u.Direct {
		return mode | directFlag
	}
	return mode
}
