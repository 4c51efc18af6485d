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

// The header of an image can name other files: a backing file, or a data file. QEMU opens them by name. A caller that
// opens QEMU's files for it does not want that: whoever created the image may have written the name of a file that this
// machine must not see.

// closeImages makes sure that QEMU opens no file that only the header of an image names. If an image needs
// a file that the tree does not have, closeImages returns an error: without that file the guest would see
// wrong data.
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
					return fmt.Errorf("header of image %s names a file; with Open, give that file in member %q of the Blockdev's node", path, member)
				}
			}
		}
	}
	if _, given := node["backing"]; !given {
		node["backing"] = nil // even if the header has changed since
	}
	return nil
}

// An imageHeader is the beginning of an image.
type imageHeader [80]byte

// readHeader opens an image once more, without O_DIRECT, which would need aligned memory.
func readHeader(path string, open func(path string, flags int) (*os.File, error)) (h imageHeader, err error) {
	f, err := open(path, os.O_RDONLY)
	if err != nil {
		return h, err
	}
	defer f.Close() // nothing was written
	if _, err = f.ReadAt(h[:], 0); errors.Is(err, io.EOF) {
		err = nil // too short to be an image: QEMU will refuse it
	}
	return h, err
}

// names returns the members that a node needs for the files that the header names. See the formats'
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
