package libvirttest

import "syscall"

// namespaces gives a process new namespaces for mounts and processes, in which it is the first one.
func namespaces() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS, // syscall also makes the mounts private
	}
}
