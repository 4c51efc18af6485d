package libvirttest

import (
	"context"
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strings"
)

// Machine describes a machine: a pc with one CPU, 32 MiB and a virtio-scsi controller.
type Machine struct {
	Name string
	// UUID is chosen by libvirt if it is empty.
	UUID string
	// Disk is the path of a raw image below Daemon.Dir, for the disk "sda". Without one, there is no disk.
	Disk string
	// Agent gives the machine the channel of a guest agent. No agent answers there.
	Agent bool
	// Guest boots Linux with a guest agent, which answers after some seconds.
	Guest bool
	// Paused starts the machine with its CPUs stopped.
	Paused bool
}

// xml returns the machine as libvirt's XML.
func (d *Daemon) xml(m Machine) (string, error) {
	memory, boot := 32, ""
	if m.Guest {
		kernel, initrd, parameters, err := d.qemu.WriteGuest(d.Dir)
		if err != nil {
			return "", err
		}
		memory = 256
		boot = fmt.Sprintf("<kernel>%s</kernel><initrd>%s</initrd><cmdline>%s</cmdline>", escape(kernel), escape(initrd), escape(parameters))
	}
	var b strings.Builder
	text := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	text(`<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>`)
	text(`<name>%s</name><memory unit='MiB'>%d</memory><vcpu>1</vcpu>`, escape(m.Name), memory)
	if m.UUID != "" {
		text(`<uuid>%s</uuid>`, m.UUID)
	}
	text(`<os><type arch='x86_64' machine='pc'>hvm</type>%s</os><features><acpi/></features>`, boot)
	text(`<devices><emulator>%s</emulator>`, escape(d.qemu.Path))
	text(`<controller type='usb' model='none'/><controller type='scsi' model='virtio-scsi'/><memballoon model='none'/>`)
	if m.Disk != "" {
		text(`<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='%s'/><target dev='sda' bus='scsi'/></disk>`, escape(m.Disk))
	}
	if m.Agent || m.Guest {
		text(`<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>`)
	}
	text(`</devices><qemu:commandline><qemu:arg value='-qmp'/><qemu:arg value='unix:%s,server=on,wait=off'/></qemu:commandline></domain>`,
		escape(d.Monitor(m.Name)))
	return b.String(), nil
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder takes all
	return b.String()
}

// Monitor returns the path of a machine's monitor outside of libvirt. It serves one client at a time.
func (d *Daemon) Monitor(name string) string { return filepath.Join(d.Dir, name+".qmp") }

// CreateMachine starts a machine. It ends with the daemon at the latest.
func (d *Daemon) CreateMachine(ctx context.Context, m Machine) error {
	xml, err := d.xml(m)
	if err != nil {
		return err
	}
	return d.with(ctx, func(c *caller) error { return c.create(xml, m.Paused) })
}

// DestroyMachine ends a machine, as if its power failed.
func (d *Daemon) DestroyMachine(ctx context.Context, name string) error {
	return d.with(ctx, func(c *caller) error { return c.destroy(name) })
}

// pidOf is the number of a machine's QEMU in the namespace, as an expression of the shell.
func pidOf(name string) string { return "$(cat '/run/libvirt/qemu/" + name + ".pid')" }

// signal sends a signal to the QEMU of a machine.
func (d *Daemon) signal(name, signal string) error {
	_, err := d.run("kill -" + signal + " " + pidOf(name))
	return err
}

// Hang makes the QEMU of a machine stop, so that it answers nothing.
func (d *Daemon) Hang(name string) error { return d.signal(name, "STOP") }

// Wake lets the QEMU of a machine run again after Hang.
func (d *Daemon) Wake(name string) error { return d.signal(name, "CONT") }

// Kill kills the QEMU of a machine.
func (d *Daemon) Kill(name string) error { return d.signal(name, "KILL") }

// PidOf returns the number of the process of a machine's QEMU.
func (d *Daemon) PidOf(name string) (int, error) { return d.hostPid(pidOf(name)) }
