//go:build unix && !linux

package launch

import "syscall"

func processAttributes(outlive bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: outlive, Setpgid: !outlive}
}
