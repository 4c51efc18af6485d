// Package libvirttest starts real libvirt daemons, which run real QEMUs, for tests.
//
//	libvirttest.Run(t, libvirttest.Config{}, func(t *testing.T, d *libvirttest.Daemon) {
//		d.Create(t, libvirttest.Machine{Name: "vm1"})
//		conn, err := qmplibvirt.Dial(ctx, d.Socket(), nil)
//		…
//	})
//
// # Which daemons
//
// scripts/get-libvirt.sh unpacks libvirt 9.0 and 11.3 from Debian's packages into the cache folder (15 seconds each, once).
// Nothing is installed. Tests run on these daemons only if the variable QMPKIT_MATRIX is "libvirt" (make test-libvirt),
// because they need root. Otherwise they are skipped with a reason.
//
// # What runs
//
// A daemon lives in namespaces for mounts and for processes, in a chroot: /usr is the unpacked libvirt, and everything
// else is in a folder of the daemon. So daemons do not see each other, nor a libvirt of the host. The first process of the
// namespace is a shell that reads commands from a pipe. When the pipe ends, which happens also when the test binary is
// killed, the kernel ends all processes of the namespace: the daemon and its QEMUs. The mounts end with them.
//
// The chroot can also have polkit with its bus, and sshd (Config.Polkit, Config.SSH). Daemon.Connect runs a program there and
// returns its input and output as a connection.
//
// Machines run under TCG, with the QEMU of scripts/get-qemu.sh. Each machine also has a monitor outside of libvirt
// (Daemon.Monitor), for tests that compare.
package libvirttest
