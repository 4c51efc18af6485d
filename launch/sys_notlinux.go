//go:build unix && !linux

package launch

import "syscall"

func processAttributes(outlive bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: outlive, Setpgid: !outlive}
}

func listensAt(string) bool { return false }
