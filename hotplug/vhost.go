package hotplug

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// QEMU 7.2 ends when it cannot use vhost that it was asked to use; 5.2 warns and does without it,
// and later ones refuse.

// kernelVhost and vhostNet are replaced by tests, for machines without vhost.
var (
	kernelVhost = vhostFeatures
	vhostNet    = "/dev/vhost-net"
)

// checkVhost checks that the files are of vhost.
func checkVhost(files []*os.File) error {
	for i, f := range files {
		if _, err := kernelVhost(f); err != nil {
			return fmt.Errorf("Vhost[%d] is not of vhost, as far as can be seen: %w", i, err)
		}
		if slices.Contains(files[:i], f) {
			return fmt.Errorf("Vhost[%d] is there twice", i)
		}
	}
	return nil
}

// opensVhost tells whether QEMU is to open vhost-net for a tap.
func opensVhost(tap *qemu.NetdevTapOptions) bool {
	if tap.VhostFD != nil || tap.VhostFDs != nil {
		return false
	}
	if tap.Vhost != nil {
		return *tap.Vhost
	}
	return qmp.Value(tap.Vhostforce)
}

// checkVhostNet checks that vhost-net can be opened here, and so, where nothing keeps it from that,
// by QEMU.
func checkVhostNet() error {
	f, err := os.OpenFile(vhostNet, os.O_RDWR, 0)
	if err == nil {
		_, err = kernelVhost(f)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("Netdev asks for vhost, which is not there: load vhost_net, or do without: %w", err)
	}
	return nil
}
