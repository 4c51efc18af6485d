package qmp

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// maxSocketPath is the length of the longest path that the address of a socket holds
// (sun_path of unix(7), with the zero at its end).
const maxSocketPath = 107

// dialLongPath connects to a socket whose path is too long for an address, by way of its
// folder's descriptor.
func dialLongPath(ctx context.Context, path string) (net.Conn, error) {
	slash := strings.LastIndexByte(path, '/') + 1
	if len(path)-slash > maxSocketPath-len("/proc/self/fd/1234567890/") {
		return nil, syscall.ENAMETOOLONG
	}
	folder, err := os.Open(path[:slash]) // not empty, as the name alone is not too long
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	return dialUNIX(ctx, "/proc/self/fd/"+strconv.Itoa(int(folder.Fd()))+"/"+path[slash:])
}
