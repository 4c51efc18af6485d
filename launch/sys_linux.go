package launch

import "syscall"

// processAttributes returns the attributes of a child. QEMU does not get the signals of the terminal, so that the
// program can end it in its own way.
func processAttributes(outlive bool) *syscall.SysProcAttr {
	if outlive {
		return &syscall.SysProcAttr{Setsid: true}
	}
	// SIGTERM lets QEMU write the bitmaps of its images and remove its files. QEMU ends from it in every state, but not
	// while it hangs.
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
