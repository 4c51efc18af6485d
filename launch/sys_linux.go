package launch

import (
	"os"
	"strings"
	"syscall"
)

// listensAt reports whether the kernel lists a socket that listens at a path. It does not find sockets of other network
// namespaces, and sockets that were bound by another name of the path.
func listensAt(path string) bool {
	const listening = "00010000"                // the flag __SO_ACCEPTCON
	sockets, _ := os.ReadFile("/proc/net/unix") // without it, the caller connects
	for line := range strings.Lines(string(sockets)) {
		// Num RefCount Protocol Flags Type St Inode Path
		if rest, ok := strings.CutSuffix(strings.TrimSuffix(line, "\n"), " "+path); ok {
			if fields := strings.Fields(rest); len(fields) == 7 && fields[3] == listening {
				return true
			}
		}
	}
	return false
}

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
