//go:build linux && !386

package qmp

import "syscall"

// sysConnect is the number of connect(2).
const sysConnect = syscall.SYS_CONNECT
