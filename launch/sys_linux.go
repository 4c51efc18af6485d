package launch

import (
	"cmp"
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

// endWithParent has the kernel send SIGTERM to a child when this process ends, unless the attributes have another signal.
// SIGTERM lets QEMU write the bitmaps of its images and remove its files. QEMU ends from it in every state, but not while
// it hangs.
func endWithParent(attr *syscall.SysProcAttr) {
	attr.Pdeathsig = cmp.Or(attr.Pdeathsig, syscall.SIGTERM)
}
