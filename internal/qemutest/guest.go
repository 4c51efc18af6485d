package qemutest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
)

// findGuest returns the folder with the vmlinuz and the initrd of the guest for a target.
func findGuest(target string) (string, error) {
	var args []string
	if target != "x86_64" {
		args = []string{"--target", target}
	} else if dir := os.Getenv("QEMU_GUEST"); dir != "" {
		return dir, nil
	}
	dir, err := fetch("get-guest.sh", args...)
	if err != nil {
		return "", fmt.Errorf("guest is %w: set QEMU_GUEST to a folder with vmlinuz and initrd (%w)", ErrMissing, err)
	}
	return dir, nil
}

// guestCommand is a machine with 256 MiB, or 512 MiB on other targets. The guest uses what is added to that at once, and
// in such a way that it can give it back.
//
// The kernel does not test its timer (no_timer_check): when QEMU gets no CPU for a moment, as on a
// machine that runs other tests, no tick comes in time, and the kernel stops at "MP-BIOS bug: 8254
// timer not connected to IO-APIC".
func (cfg Config) guestCommand(dir string) []string {
	board, memory := cfg.board(), "256"
	kernel := "console=" + cmp.Or(board.console, "ttyS0") + " quiet panic=-1 memhp_default_state=online_movable"
	if cfg.target() == "x86_64" {
		kernel += " no_timer_check"
	} else {
		memory = "512"
	}
	if board.kernel != "" {
		kernel += " " + board.kernel
	}
	if cfg.GuestKeeps {
		kernel += " keep=1"
	}
	return []string{
		"-m", memory,
		"-kernel", filepath.Join(dir, "vmlinuz"),
		"-initrd", filepath.Join(dir, "initrd"),
		"-append", kernel,
	}
}
