package qemutest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// WriteGuest writes the guest of an x86-64 machine with q's qemu-ga to a folder, for machines that something else starts.
// It returns the paths of the files and the parameters of the kernel. The machine needs 256 MiB.
func (q *QEMU) WriteGuest(dir string) (kernel, initrd, parameters string, err error) {
	guest, err := findGuest("x86_64")
	if err != nil {
		return "", "", "", err
	}
	image, err := os.ReadFile(filepath.Join(guest, "vmlinuz"))
	if err != nil {
		return "", "", "", err
	}
	archive, err := q.agentInitrd(guest)
	if err != nil {
		return "", "", "", err
	}
	kernel, initrd = filepath.Join(dir, "vmlinuz"), filepath.Join(dir, "initrd")
	command := Config{}.guestCommand(guest)
	parameters = command[slices.Index(command, "-append")+1]
	return kernel, initrd, parameters, errors.Join(os.WriteFile(kernel, image, 0o600), os.WriteFile(initrd, archive, 0o600))
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
