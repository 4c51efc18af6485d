package hotplug_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/qmpkit/qmpkit/hotplug"
	"github.com/qmpkit/qmpkit/internal/qemutest"
	"github.com/qmpkit/qmpkit/qmp"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// errorOf returns the error of a removal.
func errorOf(_ []hotplug.Kept, err error) error { return err }

// stateOf lists the devices, objects, netdevs, block nodes and sets of descriptors of a QEMU.
func stateOf(t *testing.T, c *qmp.Client) []string {
	t.Helper()
	ctx := t.Context()
	var all []string
	for path, kind := range map[string]string{"/machine/peripheral": "device ", "/objects": "object "} {
		children, err := qemu.QOMList{Path: path}.Do(ctx, c)
		if !errors.Is(err, qmp.ErrDeviceNotFound) { // older ones have no container before its first object
			require.NoError(t, err)
		}
		for _, child := range children {
			if child.Name != "type" {
				all = append(all, kind+child.Name)
			}
		}
	}
	nodes, err := qemu.QueryBlockStats{QueryNodes: new(true)}.Do(ctx, c)
	require.NoError(t, err)
	for _, n := range nodes {
		all = append(all, "node "+*n.NodeName)
	}
	sets, err := qemu.QueryFDSets{}.Do(ctx, c)
	require.NoError(t, err)
	for _, s := range sets {
		all = append(all, "fdset "+strconv.FormatInt(s.FDSetID, 10))
	}
	all = append(all, netdevs(t, c)...)
	slices.Sort(all)
	return all
}

// chardevs lists the character devices.
func chardevs(t *testing.T, c *qmp.Client) (all []string) {
	t.Helper()
	chardevs, err := qemu.QueryChardev{}.Do(t.Context(), c)
	require.NoError(t, err)
	for _, chardev := range chardevs {
		all = append(all, chardev.Label)
	}
	return all
}

// netdevs lists the netdevs, and the NICs that use them, for which QMP has no command.
func netdevs(t *testing.T, c *qmp.Client) (all []string) {
	t.Helper()
	text, err := qemu.HumanMonitorCommand{CommandLine: "info network"}.Do(t.Context(), c)
	require.NoError(t, err)
	for line := range strings.Lines(text) {
		if name, _, ok := strings.Cut(strings.TrimLeft(line, " \\"), ":"); ok {
			all = append(all, "net "+name)
		}
	}
	return all
}

// qemuFds lists the descriptors of a QEMU, without eventfds: QEMU has some for a virtio device when the firmware has
// started it.
func qemuFds(t *testing.T, vm *qemutest.VM) []string {
	t.Helper()
	fds, err := vm.Fds()
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	require.NoError(t, err)
	return slices.DeleteFunc(fds, func(fd string) bool { return fd == "anon_inode:[eventfd]" })
}
