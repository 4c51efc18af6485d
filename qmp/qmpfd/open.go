package qmpfd

import (
	"errors"
	"io/fs"
	"os"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Files are open files that belong together: one file, open in all the ways that QEMU asks for.
type Files []*os.File

// Open opens a file or block device as QEMU will want it: with O_RDWR, with O_RDONLY if the use is
// ReadOnly, and both ways, two files, if it is AutoReadOnly; with O_DIRECT if it is Direct, which
// not every file system has. None is inherited by programs that are started (O_CLOEXEC). The caller
// closes them when QEMU has its own.
//
// The error is an [*fs.PathError] that says why it cannot be opened, or says that it is neither a
// file nor a block device; for Direct where QEMU has none it matches [errors.ErrUnsupported].
func (u Use) Open(path string) (Files, error) {
	if u.Direct && directFlag == 0 {
		return nil, errNoDirect
	}
	info, err := os.Stat(path) // opening first could wait for the other end of a FIFO
	if err != nil {
		return nil, err
	}
	if _, err := driverOf(path, info); err != nil {
		return nil, err
	}
	return u.open(func(path string, flags int) (*os.File, error) { return os.OpenFile(path, flags, 0) }, path)
}

// OpenWith is Open by another function than [os.OpenFile]: one that asks a process which may open
// the file, or that finds it elsewhere. The flags of what it returns are checked, see [Use.Check].
func (u Use) OpenWith(open func(path string, flags int) (*os.File, error), path string) (Files, error) {
	if u.Direct && directFlag == 0 {
		return nil, errNoDirect
	}
	files, err := u.open(open, path)
	if err != nil {
		return nil, err
	}
	if err := u.Check(files...); err != nil {
		return nil, errors.Join(err, files.Close())
	}
	return files, nil
}

func (u Use) open(open func(path string, flags int) (*os.File, error), path string) (files Files, err error) {
	for _, flags := range u.all() {
		f, err := open(path, int(flags)) // os.OpenFile adds O_CLOEXEC
		if err != nil {
			return nil, errors.Join(err, files.Close())
		}
		files = append(files, f)
	}
	return files, nil
}

// Close closes the files. Those that are closed already are no error.
func (files Files) Close() error {
	var errs []error
	for _, f := range files {
		if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Driver is the driver of a node that can have the file: "file" for a regular one, "host_device"
// for a block device. Any other file is an error, which matches [qmp.ErrNotSent].
func Driver(f *os.File) (qemu.BlockdevDriver, error) {
	info, err := f.Stat()
	if err != nil {
		return "", unsent("a file", err)
	}
	return driverOf(f.Name(), info)
}

func driverOf(name string, info fs.FileInfo) (qemu.BlockdevDriver, error) {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return qemu.BlockdevDriverFile, nil
	case mode.Type() == fs.ModeDevice:
		return qemu.BlockdevDriverHostDevice, nil
	}
	return "", unsent(name+" is neither a file nor a block device", nil)
}
