package qmpfd

import (
	"errors"
	"io/fs"
	"os"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// Files are the open files of one path: one for each access mode that QEMU asks for.
type Files []*os.File

// Open opens a regular file or block device with the flags that QEMU will ask for: O_RDWR, or O_RDONLY if u
// is ReadOnly. If u is AutoReadOnly, it opens two files, one with O_RDONLY and one with O_RDWR. If u is
// Direct, it adds O_DIRECT, which not every file system supports. Child processes do not inherit the files
// (O_CLOEXEC). Close the files when QEMU has its own descriptors.
//
// The error is an [*fs.PathError] if the file cannot be opened. It matches [qmp.ErrNotSent] if the path is
// neither a regular file nor a block device, and [errors.ErrUnsupported] if this platform has no O_DIRECT.
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

// OpenWith is [Use.Open] with a function that replaces [os.OpenFile]. For example, the function can
// ask a privileged process to open the file. OpenWith checks the flags of the files, as [Use.Check]
// does.
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

// Close closes the files. It skips files that are already closed.
func (files Files) Close() error {
	var errs []error
	for _, f := range files {
		if err := f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Driver returns the driver of a node for the file: "file" for a regular file, "host_device" for a block
// device. For any other file the error matches [qmp.ErrNotSent].
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
