package qmp

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// maxSocketPath is the length of the longest path that the address of a socket holds
// (sun_path of unix(7), with the zero at its end).
const maxSocketPath = 107

// dialPath connects to a socket. If its path is too long for an address, that of its folder's
// descriptor takes its place.
func dialPath(ctx context.Context, path string) (net.Conn, error) {
	if len(path) <= maxSocketPath {
		return connectUNIX(ctx, path)
	}
	slash := strings.LastIndexByte(path, '/') + 1
	if len(path)-slash > maxSocketPath-len("/proc/self/fd/1234567890/") {
		return nil, dialError(path, syscall.ENAMETOOLONG)
	}
	folder, err := os.Open(path[:slash]) // not empty, as the name alone is not too long
	if err != nil {
		return nil, dialError(path, err)
	}
	defer folder.Close()
	conn, err := connectUNIX(ctx, "/proc/self/fd/"+strconv.Itoa(int(folder.Fd()))+"/"+path[slash:])
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return nil, dialError(path, op.Err)
	}
	return conn, err
}

// dialError is the error of package net, with the path that the caller has given.
func dialError(path string, err error) error {
	return &net.OpError{Op: "dial", Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: err}
}
