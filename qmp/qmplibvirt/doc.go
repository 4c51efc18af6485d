// Package qmplibvirt executes typed commands and receives events of machines that a libvirt daemon runs. One connection
// reaches all machines of a host. It speaks libvirt's remote protocol itself, and needs no library of libvirt.
//
//	conn, err := qmplibvirt.Dial(ctx, "/run/libvirt/libvirt-sock", nil)
//	if err != nil {
//		return err
//	}
//	defer conn.Close()
//
//	vm, err := conn.Domain(ctx, "web1")
//	if err != nil {
//		return err
//	}
//	status, err := qemu.QueryStatus{}.Do(ctx, vm)
//
// A [Domain] is a [qmp.Conn], so qmp.Subscribe and the packages job, block, qom, migration, qmpschema and hotplug work with
// it. [Domain.Guest] is the guest agent, for package guestagent. [Conn.Domains] lists the machines that run, and
// [Conn.Watch] returns the events of all of them.
//
// # WHAT IS SAFE
//
// libvirt passes on every command, and supports none of them. QUERIES AND EVENTS ARE SAFE, and so are commands that
// leave the machine as it was: reading properties of QOM, backups, exports. libvirt notices if the machine is stopped,
// continued or ended. At the first command, libvirt marks the run as tainted ("custom-monitor") in its log.
//
// LIBVIRT DOES NOT NOTICE devices, block nodes, images and media that are added, removed or replaced behind its back.
// IT THEN SAVES A MACHINE THAT CANNOT BE RESTORED, and migrations fail. A Domain therefore refuses such commands with
// an error that matches [ErrUntracked] and [qmp.ErrNotSent]. [Domain.AllowUntracked] permits them:
//
//	err = hotplug.New(vm.AllowUntracked(), nil).AddDisk(ctx, disk)
//
// Use it only for machines that libvirt will never save or migrate, or undo everything first. The backups and copies of
// package block need it, since they add nodes, and they remove these nodes at the end.
//
// # What differs from a Client
//
//   - A machine gets one command at a time; libvirt and the daemon limit this. Commands that wait are not sent yet.
//   - A command cannot be cancelled. If its context ends, the machine is busy until QEMU has answered.
//   - A machine that hangs keeps a call of the connection ([Options.InFlight]), and one more if the program also sends
//     commands to its guest agent. With the defaults, three calls that hang do not affect other machines.
//   - An event can come shortly after a reply that QEMU sent after it.
//   - There is no out-of-band execution. Files can be sent with getfd and add-fd, over a UNIX socket.
//   - A request and a reply have at most 4 MiB. If a reply is longer, the command was executed, and its outcome is
//     reported as unknown. If a reply has more than 10 MiB, libvirt loses the monitor of the machine until the daemon is
//     restarted.
//
// # Imports
//
// The package does not link fmt, encoding/json or cryptography. [Options.SASL] and connections of TLS bring their own.
package qmplibvirt
