package hotplug

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qmpkit/qmpkit/launch"
	"github.com/qmpkit/qmpkit/qmp/generated/qemu"
)

// A Disk, a NIC and a Memory are options of package launch: a machine starts with what it could get later. They have the same
// names and marks then, so that a removal recognizes them.

// AppendTo starts a QEMU with the disk: [launch.Args] can contain it. It adds what [VM.AddDisk] would add, with the same
// names, so [VM.RemoveDisk] and package block work on it as if it was added later. Files are opened at the start; QEMU
// gets their descriptors. Secrets are not on the command line.
//
// Without a Bus, the device is on the chipset's bus. A guest cannot release it from pcie.0 of a q35: to remove
// the disk later, set Bus to a root port. With a [Node], the node must be among the arguments.
func (d Disk) AppendTo(line *launch.Line) error { return appended("disk", d.ID, d.appendTo(line)) }

func (d Disk) appendTo(line *launch.Line) error {
	if err := d.check(); err != nil {
		return err
	}
	driver, _ := d.Backend.diskDevice(&d)
	driver, err := defaultDriver(qemu.SysEmuTarget(line.Target()), driver)
	if err != nil && d.Driver == "" {
		return err
	}
	d.Driver = cmp.Or(d.Driver, driver)
	if err := d.Backend.appendStorage(line, &d); err != nil {
		return err
	}
	if server, ok := d.Backend.(VhostUser); ok {
		if err := appendMark(line, d.ID, aChardev, server.chardevID(d.ID)); err != nil {
			return err
		}
	}
	return launch.Device(d.device()).AppendTo(line)
}

// appendNode adds a disk's node, with the secrets and descriptors that it needs.
func appendNode(line *launch.Line, d *Disk, b nodeBackend) error {
	tree := &nodeTree{}
	defer tree.close() // QEMU has copies of the descriptors by then
	if err := b.prepare(tree); err != nil {
		return err
	}
	secrets := b.keys()
	if len(secrets) > 0 {
		if err := checkReading(d.ID); err != nil {
			return err
		}
	}
	for name, secret := range secrets {
		if err := line.Secret(SecretID(d.ID, name), secret); err != nil {
			return err
		}
	}
	addition := additionOf(d.ID, d.NodeName)
	for _, f := range tree.files {
		path, err := line.FDSet(f.opaque(addition), f.use, f.files...)
		if err != nil {
			return err
		}
		f.node["filename"] = path
	}
	if len(tree.files) == 0 {
		if err := appendMark(line, d.ID, aNode, d.NodeName); err != nil {
			return err
		}
	}
	return launch.Blockdev(tree.options(d.NodeName)).AppendTo(line)
}

// AppendTo starts a QEMU with the NIC: [launch.Args] can contain it. It adds what [VM.AddNIC] would add, with the same names,
// so [VM.RemoveNIC] works on it. QEMU inherits copies of the descriptors. Bus is as in [Disk.AppendTo]. LinkDown is an error
// that matches [errors.ErrUnsupported]: QEMU has no option for it.
func (n NIC) AppendTo(line *launch.Line) error { return appended("NIC", n.ID, n.appendTo(line)) }

func (n NIC) appendTo(line *launch.Line) error {
	if err := n.check(); err != nil {
		return err
	}
	if n.LinkDown {
		return because(errors.ErrUnsupported, "a machine cannot start with LinkDown: start it with -S, call AddNIC, and send cont")
	}
	driver, err := defaultDriver(qemu.SysEmuTarget(line.Target()), defaultNICDriver)
	if err != nil {
		return err
	}
	n.Driver = cmp.Or(n.Driver, driver)
	if tap, ok := n.Backend.(Tap); ok {
		if err := attachTaps(new(rollback), tap.Queues); err != nil {
			return err
		}
	}
	if server, ok := n.Backend.(VhostUser); ok {
		if err := server.appendServer(line, n.ID); err != nil {
			return err
		}
	}
	numbers := map[string]string{}
	for _, f := range n.Backend.files(n.ID) {
		if numbers[f.name], err = line.FD(f.file); err != nil {
			return err
		}
	}
	if err := appendMark(line, n.ID, aNetdev, n.NetdevID); err != nil {
		return err
	}
	netdev := n.Backend.netdev(&n)
	numberFiles(netdev.Branch, numbers)
	if err := launch.Netdev(qemu.Netdev(netdev)).AppendTo(line); err != nil {
		return err
	}
	return launch.Device(n.device(queuesOf(netdev))).AppendTo(line)
}

// numberFiles replaces the names of descriptors in a netdev by their numbers.
func numberFiles(branch qemu.NetdevBranch, numbers map[string]string) {
	if len(numbers) == 0 { // the branch may be the caller's
		return
	}
	replace := func(names *string) {
		if names == nil {
			return
		}
		all := strings.Split(*names, ":")
		for i, name := range all {
			all[i] = cmp.Or(numbers[name], name)
		}
		*names = strings.Join(all, ":")
	}
	switch branch := branch.(type) {
	case *qemu.NetdevTapOptions:
		for _, names := range []*string{branch.FD, branch.FDs, branch.VhostFD, branch.VhostFDs} {
			replace(names)
		}
	case *qemu.NetdevVhostVDPAOptions:
		replace(branch.VhostFD)
	}
}

// AppendTo starts a QEMU with the memory: [launch.Args] can contain it. It adds what [VM.AddMemory] would add, with the same
// names, so [VM.RemoveMemory] works on it. The machine needs room for it, as for AddMemory. On s390x, Driver is required.
func (m Memory) AppendTo(line *launch.Line) error { return appended("memory", m.ID, m.appendTo(line)) }

func (m Memory) appendTo(line *launch.Line) error {
	if err := m.check(); err != nil {
		return err
	}
	if m.Driver == "" && line.Target() == string(qemu.SysEmuTargetS390x) {
		return errors.New("needs a Driver on s390x")
	}
	if err := appendMark(line, m.ID, anObject, m.ObjectID); err != nil {
		return err
	}
	if err := launch.Object(qemu.ObjectOptions(m.Backend.object(m.ObjectID))).AppendTo(line); err != nil {
		return err
	}
	return launch.Device(m.device()).AppendTo(line)
}

// appendMark adds the mark for a part of a device.
func appendMark(line *launch.Line, id, what, name string) error {
	if slices.Contains(defaultNames(what, id), name) {
		return nil
	}
	if err := checkReading(id); err != nil {
		return err
	}
	line.Add("-object", "secret,id="+markOf(id, what, name)+",data=")
	return nil
}

// appended returns the error of an option.
func appended(what, id string, err error) error {
	if err != nil {
		err = fmt.Errorf("hotplug: start with %s %q: %w", what, id, err)
	}
	return err
}
