//go:build !linux

package libvirttest

import "syscall"

func namespaces() *syscall.SysProcAttr { return nil }
