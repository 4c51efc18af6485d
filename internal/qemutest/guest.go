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

func guestCommand(dir string) []string {
	return []string{
		"-m", "256",
		"-kernel", filepath.Join(dir, "vmlinuz"),
		"-initrd", filepath.Join(dir, "initrd"),
		"-append", "console=ttyS0 quiet panic=-1",
	}
}
