// Package qemutest starts real QEMUs, with or without a Linux guest in them, for tests.
//
//	qemutest.Run(t, []string{"7.2", "10.0"}, func(t *testing.T, q *qemutest.QEMU) {
//		vm := q.Start(t, qemutest.Config{Machine: "pc", Guest: true})
//		c := vm.Dial(t)
//		require.NoError(t, vm.WaitGuest(ctx))
//		…
//	})
//
// # Which QEMU
//
// A test names its versions, and Run runs it on each. The QEMU of a version is the first of these that exists:
//  1. The program that the variable QEMU names, whatever its version. It stands for all versions, so each test runs
//     once, on that QEMU.
//  2. qemu-system-x86_64 in the PATH, if it has that version.
//  3. The QEMU that scripts/get-qemu.sh unpacks from Debian's packages into a cache folder outside the source tree (5.2,
//     7.2, 10.0 and 11.1; about 12 seconds each, once).
//  4. qemu-system-x86_64 in the PATH, whatever its version.
//
// Other programs of the same QEMU (qemu-storage-daemon, qemu-ga, qemu-img) come from its folder or, if they are missing
// there, from the PATH. The guest (vmlinuz and initrd) comes from the folder that the variable QEMU_GUEST names. If
// QEMU_GUEST is not set, scripts/get-guest.sh makes it.
//
// Config.Target names another architecture. Its emulator is beside the QEMU above, or scripts/get-qemu.sh --others unpacks
// it, and scripts/get-guest.sh --target makes its guest. Machines runs tests that need these only if the variable
// QMPKIT_MATRIX is "machines" (make test-machines).
//
// If there is no QEMU or guest, the test is skipped, and says which variable to set. With CI=true it fails, because nobody
// reads a list of skipped tests there. With QMPKIT_OFFLINE=1, nothing is downloaded.
//
// Source has QEMU's own schemas, from Debian's source packages (5.2, 7.2, 10.0).
//
// # What runs
//
// Machines always run under TCG, so tests mean the same on hosts without KVM. The sockets of monitors listen before QEMU
// starts, so a client can dial at once. Every process ends with its test, and also when the test binary is killed (on
// Linux). If a test fails, its log has the output of the process.
//
// Find and QEMU.Launch do the same for programs that are not tests.
package qemutest
