package operate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// headers are the beginnings of images, by their formats.
var headers = []struct{ format, begin string }{
	{"qcow2", "QFI\xfb\x00\x00\x00\x02"}, {"qcow2", "QFI\xfb\x00\x00\x00\x03"}, {"qcow", "QFI\xfb\x00\x00\x00\x01"}, {"luks", "LUKS\xba\xbe"},
	{"vmdk", "KDMV"}, {"vmdk", "COWD"}, {"vhdx", "vhdxfile"}, {"vpc", "conectix"}, {"qed", "QED\x00"}, {"vdi", "<<< "},
}

// readHeader returns the format that the beginning of a file tells, or "". size is that of the disk in it.
func readHeader(path string) (format string, size int64, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", 0, err
	}
	if !info.Mode().IsRegular() && info.Mode()&os.ModeDevice == 0 { // the wait for a pipe can be long
		return "", 0, errors.New("not a file and not a device")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	var header [32]byte
	n, err := io.ReadFull(f, header[:])
	if err != nil && n == 0 {
		return "", 0, nil
	}
	for _, h := range headers {
		if strings.HasPrefix(string(header[:n]), h.begin) {
			format = h.format
		}
	}
	if format == "qcow2" {
		return format, int64(binary.BigEndian.Uint64(header[24:])), nil
	}
	size, err = f.Seek(0, io.SeekEnd) // also of a block device
	return format, size, err
}

// checkFormat returns a mistake if the format that follows from the name of a file is probably wrong: the guest would see, and
// overwrite, the header of the image.
func checkFormat(f hotplug.File) error {
	format, _, err := readHeader(f.Path)
	switch {
	case err != nil || format == string(f.Format):
		return nil // opening the file again has the better error
	case f.Format == qemu.BlockdevDriverQcow2:
		return mistake("%s is not a qcow2 image: write format=raw if the guest shall see its content as it is", f.Path)
	case format == "qcow2":
		return mistake("%s is a qcow2 image: write format=qcow2; or format=raw if the guest shall see the image itself", f.Path)
	case format != "":
		return mistake("%s is a %s image: convert it with qemu-img convert -O qcow2, or write format=raw if the guest shall see the image itself", f.Path, format)
	}
	return nil
}

// describeFile describes the file of a disk: "data1.qcow2 (qcow2, 20 GiB)".
func describeFile(f hotplug.File) string {
	text := fmt.Sprintf("%s (%s", f.Path, f.Format)
	if format, size, err := readHeader(f.Path); err == nil && (format == "qcow2") == (f.Format == qemu.BlockdevDriverQcow2) {
		text += ", " + bytes(size)
	}
	if f.ReadOnly {
		text += ", read-only"
	}
	return text + ")"
}
