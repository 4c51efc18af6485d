package libvirttest

import "syscall"

// namespaces makes a process the first one of its own namespaces for mounts and processes.
func namespaces() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS, // syscall also makes the mounts private
	}
}
