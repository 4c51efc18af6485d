package hotplug

import (
	"errors"

	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// chardevOf is the id of the character device that belongs to a device.
func chardevOf(id string) string { return id + "-chardev" }

// checkConnects checks that a connection to a server of vhost-user is one that is made at once or
// not at all. With every other one QEMU waits for somebody to be there when the device or the netdev
// is added, and meanwhile executes no command and runs no CPU.
func checkConnects(chardev *qemu.ChardevBackend) error {
	socket, ok := chardev.Branch.(*qemu.ChardevSocketWrapper)
	if !ok || socket == nil {
		return errors.New("Chardev is no socket, which vhost-user needs")
	}
	if server := socket.Data.Server; server == nil || *server || socket.Data.ReconnectMs != nil {
		return errors.New("Chardev is not one that connects once (Server false, no ReconnectMs): " +
			"QEMU would stand still until somebody is there")
	}
	return nil
}
