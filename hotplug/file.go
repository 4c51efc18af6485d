package hotplug

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A diskFile is a file or block device of the host, open in all the ways that QEMU will ask for.
type diskFile struct {
	driver qemu.BlockdevDriver
	files  []*os.File
}

// openDisk opens d.Path. QEMU takes from a set the descriptor whose access mode, and from 10.0
// on whose O_DIRECT, are those that it would open the file with.
func openDisk(d *Disk) (*diskFile, error) {
	info, err := os.Stat(d.Path) // opening first could wait for the other end of a FIFO
	if err != nil {
		return nil, err
	}
	f := &diskFile{driver: qemu.BlockdevDriverFile}
	switch mode := info.Mode(); {
	case mode.IsRegular():
	case mode.Type() == fs.ModeDevice:
		f.driver = qemu.BlockdevDriverHostDevice
	default:
		return nil, fmt.Errorf("%s is neither a file nor a block device", d.Path)
	}
	var modes []int
	if !d.ReadOnly {
		modes = append(modes, os.O_RDWR)
	}
	if d.ReadOnly || d.AutoReadOnly {
		modes = append(modes, os.O_RDONLY)
	}
	for _, mode := range modes {
		if err := f.open(d.Path, mode, d.Direct); err != nil {
			f.close()
			return nil, err
		}
	}
	return f, nil
}

func (f *diskFile) open(path string, mode int, direct bool) error {
	if direct {
		if directFlag == 0 {
			return fmt.Errorf("Direct: %w here", errors.ErrUnsupported)
		}
		mode |= directFlag
	}
	file, err := os.OpenFile(path, mode, 0)
	if err != nil {
		return err
	}
	f.files = append(f.files, file)
	return nil
}

// close closes the files, QEMU having its own by then. nil has none.
func (f *diskFile) close() {
	if f == nil {
		return
	}
	for _, file := range f.files {
		_ = file.Close() // nothing was written
	}
}
