package block

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/job"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
	"github.com/qmpkit/qmpkit/qmp/qmpfd"
)

// An image is a target in a file, which this process can open.
type image struct {
	format qemu.BlockdevDriver // raw or qcow2
	driver qemu.BlockdevDriver // of the file: file or host_device
	file   *os.File
	ours   bool // close it
}

func (i *image) close() {
	if i.ours && i.file != nil {
		_ = i.file.Close() // QEMU writes, not this process
	}
}

// openImage opens the file of a target that is a File or a Descriptor. With Create, it makes the file.
func openImage(backend hotplug.DiskBackend, t Target) (*image, error) {
	i, err := openFile(backend, t.Create)
	switch {
	case err != nil:
		return nil, err
	case i.format != qemu.BlockdevDriverRaw && i.format != qemu.BlockdevDriverQcow2:
		err = fmt.Errorf("target has the format %q: it must be raw or qcow2; a Blockdev can have others", i.format)
	case i.format == qemu.BlockdevDriverRaw && t.ClusterSize != 0:
		err = errors.New("ClusterSize is for qcow2")
	default:
		return i, nil
	}
	i.close()
	return nil, err
}

// openFile opens the file of a File or a Descriptor for writing.
func openFile(backend hotplug.DiskBackend, create bool) (i *image, err error) {
	i = &image{}
	switch b := backend.(type) {
	case hotplug.File:
		if b.Path == "" || b.ReadOnly || b.AutoReadOnly {
			return nil, errors.New("target needs a Path, and must not be ReadOnly or AutoReadOnly")
		}
		open, flags := b.Open, os.O_RDWR
		if open == nil {
			open = func(path string, flags int) (*os.File, error) { return os.OpenFile(path, flags, 0o600) }
		}
		if create {
			flags |= os.O_CREATE
		}
		i.format, i.ours = b.Format, true
		i.file, err = open(b.Path, flags)
	case hotplug.Descriptor:
		if b.File == nil {
			return nil, errors.New("target needs a File")
		}
		use, useErr := qmpfd.UseOf(b.File)
		if useErr == nil && use.ReadOnly {
			useErr = fmt.Errorf("file %s is open for reading only", b.File.Name())
		}
		i.format, i.file, err = b.Format, b.File, useErr
	}
	if err != nil {
		return nil, err
	}
	if i.format == "" {
		i.format = qemu.BlockdevDriverRaw
	}
	if i.driver, err = qmpfd.Driver(i.file); err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

// end returns the size of the file or the device.
func (i *image) end() (int64, error) {
	if i.driver == qemu.BlockdevDriverFile {
		info, err := i.file.Stat()
		if err != nil {
			return 0, err
		}
		return (info.Size() + 511) &^ 511, nil // QEMU's disks have whole sectors
	}
	return i.file.Seek(0, io.SeekEnd)
}

// checkSize returns an error unless the image has the size of a disk.
func (i *image) checkSize(want int64) error {
	size, err := i.end()
	if err == nil && i.format == qemu.BlockdevDriverQcow2 {
		size, err = i.sizeInHeader()
	}
	switch {
	case err != nil:
		return err
	case size == want || size > want && i.cuts():
		return nil
	}
	return because(ErrSize, "image %s has %d bytes, and the disk %d", i.file.Name(), size, want)
}

func (i *image) isRawDevice() bool {
	return i.format == qemu.BlockdevDriverRaw && i.driver != qemu.BlockdevDriverFile
}

// cuts reports whether the node of the image can be smaller than the image.
func (i *image) cuts() bool { return i.isRawDevice() && i.ours }

// sizeInHeader returns the size of the disk in a qcow2 image. See docs/interop/qcow2.txt of QEMU.
func (i *image) sizeInHeader() (int64, error) {
	header := make([]byte, 64<<10) // O_DIRECT needs whole sectors, in memory that begins at a page as large slices do
	if _, err := i.file.ReadAt(header, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if string(header[:4]) != "QFI\xfb" {
		return 0, fmt.Errorf("file %s is not a qcow2 image", i.file.Name())
	}
	return int64(binary.BigEndian.Uint64(header[24:])), nil
}

// checkUnwritten returns an error if a qcow2 image has data or bitmaps. See docs/interop/qcow2.txt of QEMU.
func (i *image) checkUnwritten() error {
	block := make([]byte, 64<<10) // as in sizeInHeader
	if _, err := i.file.ReadAt(block, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	version, autoclear := binary.BigEndian.Uint32(block[4:]), binary.BigEndian.Uint64(block[88:])
	hasData := version >= 3 && autoclear&1 != 0 // bitmaps
	begin := int64(binary.BigEndian.Uint64(block[40:]))
	for left := 8 * int(binary.BigEndian.Uint32(block[36:])); left > 0 && !hasData; left -= len(block) { // the table of tables
		n, err := i.file.ReadAt(block, begin)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		hasData = slices.ContainsFunc(block[:min(n, left)], func(b byte) bool { return b != 0 })
		begin += int64(len(block))
	}
	if hasData {
		return because(ErrNotEmpty, "image %s has data or bitmaps", i.file.Name())
	}
	return nil
}

// createImages makes the images of the targets that are to be created.
func (vm *VM) createImages(ctx context.Context, undo *rollback, all []wanted) error {
	var headers []header
	for _, w := range all {
		switch {
		case !w.Create:
		case w.image.format == qemu.BlockdevDriverRaw:
			if err := w.image.setSize(w.size); err != nil {
				return onDisk(w.disk, err)
			}
		default:
			headers = append(headers, header{w.disk, w.image, func(file qemu.BlockdevRef) qemu.BlockdevCreateOptions {
				return createQcow2(file, w.size, w.ClusterSize, w.below)
			}})
		}
	}
	return vm.format(ctx, undo, headers...)
}

// checkEmpty returns an error if the file has content. A block device always has, and it does not count.
func (i *image) checkEmpty() error {
	end, err := i.end()
	if err == nil && i.driver == qemu.BlockdevDriverFile && end > 0 {
		return because(ErrNotEmpty, "file %s has content, and Create needs an empty one", i.file.Name())
	}
	return err
}

// setSize makes a raw image of a file that is empty. Another program that does the same, or a QEMU that uses the file, gets
// no other size.
func (i *image) setSize(size int64) error {
	if i.isRawDevice() {
		return i.checkSize(size)
	}
	unlock, err := lock(i.file)
	if err != nil {
		return err
	}
	defer unlock()
	if err := i.checkEmpty(); err != nil {
		return err
	}
	return i.file.Truncate(size)
}

// A header is the header of an image that QEMU writes.
type header struct {
	disk    string
	image   *image
	options func(file qemu.BlockdevRef) qemu.BlockdevCreateOptions
}

// format writes the headers of images.
func (vm *VM) format(ctx context.Context, undo *rollback, all ...header) error {
	if len(all) == 0 {
		return nil
	}
	steps := len(*undo)
	var files []hotplug.Disk
	for _, h := range all {
		files = append(files, hotplug.Disk{ID: h.disk, NodeName: newName(h.disk), Backend: hotplug.Descriptor{File: h.image.file}})
	}
	if err := vm.addNodes(ctx, undo, files); err != nil {
		return err
	}
	for i, h := range all {
		create := qemu.BlockdevCreate{Options: h.options(qemu.BlockdevRef{Reference: &files[i].NodeName})}
		id := jobID(h.disk, "create")
		err := job.Run(ctx, vm.conn, id, create, nil)
		if err != nil && !errors.Is(err, job.ErrNotStarted) {
			undo.add("job "+id, func(ctx context.Context) error { return vm.endJob(ctx, id) })
		}
		if err != nil {
			return onDisk(h.disk, vm.orBusy(ctx, h.disk, id, err))
		}
	}
	nodes := (*undo)[steps] // the images get other nodes
	*undo = (*undo)[:steps]
	err := nodes.run(ctx)
	if errors.Is(err, hotplug.ErrDescriptorsKept) { // only QEMU's descriptors of the files are left
		return nil
	}
	if err != nil {
		*undo = append(*undo, nodes)
	}
	return err
}

// createQcow2 returns the options for a qcow2 image.
func createQcow2(file qemu.BlockdevRef, size int64, clusterSize uint64, below backing) qemu.BlockdevCreateOptions {
	options := &qemu.BlockdevCreateOptionsQcow2{
		File: file, Size: uint64(size), BackingFile: qmp.NonZero(below.file), ClusterSize: qmp.NonZero(clusterSize),
	}
	if below.file != "" {
		options.BackingFmt = new(below.format)
	}
	return qemu.BlockdevCreateOptions{Driver: qemu.BlockdevDriverQcow2, Branch: options}
}

// endJob cancels a job, if it has not ended, and dismisses it.
func (vm *VM) endJob(ctx context.Context, id string) error {
	j, err := job.Find(ctx, vm.conn, id)
	if err == nil {
		defer j.Detach()
		err = j.Cancel(ctx)
	}
	if errors.Is(err, job.ErrGone) || errors.Is(err, job.ErrTooLate) {
		return nil
	}
	return err
}

// backing returns the backing of the node for the image, or nil if its format has none.
func (i *image) backing(below backing) *qemu.BlockdevRefOrNull {
	if i.format == qemu.BlockdevDriverRaw {
		return nil
	}
	return below.ref()
}

// cut returns the backend for the beginning of a device.
func (i *image) cut(f hotplug.File, size int64) hotplug.Blockdev {
	open := f.Open
	if open == nil {
		open = func(path string, flags int) (*os.File, error) { return os.OpenFile(path, flags, 0) }
	}
	device := qemu.BlockdevOptions{
		Driver: i.driver, Cache: &qemu.BlockdevCacheOptions{Direct: new(f.Direct)}, Branch: &qemu.BlockdevOptionsFile{Filename: f.Path},
	}
	options := qemu.BlockdevOptions{
		Driver: qemu.BlockdevDriverRaw, Branch: &qemu.BlockdevOptionsRaw{Size: new(size), File: qemu.BlockdevRef{Definition: &device}},
	}
	if f.Discard {
		options.Discard = new(qemu.BlockdevDiscardOptionsUnmap)
	}
	return hotplug.Blockdev{Open: open, Options: options}
}
