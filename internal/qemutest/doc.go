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
// A test names the versions that it is for; [Run] runs it on each. The QEMU of a version is
//
//  1. the program that the variable QEMU names, whatever its version: it then stands for all
//     versions, so that each test runs once, on the QEMU that somebody wants to try;
//  2. the PATH's qemu-system-x86_64, if it is of that version;
//  3. the one that scripts/get-qemu.sh unpacks from Debian's packages into a cache folder
//     outside the source tree (5.2, 7.2, 10.0 and 11.1; some 12 seconds each, once);
//  4. the PATH's again, of whatever version, rather than none.
//
// Programs that go with it (qemu-storage-daemon, qemu-ga, qemu-img) are taken from its folder,
// else from the PATH. The guest comes from the folder that the variable QEMU_GUEST names
// (vmlinuz and initrd), else from scripts/get-guest.sh.
//
// Where there is none a test is skipped, and says which variable to set. With CI=true it fails:
// nobody reads a list of skipped tests there. With QMPKIT_OFFLINE=1 nothing is fetched.
//
// [Source] has QEMU's own schemas, from Debian's source packages (5.2, 7.2, 10.0).
//
// # What runs
//
// Machines always run under TCG, so that tests mean the same where there is no KVM. Monitors
// are sockets that are listening before QEMU starts: a client may dial at once, nothing polls.
// Every process ends with its test, and also when the test binary is killed (on Linux). What it
// wrote is in the log of a test that fails.
//
// [Find] and [QEMU.Launch] do the same for programs that are no tests.
package qemutest
