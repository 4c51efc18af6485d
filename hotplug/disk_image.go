package hotplug

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// An image can name further files: what it is an overlay of, or where its data is. QEMU opens them
// by these names. Who opens QEMU's files for it does not want that: the name may be of a file that
// is not for this machine, written by whoever made the image.

// closeImages has QEMU open nothing by a name that stands in an image. An image that needs a file
// which the tree does not have is an error: without it the guest would see wrong data.
func (t *nodeTree) closeImages(open func(path string, flags int) (*os.File, error)) error {
	for _, node := range t.images {
		switch driver := node["driver"].(qemu.BlockdevDriver); driver {
		case qemu.BlockdevDriverVMDK:
			return because(errors.ErrUnsupported, "Open cannot replace the other files of an image in the format %s", driver)
		case qemu.BlockdevDriverQcow, qemu.BlockdevDriverQcow2, qemu.BlockdevDriverQED:
			if err := closeImage(node, open); err != nil {
				return err
			}
		}
	}
	return nil
}

func closeImage(node qmp.Args, open func(path string, flags int) (*os.File, error)) error {
	if file, ok := node["file"].(qmp.Args); ok {
		if path, ok := file["filename"].(string); ok {
			header, err := readHeader(path, open)
			if err != nil {
				return err
			}
			for _, member := range header.names() {
				if _, given := node[member]; !given {
					return fmt.Errorf("image %s names a file: with Open it must be member %q of a Blockdev's node", path, member)
				}
			}
		}
	}
	if _, given := node["backing"]; !given {
		node["backing"] = nil // also if the header is another one by now
	}
	return nil
}

// An imageHeader is the beginning of an image, as far as it matters here.
type imageHeader [80]byte

// readHeader opens an image once more: with O_DIRECT it could not be read at any address.
func readHeader(path string, open func(path string, flags int) (*os.File, error)) (h imageHeader, err error) {
	f, err := open(path, os.O_RDONLY)
	if err != nil {
		return h, err
	}
	defer f.Close() // nothing was written
	if _, err = f.ReadAt(h[:], 0); errors.Is(err, io.EOF) {
		err = nil // too short to be an image, which QEMU will say
	}
	return h, err
}

// names returns the members of a node that are needed for what the header names. See the formats'
// specifications, docs/interop/qcow2.txt and qed_spec.txt of QEMU.
func (h *imageHeader) names() (members []string) {
	const (
		dataFile   = 1 << 2 // of qcow2's incompatible features
		qedBacking = 1 << 0 // of qed's features
	)
	switch {
	case bytes.HasPrefix(h[:], []byte("QFI\xfb")):
		if binary.BigEndian.Uint64(h[8:]) != 0 { // where the name is
			members = append(members, "backing")
		}
		if version := binary.BigEndian.Uint32(h[4:]); version >= 3 && binary.BigEndian.Uint64(h[72:])&dataFile != 0 {
			members = append(members, "data-file")
		}
	case bytes.HasPrefix(h[:], []byte("QED\x00")) && binary.LittleEndian.Uint64(h[16:])&qedBacking != 0:
		members = append(members, "backing")
	}
	return members
}
