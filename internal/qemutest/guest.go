package qemutest

import (
	"fmt"
	"os"
	"path/filepath"
)

// findGuest returns the folder with the guest's vmlinuz and initrd.
func findGuest() (string, error) {
	if dir := os.Getenv("QEMU_GUEST"); dir != "" {
		return dir, nil
	}
	dir, err := fetch("get-guest.sh")
	if err != nil {
		return "", fmt.Errorf("guest is %w: set QEMU_GUEST to a folder with vmlinuz and initrd (%w)", ErrMissing, err)
	}
	return dir, nil
}

// guestCommand is a machine with 256 MiB. What is added to that the guest uses at once, and in such
// a way that it can give it back.
//
// The kernel does not test its timer (no_timer_check): when QEMU gets no CPU for a moment, as on a
// machine that runs other tests, no tick comes in time, and the kernel stops at "MP-BIOS bug: 8254
// timer not connected to IO-APIC".
func guestCommand(dir string, keeps bool) []string {
	kernel := "console=ttyS0 quiet panic=-1 no_timer_check memhp_default_state=online_movable"
	if keeps {
		kernel += " keep=1"
	}
	return []string{
		"-m", "256",
		"-kernel", filepath.Join(dir, "vmlinuz"),
		"-initrd", filepath.Join(dir, "initrd"),
		"-append", kernel,
	}
}
